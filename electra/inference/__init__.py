"""Use a trained model: detect, predict, embed."""
