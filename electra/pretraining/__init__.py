"""What the verb pretrain is made of: what a run starts from, and its first weights."""
