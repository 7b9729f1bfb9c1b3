"""Mesh regressors, one method a file, with the losses and the pose prior that they share."""
