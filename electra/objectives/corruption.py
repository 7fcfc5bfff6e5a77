"""From a batch of text to the inputs and labels of the two networks (paper, section 2).

Pure functions on tensors. B rows, L slots, K positions chosen for masking, V vocabulary, N = B * K.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from electra.interface import Batch

BLOCK = 128  # tokens of the vocabulary that sampling sums up first
OF_THE_BATCH = 1 / 3  # share of the random words that stand elsewhere in the batch


class Masked(NamedTuple):
    """The generator's input and labels."""

    input_ids: Tensor  # [B, L] with [MASK]
    positions: Tensor  # [B, K] chosen positions; 0 in unused slots
    labels: Tensor  # [B, K] original ids
    used: Tensor  # [B, K] False in the slots a short row does not need


class Corrupted(NamedTuple):
    """The discriminator's input and labels."""

    input_ids: Tensor  # [B, L] with the generator's samples
    is_replaced: Tensor  # [B, L] True where the token differs from the original
    is_selected: Tensor  # [B, L] True where a token was sampled, equal to the original or not


def max_masked(seq_length: int, mask_prob: float) -> int:
    """Slots a row has for masked positions: fixed, so that every batch has the same shape."""
    return min(seq_length, max(1, int((mask_prob + 0.005) * seq_length)))


def num_masked(batch: Batch, mask_prob: float) -> Tensor:
    """Positions to choose in each row: `mask_prob` of its tokens, at least one where one can be masked, [B]."""
    tokens = (batch.example_ids > 0).sum(1)
    wanted = (tokens * mask_prob).round().long().clamp(1, max_masked(batch.input_ids.shape[1], mask_prob))
    return torch.minimum(wanted, batch.maskable.sum(1))


def choose_positions(batch: Batch, mask_prob: float, faithful: bool = False) -> tuple[Tensor, Tensor]:
    """Choose positions uniformly among the maskable: positions and used slots, both [B, K].

    Distinct, as the paper says; `faithful` draws with replacement, as the released code does.
    """
    slots = max_masked(batch.input_ids.shape[1], mask_prob)
    if faithful:
        weights = batch.maskable.float() + 1e-30  # a row with nothing to mask uses no slot, but must not be an error
        positions = torch.multinomial(weights, slots, replacement=True)
    else:
        noise = torch.rand(batch.input_ids.shape, device=batch.input_ids.device)
        positions = noise.masked_fill_(~batch.maskable, -1.0).topk(slots).indices
    used = torch.arange(slots, device=positions.device) < num_masked(batch, mask_prob)[:, None]
    return positions * used, used


def place(input_ids: Tensor, positions: Tensor, values: Tensor, used: Tensor) -> Tensor:
    """Write `values` [B, K] at the used `positions` of `input_ids` [B, L].

    A position written twice gets the mean of the ids, rounded down: the released code does so (`faithful`).
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
    """Choose `mask_prob` of each row's tokens; hide `mask_token_prob` of those behind [MASK].

    `random_token_prob` of the chosen become a random token instead: BERT's own masking is 0.8 and 0.1.
    """
    positions, used = choose_positions(batch, mask_prob, faithful)
    draw = torch.rand(positions.shape, device=positions.device)
    labels = batch.input_ids.gather(1, positions)
    masks = torch.full_like(labels, mask_token_id)
    if random_token_prob:
        masks = torch.where(draw < mask_token_prob, masks, torch.randint_like(masks, vocab_size))
    hidden = used & (draw < mask_token_prob + random_token_prob)
    return Masked(place(batch.input_ids, positions, masks, hidden), positions, labels, used)


def random_words(masked: Masked, vocab_size: int) -> Tensor:
    """For each masked position a word hidden elsewhere in the batch or, twice as often, any entry of the vocabulary.

    The first are drawn as often as words occur; most of the second are rare pieces, as in a misspelt word. [B, K].
    """
    used = masked.used.flatten()
    hidden = masked.labels.flatten()[used.int().argsort(descending=True)]  # those that are used come first
    drawn = torch.rand(len(hidden), device=hidden.device) * used.sum()
    of_the_batch = hidden[drawn.long()].view_as(masked.labels)
    any_entry = torch.randint_like(of_the_batch, vocab_size)
    return torch.where(torch.rand(any_entry.shape, device=drawn.device) < OF_THE_BATCH, of_the_batch, any_entry)


def corrupt(batch: Batch, masked: Masked, samples: Tensor) -> Corrupted:
    """Put the generator's `samples` [B, K] in place; a sample equal to the original counts as original."""
    input_ids = place(batch.input_ids, masked.positions, samples, masked.used)
    is_selected = torch.zeros_like(batch.input_ids).scatter_add_(1, masked.positions, masked.used.long()) > 0
    return Corrupted(input_ids, input_ids != batch.input_ids, is_selected)


class Cloze(nn.Module):
    """How well logits [N, V] foretell labels [N]: negative log-likelihood and whether the best guess is right, [N]."""

    compile_on = ("cpu", "cuda")

    def forward(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        losses = F.cross_entropy(logits.float(), labels, reduction="none")
        guesses = logits.detach()
        return losses, guesses.gather(1, labels[:, None]).squeeze(1) >= guesses.amax(-1)


class BlockMasses(nn.Module):
    """The unnormalised probability of each block of the vocabulary: [N, V] -> [N, V / BLOCK]."""

    compile_on = ("cpu", "cuda")

    def forward(self, logits: Tensor, highest: Tensor, temperature: Tensor | float) -> Tensor:
        masses = ((logits.float() - highest) / temperature).exp()
        return F.pad(masses, (0, -masses.shape[1] % BLOCK)).unflatten(1, (-1, BLOCK)).sum(-1)


class Sampler(nn.Module):
    """Draw ids from softmax(logits / temperature): [N, V] -> [N].

    Inverts the cumulative distribution in two steps, block and token within it: exact, and one uniform number a row
    where Gumbel noise takes V. The sums are fp32, as noise in half precision is no noise (reference: docs/speed.md).
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
        ids = block * BLOCK + torch.arange(BLOCK, device=logits.device)
        chosen = logits.gather(1, ids.clamp_max(V - 1)).float()
        masses = ((chosen - highest) / temperature).exp() * (ids < V)
        within = (masses.cumsum(-1) <= target - before).sum(-1).clamp_max(BLOCK - 1)
        return (block.squeeze(1) * BLOCK + within).clamp_max(V - 1)
