"""Detectors: images in, keypoints with covariances out. Needs the extra `[detect]`."""
