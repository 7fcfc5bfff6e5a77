"""Code shared by all packages: files, messages, errors, hardware. No torch."""
