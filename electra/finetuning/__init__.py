"""Fine-tune pre-trained models and evaluate them."""
