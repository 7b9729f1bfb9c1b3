"""Bodies fitted to 2D keypoints of one view or of several, with their uncertainty."""
