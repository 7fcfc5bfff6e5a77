"""Serve a model over HTTP: dynamic batching, limits, LanguageTool's API, and a page."""
