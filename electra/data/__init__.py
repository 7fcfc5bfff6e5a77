"""From text to batches: documents, chunks, shards, rows."""
