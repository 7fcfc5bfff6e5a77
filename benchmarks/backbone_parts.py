"""What each part of ModernBERT's architecture brings at tiny's size: one is taken away at a time.

    python benchmarks/backbone_parts.py --tokens 1.5e6 --seeds 0,1,2 --threads 1 --out results/backbone_parts.json

Training and figures are those of `benchmarks/backbones.py`; no memory of word pairs, so that nothing else tells a word
its neighbours. What takes a part's place is what BERT has, with as many weights.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import product
from pathlib import Path
from typing import Any
from unittest.mock import patch

import backbones
import torch
import torch.nn.functional as F
from result_file import add
from torch import Tensor

from electra.config import ModernBertConfig, PrepareConfig, find_preset
from electra.data.prepare import prepare
from electra.models.dropout import drop
from electra.models.layers import Linear, rows_at
from electra.models.modernbert import encoder as modernbert
from electra.models.modernbert.attention import Sight
from electra.models.modernbert.encoder import Encoder
from electra.models.modernbert.rotary import waves
from electra.pretraining.run import pretrain

WIDTH = find_preset("tiny", "modernbert").model.intermediate_size
NO_NEIGHBOURS = {"memory": 0, "attention_bias": False}
CONTESTANTS: dict[str, tuple[str, dict[str, Any]]] = {  # the part that is replaced, and changes to the preset
    "modernbert": ("", {"memory": 0}),
    "GELU for GeGLU": ("GeGLU", {"memory": 0, "intermediate_size": WIDTH * 3 // 2}),
    "LayerNorm behind sub-layers": ("pre-norm", {"memory": 0}),
    "heads start anywhere": ("", NO_NEIGHBOURS),
    "heads start anywhere, positions added": ("rotary", NO_NEIGHBOURS),
    "random first weights": ("", {"memory": 0, "init": "random"}),
    "local attention": ("", {"memory": 0, "global_attn_every_n_layers": 2, "local_attention": 16}),
}
backbones.CONTESTANTS.update({name: ("modernbert", changes) for name, (_, changes) in CONTESTANTS.items()})


class Gelu(modernbert.Layer):
    """A feed-forward network without a gate."""

    def __init__(self, config: ModernBertConfig, number: int) -> None:
        super().__init__(config, number)
        self.intermediate = Linear(config.hidden_size, config.intermediate_size, bias=config.mlp_bias)

    def forward(self, x: Tensor, sight: Sight, noise: modernbert.LayerNoise) -> Tensor:
        attended = self.attention(self.attention_norm(x), sight, noise.attention)
        x = rows_at(x, sight.at) + drop(attended, noise.attention_out, self.dropouts[0], self.training)
        inner = F.gelu(self.intermediate(self.mlp_norm(x)))
        mlp: Tensor = self.output(drop(inner, noise.mlp, self.dropouts[1], self.training))
        return x + mlp


class PostNorm(modernbert.Layer):
    """norm(x + attention(x)), then norm(x + mlp(x))."""

    def __init__(self, config: ModernBertConfig, number: int) -> None:
        super().__init__(config, number)
        self.attention_norm = modernbert.norm(config)

    def forward(self, x: Tensor, sight: Sight, noise: modernbert.LayerNoise) -> Tensor:
        attended = self.attention(x, sight, noise.attention)
        x = rows_at(x, sight.at) + drop(attended, noise.attention_out, self.dropouts[0], self.training)
        x = self.attention_norm(x)
        gated, gate = self.intermediate(x).chunk(2, -1)
        mlp: Tensor = self.output(drop(F.gelu(gated) * gate, noise.mlp, self.dropouts[1], self.training))
        normal: Tensor = self.mlp_norm(x + mlp)
        return normal


@contextmanager
def added_positions() -> Iterator[None]:
    """Add sinusoids of the positions to the words (Vaswani et al., 2017), and rotate nothing."""
    encode, recall = Encoder.encode, Encoder.recall

    def positioned(self: Encoder, ids: Tensor, examples: Tensor, types: Tensor, places: Tensor, at: Any) -> Tensor:
        cos, sin = waves(places, 10_000.0, self.config.hidden_size)[:, :, 0]
        self.positions = torch.cat([cos, sin], -1)
        return encode(self, ids, examples, types, torch.zeros_like(places), at)

    def recalled(self: Encoder, x: Tensor, *given: Tensor) -> Tensor:
        return recall(self, x, *given) + self.positions.to(x.dtype)

    with patch.object(Encoder, "encode", positioned), patch.object(Encoder, "recall", recalled):
        yield


REPLACED: dict[str, Callable[[], AbstractContextManager]] = {
    "": nullcontext,
    "GeGLU": lambda: patch.object(modernbert, "Layer", Gelu),
    "pre-norm": lambda: patch.object(modernbert, "Layer", PostNorm),
    "rotary": added_positions,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("contestants", nargs="*", help=", ".join(CONTESTANTS))
    parser.add_argument("--source", default="python-docs")
    parser.add_argument("--tokens", type=float, required=True)
    parser.add_argument("--seeds", default="0", help="with commas")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--runs", default="runs/backbone_parts", help="where prepared text and runs are kept")
    parser.add_argument("--out", required=True, type=Path)
    options = parser.parse_args()
    options.runs, options.minutes = Path(options.runs) / Path(options.source).stem, 0.0
    options.precision = "auto"
    for seed, name in product(map(int, options.seeds.split(",")), options.contestants or CONTESTANTS):
        config = backbones.configured(name, seed, options)
        source = PrepareConfig((options.source,), config.data, vocab_size=config.model.vocab_size, heldout=0.05)
        prepare(source)
        with REPLACED[CONTESTANTS[name][0]]():
            pretrain(config)
            row = backbones.measured(Path(config.out), backbones.planted(source))
        add(options.out, Path(config.out).name, {"contestant": name, "seed": seed, "threads": options.threads} | row)


if __name__ == "__main__":
    main()
