"""Networks on disk: Hugging Face directories, TensorFlow checkpoints, model cards."""
