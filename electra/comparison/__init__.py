"""Race pre-training methods at equal compute."""
