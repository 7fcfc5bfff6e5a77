"""The errors people make: their kinds, planted in clean text, and texts in which they are labelled. No torch."""
