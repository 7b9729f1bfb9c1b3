"""Motion capture on a body: rotations from skeletons, and training data made of them."""
