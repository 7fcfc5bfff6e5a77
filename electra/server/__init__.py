"""A model behind HTTP: batches, limits, LanguageTool's form, the page."""
