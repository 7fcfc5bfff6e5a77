"""First weights that backbones share: distributions, and the heads that start on their neighbours.

V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from electra.config import EncoderConfig
from electra.models.layers import Linear

NEIGHBOURS = (-1, 1, -2, 2)  # offsets at which heads look, in turn
WORD_STD = 0.1  # of word vectors from counts: far above the learning rate, or Adam overwrites them in a few steps
MLM_NORM = 0.2  # weights of the last norm beside such vectors; keeps the first logits near the prior
RTD_BIAS = -2.0  # the log odds of about the share of replaced tokens


def draw_truncated(tensor: Tensor, std: float) -> None:
    """Fill a tensor from a normal distribution truncated at two standard deviations, as BERT does."""
    nn.init.trunc_normal_(tensor, std=std, a=-2 * std, b=2 * std)


def draw_linear(linear: Linear, std: float) -> None:
    """Draw a matrix from a truncated normal distribution; biases are zero."""
    draw_truncated(linear.weight, std)
    zero_bias(linear)


def draw_linears_by_width(module: nn.Module) -> None:
    """Draw every matrix from a normal distribution that keeps the scale of its input; biases are zero."""
    for part in module.modules():
        if isinstance(part, Linear):
            nn.init.normal_(part.weight, std=part.in_features**-0.5)
            zero_bias(part)


def zero_bias(linear: nn.Linear) -> None:
    """Set the bias to zero, if there is one."""
    if linear.bias is not None:
        nn.init.zeros_(linear.bias)


def log_prior(unigram: Tensor) -> Tensor:
    """Return the bias of an MLM head from the probabilities of tokens, [V]."""
    return unigram.clamp_min(1e-9).log()


def neighbour_heads(config: EncoderConfig) -> Iterator[tuple[int, int, int]]:
    """Yield the layer, the number and the offset of each head that looks at a neighbour.

    These are all of the first layer's heads, and two of every later layer.
    """
    for layer in range(config.num_hidden_layers):
        heads = config.num_attention_heads if layer == 0 else min(2, config.num_attention_heads)
        for head in range(heads):
            yield layer, head, NEIGHBOURS[head % len(NEIGHBOURS)]
