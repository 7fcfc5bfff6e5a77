"""What fine-tuning and its evaluation are made of."""
