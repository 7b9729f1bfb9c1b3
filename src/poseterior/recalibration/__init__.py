"""Repair of posteriors, fitted on held-out predictions; see `recalibration` for the interface."""
