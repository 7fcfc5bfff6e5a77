"""ModernBERT's architecture: norms before each sub-layer, rotary positions, local attention, gated feed-forward."""
