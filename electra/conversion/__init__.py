"""Models of others: TensorFlow checkpoints and weights of Hugging Face, model cards."""
