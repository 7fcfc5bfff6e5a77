"""Ground that everything stands on: files, messages, errors, the machine. No torch."""
