"""Write models for runtimes without torch."""
