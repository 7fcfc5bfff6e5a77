"""Inputs and labels of generator and discriminator from a batch of text (paper, section 2).

Functions of tensors, without state. B rows, L slots, K masked positions, V vocabulary, N = B * K.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from electra.interface import Batch

SAMPLING_BLOCK = 128  # vocabulary entries whose probabilities are summed before one of them is chosen
SHARE_FROM_BATCH = 1 / 3  # share of random tokens that are drawn from the batch, the rest from the vocabulary


class Masked(NamedTuple):
    """The generator's input and labels."""

    input_ids: Tensor  # [B, L] with [MASK]
    positions: Tensor  # [B, K] masked positions; 0 in unused slots
    labels: Tensor  # [B, K] original ids
    used: Tensor  # [B, K] False in the slots that a short row leaves empty


class Corrupted(NamedTuple):
    """The discriminator's input and labels."""

    input_ids: Tensor  # [B, L] with samples at the masked positions
    is_replaced: Tensor  # [B, L] True where the token differs from the original
    is_selected: Tensor  # [B, L] True at masked positions, also where the sample equals the original


def max_masked(seq_length: int, mask_prob: float) -> int:
    """Return K, the slots for masked positions in a row, which gives every batch the same shape."""
    return min(seq_length, max(1, int((mask_prob + 0.005) * seq_length)))


def num_masked(batch: Batch, mask_prob: float) -> Tensor:
    """Return the number of tokens to mask in each row, [B]: `mask_prob` of them, at least one if one is maskable."""
    tokens = (batch.example_ids > 0).sum(1)
    wanted = (tokens * mask_prob).round().long().clamp(1, max_masked(batch.input_ids.shape[1], mask_prob))
    return torch.minimum(wanted, batch.maskable.sum(1))


def choose_positions(batch: Batch, mask_prob: float, faithful: bool = False) -> tuple[Tensor, Tensor]:
    """Draw positions uniformly from the maskable ones; return positions and used slots, both [B, K].

    They are distinct, as in the paper; `faithful` draws with replacement, as the released code does.
    """
    slots = max_masked(batch.input_ids.shape[1], mask_prob)
    if faithful:
        weights = batch.maskable.float() + 1e-30  # multinomial needs a positive sum even in a row with nothing to mask
        positions = torch.multinomial(weights, slots, replacement=True)
    else:
        noise = torch.rand(batch.input_ids.shape, device=batch.input_ids.device)
        positions = noise.masked_fill_(~batch.maskable, -1.0).topk(slots).indices
    used = torch.arange(slots, device=positions.device) < num_masked(batch, mask_prob)[:, None]
    return positions * used, used


def place(input_ids: Tensor, positions: Tensor, values: Tensor, used: Tensor) -> Tensor:
    """Return `input_ids` [B, L] with `values` [B, K] at the used `positions`.

    Like the released code, give a position that was drawn twice the mean of the ids, rounded down (`faithful`).
    """
    sums = torch.zeros_like(input_ids).scatter_add_(1, positions, values * used)
    times = torch.zeros_like(input_ids).scatter_add_(1, positions, used.long())
    return torch.where(times > 0, sums // times.clamp_min(1), input_ids)


def mask_tokens(
    batch: Batch,
    mask_token_id: int,
    mask_prob: float,
    mask_token_prob: float = 1.0,
    faithful: bool = False,
    random_token_prob: float = 0.0,
    vocab_size: int = 1,
) -> Masked:
    """Choose `mask_prob` of each row's tokens, and replace `mask_token_prob` of those by [MASK].

    Another `random_token_prob` of the chosen become a random token: BERT masks with 0.8 and 0.1.
    """
    positions, used = choose_positions(batch, mask_prob, faithful)
    draw = torch.rand(positions.shape, device=positions.device)
    labels = batch.input_ids.gather(1, positions)
    masks = torch.full_like(labels, mask_token_id)
    if random_token_prob:
        masks = torch.where(draw < mask_token_prob, masks, torch.randint_like(masks, vocab_size))
    changed = used & (draw < mask_token_prob + random_token_prob)
    return Masked(place(batch.input_ids, positions, masks, changed), positions, labels, used)


def random_tokens(masked: Masked, vocab_size: int) -> Tensor:
    """Draw a token for each masked position, [B, K]: a masked one of the batch or, twice as often, of the vocabulary.

    Those of the batch occur with their frequency in text; most of the vocabulary are rare pieces, as in misspelt words.
    """
    used = masked.used.flatten()
    hidden = masked.labels.flatten()[used.int().argsort(descending=True)]  # used ones first
    drawn = torch.rand(len(hidden), device=hidden.device) * used.sum()
    from_batch = hidden[drawn.long()].view_as(masked.labels)
    any_entry = torch.randint_like(from_batch, vocab_size)
    return torch.where(torch.rand(any_entry.shape, device=drawn.device) < SHARE_FROM_BATCH, from_batch, any_entry)


def corrupt(batch: Batch, masked: Masked, samples: Tensor) -> Corrupted:
    """Put `samples` [B, K] at the masked positions; a sample equal to the original counts as original."""
    input_ids = place(batch.input_ids, masked.positions, samples, masked.used)
    is_selected = torch.zeros_like(batch.input_ids).scatter_add_(1, masked.positions, masked.used.long()) > 0
    return Corrupted(input_ids, input_ids != batch.input_ids, is_selected)


class Cloze(nn.Module):
    """Negative log-likelihood of labels [N] under logits [N, V], and whether the argmax is right; both [N]."""

    compile_on = ("cpu", "cuda")

    def forward(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        losses = F.cross_entropy(logits.float(), labels, reduction="none")
        guesses = logits.detach()
        return losses, guesses.gather(1, labels[:, None]).squeeze(1) >= guesses.amax(-1)


class BlockMasses(nn.Module):
    """Return the unnormalised probability of each block of the vocabulary: [N, V] -> [N, V / SAMPLING_BLOCK]."""

    compile_on = ("cpu", "cuda")

    def forward(self, logits: Tensor, highest: Tensor, temperature: Tensor | float) -> Tensor:
        masses = ((logits.float() - highest) / temperature).exp()
        return F.pad(masses, (0, -masses.shape[1] % SAMPLING_BLOCK)).unflatten(1, (-1, SAMPLING_BLOCK)).sum(-1)


class Sampler(nn.Module):
    """Draw ids from softmax(logits / temperature): [N, V] -> [N].

    Inverts the cumulative distribution in two steps, block and token within it. This is exact, and needs one uniform
    number per row where Gumbel noise needs V. Sums are fp32, as half precision distorts samples (docs/lab/speed.md).
    """

    def __init__(self) -> None:
        super().__init__()
        self.block_masses = BlockMasses()

    @torch.no_grad()
    def forward(self, logits: Tensor, temperature: Tensor | float = 1.0) -> Tensor:
        N, V = logits.shape
        highest = logits.amax(-1, keepdim=True).float()
        cumulative = self.block_masses(logits, highest, temperature).cumsum(-1)
        target = torch.rand(N, 1, device=logits.device) * cumulative[:, -1:]
        block = (cumulative <= target).sum(-1, keepdim=True).clamp_max(cumulative.shape[1] - 1)
        before = F.pad(cumulative, (1, 0)).gather(1, block)
        ids = block * SAMPLING_BLOCK + torch.arange(SAMPLING_BLOCK, device=logits.device)
        chosen = logits.gather(1, ids.clamp_max(V - 1)).float()
        masses = ((chosen - highest) / temperature).exp() * (ids < V)
        within = (masses.cumsum(-1) <= target - before).sum(-1).clamp_max(SAMPLING_BLOCK - 1)
        return (block.squeeze(1) * SAMPLING_BLOCK + within).clamp_max(V - 1)
