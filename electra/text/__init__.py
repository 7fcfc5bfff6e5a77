"""Read text and labelled data, and tokenise them. No torch."""
