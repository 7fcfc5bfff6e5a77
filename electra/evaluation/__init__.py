"""Planted errors, counting baselines, and scores of wrong words."""
