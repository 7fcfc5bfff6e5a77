"""The Transformer of BERT and ELECTRA."""
