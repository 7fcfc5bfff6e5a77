"""Text and labelled data, read and tokenised. No torch."""
