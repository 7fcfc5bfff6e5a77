"""Pre-training: starting point, first weights, optimizer, evaluation and report of a run."""
