"""Small things every test may use."""

import os

# Two test processes on two cores would otherwise fight for them.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
