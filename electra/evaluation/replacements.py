"""Replace tokens of held-out text by a generator's samples."""

from __future__ import annotations

import torch

from electra.config.pretrain import PretrainConfig
from electra.data.loader import Loader
from electra.data.shards import open_examples
from electra.inference.sessions import Session
from electra.objectives.corruption import Sampler, corrupt, mask_tokens
from electra.text.tokenizer import Tokenizer
from electra.training.seed import seed_all


def replaced_examples(
    generator: Session, tokenizer: Tokenizer, config: PretrainConfig, count: int
) -> tuple[list[list[int]], list[list[bool]]]:
    """Return held-out examples with replaced tokens, and a label for each token; special tokens are left out.

    The generator returns "logits" [B, K, V] for rows and the `positions` [B, K] of their masked tokens.
    """
    t, examples = tokenizer, open_examples(config.data, "heldout")
    count = min(count, len(examples))
    loader = Loader(examples, count, 0, t.sep_id, t.pad_id, t.special_ids, packed=False)
    (batch,) = loader.micro_batches(0, count)
    seed_all(0)
    masked = mask_tokens(batch, t.mask_id, config.mask_prob)
    inputs = {
        "input_ids": masked.input_ids, "attention_mask": batch.example_ids, "token_type_ids": batch.token_type_ids,
        "positions": masked.positions,
    }  # fmt: skip
    (logits,) = generator({name: tensor.numpy() for name, tensor in inputs.items()}, ("logits",))
    corrupted = corrupt(batch, masked, Sampler()(torch.from_numpy(logits).flatten(0, -2)).view_as(masked.labels))
    ids = [row[keep].tolist() for row, keep in zip(corrupted.input_ids, batch.maskable, strict=True)]
    return ids, [row[keep].tolist() for row, keep in zip(corrupted.is_replaced, batch.maskable, strict=True)]
