"""Compare pre-training methods at equal compute."""
