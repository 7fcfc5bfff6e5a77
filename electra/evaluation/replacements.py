"""Held-out text in which a generator has replaced tokens."""

from __future__ import annotations

import torch

from electra.config.pretrain import PretrainConfig
from electra.data.loader import Loader
from electra.data.shards import open_examples
from electra.inference.pretrained import Model
from electra.objectives.corruption import Sampler, corrupt, mask_tokens
from electra.training.seed import seed_all


def replaced_examples(model: Model, config: PretrainConfig, count: int) -> tuple[list[list[int]], list[list[bool]]]:
    """Held-out examples in which the generator has replaced tokens, and which; special tokens are left out."""
    assert model.generator is not None
    t, examples = model.tokenizer, open_examples(config.data, "heldout")
    count = min(count, len(examples))
    loader = Loader(examples, count, 0, t.sep_id, t.pad_id, t.special_ids, packed=False)
    (batch,) = loader.micro_batches(0, count)
    seed_all(0)
    masked = mask_tokens(batch, t.mask_id, config.mask_prob)
    with torch.inference_mode():
        logits = model.generator(masked.positions, masked.input_ids, *batch[1:4])
    corrupted = corrupt(batch, masked, Sampler()(logits).view_as(masked.labels))
    ids = [row[keep].tolist() for row, keep in zip(corrupted.input_ids, batch.maskable, strict=True)]
    return ids, [row[keep].tolist() for row, keep in zip(corrupted.is_replaced, batch.maskable, strict=True)]
