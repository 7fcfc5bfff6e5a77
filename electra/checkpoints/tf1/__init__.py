"""Read google-research's TensorFlow checkpoints without TensorFlow."""
