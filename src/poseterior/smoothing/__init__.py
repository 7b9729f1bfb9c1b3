"""Smoothing of posteriors over a track: how joints move, and what of the errors lasts."""
