"""Planted errors, counting baselines, and metrics of error detection."""
