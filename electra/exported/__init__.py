"""Exported models: their files, open sessions, and what their outputs mean. No torch but in graphs.py."""
