"""BERT's masked language modelling: the full-size network predicts masked tokens."""

from __future__ import annotations

from electra.config import PretrainConfig
from electra.interface import Batch, Counts, Output
from electra.models.heads import Discriminator, MaskedLM
from electra.models.registry import backbone_of
from electra.objectives.base import Objective, mean
from electra.objectives.corruption import Cloze


class MLM(Objective):
    """The paper's baseline: one network, one loss."""

    def __init__(self, config: PretrainConfig, mask_token_id: int) -> None:
        super().__init__(config, mask_token_id)
        self.generator = MaskedLM(backbone_of(config.model).encoder(config.model))
        self.cloze = Cloze()

    def networks(self) -> dict[str, Discriminator | MaskedLM]:
        return {"generator": self.generator}

    def forward(self, batch: Batch, counts: Counts | None = None) -> Output:
        counts = counts or self.count(batch)
        masked = self.mask(batch)
        logits = self.generator(masked.positions, masked.input_ids, *batch[1:4])
        losses, hits = self.cloze(logits, masked.labels.flatten())
        used = masked.used.flatten()
        loss = (losses * used).sum() / counts.masked.clamp_min(1)
        return Output(loss, {"gen_loss": mean(losses.detach(), used), "gen_accuracy": mean(hits, used)})
