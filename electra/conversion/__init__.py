"""Models of others: TensorFlow checkpoints, model cards, where continued pre-training starts."""
