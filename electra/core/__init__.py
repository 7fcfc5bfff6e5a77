"""What every package uses: files, messages, errors, the hardware. No torch."""
