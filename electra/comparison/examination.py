"""The examination: one held-out text, corrupted once, for all contestants.

A discriminator scores how likely each token was replaced. For a masked language model the score is one minus the
token's probability when masked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from sklearn.metrics import log_loss, roc_auc_score
from torch import Tensor, nn

from electra.checkpoints.huggingface import load_network
from electra.config import PretrainConfig, require
from electra.data.cooccurrence import MAX_TOKENS, unigram_probabilities
from electra.data.loader import Loader
from electra.data.shards import open_examples, prepared_folder
from electra.evaluation.replacements import replaced_examples
from electra.evaluation.scores import KINDS, TEXTS, measure, model_scores, word_scores
from electra.inference.detector import Detector, token_scores
from electra.inference.sessions import Array, Session
from electra.inference.torch_session import TorchSession
from electra.models.heads import Discriminator, MaskedLM
from electra.objectives.base import mean
from electra.objectives.corruption import Cloze, mask_tokens
from electra.pretraining.start import load_frozen_generator
from electra.text.errors.probes import Planted, plant_errors
from electra.text.tokenizer import Tokenizer, load_tokenizer
from electra.text.windows import ROWS
from electra.training.seed import seed_all

EXAMPLES = 256
STRIDE = 7  # every seventh token is masked: 14 %, close to the share in training


class Examination(NamedTuple):
    """Hold the corrupted text and planted errors that every contestant is scored on."""

    config: PretrainConfig  # for the data folder and `mask_prob`
    tokenizer: Tokenizer
    rows: list[list[int]]  # held-out examples with replaced tokens
    is_replaced: list[list[bool]]
    planted: dict[str, list[Planted]]  # texts with wrong words, by kind

    @property
    def fingerprint(self) -> str:
        """A hash of the examination; scores are comparable only under the same hash."""
        content = repr((self.config.mask_prob, self.rows, self.is_replaced, self.planted))
        return hashlib.sha256(content.encode()).hexdigest()[:12]


class Unigram:
    """Predict unigram frequencies at every position, so that no contestant's own generator is used."""

    outputs: tuple[str, ...] = ("logits",)

    def __init__(self, data: str, tokenizer: Tokenizer) -> None:
        train = open_examples(data, "train")
        probabilities = unigram_probabilities(train.first_tokens(MAX_TOKENS), train.vocab_size, tokenizer.special_ids)
        self.logits = torch.from_numpy(probabilities).float().log()

    def __call__(self, inputs: Mapping[str, Array], names: Sequence[str]) -> list[Array]:
        """Return the same logits at every position."""
        return [self.logits.expand(inputs["positions"].size, -1).numpy()]


class ClozeSession:
    """Wrap a masked language model as a session that returns discriminator logits."""

    outputs: tuple[str, ...] = ("logits",)

    def __init__(self, network: nn.Module, mask_id: int) -> None:
        self.network, self.mask_id = network, mask_id

    @torch.inference_mode()
    def __call__(self, inputs: Mapping[str, Array], names: Sequence[str]) -> list[Array]:
        """Return the logits of all tokens, in STRIDE passes instead of one per token."""
        device = next(self.network.parameters()).device
        ids, mask = (torch.from_numpy(inputs[name]).to(device) for name in ("input_ids", "attention_mask"))
        surprise = torch.zeros(ids.shape, device=device)
        for first in range(1, min(STRIDE + 1, ids.shape[1])):  # [CLS] stays
            positions = torch.arange(first, ids.shape[1], STRIDE, device=device).expand(len(ids), -1)
            surprise.scatter_(1, positions, self.surprise(ids, mask, positions))
        return [surprise.logit().cpu().numpy()]

    def surprise(self, ids: Tensor, mask: Tensor, positions: Tensor) -> Tensor:
        """Return one minus the probability of the tokens at `positions`, all masked: [B, L], [B, K] -> [B, K]."""
        masked = ids.scatter(1, positions, self.mask_id)
        probabilities = self.network(positions, masked, mask).float().softmax(-1)
        return 1 - probabilities.gather(1, ids.gather(1, positions).view(-1, 1)).view(positions.shape)


def set_examination(config: PretrainConfig, generator: str) -> Examination:
    """Corrupt held-out text by `generator`, or by word frequency, and plant wrong words in it.

    Raises:
        ValueError: there is no held-out text, or the generator does not fit it.
    """
    heldout, tokenizer = open_examples(config.data, "heldout"), load_tokenizer(prepared_folder(config.data))
    require(len(heldout) > 0, f"{config.data} has no held-out text; run electra prepare with --heldout above 0")
    writer: Session = (
        TorchSession(load_frozen_generator(Path(generator), tokenizer, heldout.seq_length))
        if generator
        else Unigram(config.data, tokenizer)
    )
    rows, is_replaced = replaced_examples(writer, tokenizer, config, EXAMPLES)
    documents = [tokenizer.backend.decode([int(i) for i in heldout[n]]) for n in range(len(heldout))]
    planted = {kind: plant_errors(documents, kind, TEXTS, seed=1) for kind in KINDS}
    return Examination(config, tokenizer, rows, is_replaced, planted)


def examine(folder: Path, examination: Examination, device: torch.device) -> dict[str, float]:
    """Return the scores of the networks in a model folder; omit those a network cannot give."""
    networks = [load_network(f).to(device) for f in (folder, folder / "generator") if (f / "config.json").exists()]
    predictor = next((network for network in networks if isinstance(network, MaskedLM)), None)
    loss = {"mlm_loss": mlm_loss(predictor, examination)} if predictor else {}
    return loss | detection(networks[0], examination)


def detection(network: nn.Module, examination: Examination) -> dict[str, float]:
    """Return a network's detection scores on replaced tokens and planted errors."""
    assert isinstance(network, Discriminator | MaskedLM)
    t, longest = examination.tokenizer, open_examples(examination.config.data, "heldout").seq_length
    is_cloze = isinstance(network, MaskedLM)
    model = Detector(ClozeSession(network, t.mask_id) if is_cloze else TorchSession(network), t, longest)
    scored = [p for row in token_scores(model, examination.rows) for p in row]
    truth = [yes for row in examination.is_replaced for yes in row]
    scores = {} if is_cloze else {"disc_loss": float(log_loss(truth, scored))}
    scores["auc_replaced"] = float(roc_auc_score(truth, scored))
    for kind, texts in examination.planted.items():
        if texts:  # none if no held-out text has thirty words in a row
            found = measure(*word_scores(texts, t, lambda ids: model_scores(model, ids)))
            scores |= {f"auc_{kind}": found.auc, f"ap_{kind}": found.ap}
    return scores


@torch.inference_mode()
def mlm_loss(network: MaskedLM, examination: Examination) -> float:
    """Return the mean negative log-likelihood of masked held-out tokens; all networks get the same masks."""
    config, t = examination.config, examination.tokenizer
    heldout = open_examples(config.data, "heldout")
    loader = Loader(heldout, min(ROWS, len(heldout)), 0, t.sep_id, t.pad_id, t.special_ids, packed=False)
    losses: list[Any] = []
    device = next(network.parameters()).device
    for number in range(min(EXAMPLES, len(heldout)) // loader.batch_size):
        (batch,) = loader.micro_batches(number, loader.batch_size)
        seed_all(0, number)
        masked = mask_tokens(batch, t.mask_id, config.mask_prob)
        logits = network(masked.positions.to(device), masked.input_ids.to(device), *(x.to(device) for x in batch[1:4]))
        losses.append(mean(Cloze()(logits.cpu(), masked.labels.flatten())[0], masked.used.flatten()))
    return float(torch.stack(losses).mean())
