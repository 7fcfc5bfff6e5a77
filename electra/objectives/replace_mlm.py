"""Replace MLM (paper, section 3.5): masked language modelling that reads a generator's samples, never [MASK]."""

from __future__ import annotations

from electra.config import PretrainConfig
from electra.interface import Batch, Counts, Output
from electra.models.heads import Discriminator, MaskedLM
from electra.objectives.base import mean
from electra.objectives.generators import build_encoder, build_generator
from electra.objectives.replacement import Replacement


class ReplaceMLM(Replacement):
    """How much of the gain comes from not seeing [MASK]."""

    def __init__(self, config: PretrainConfig, mask_token_id: int) -> None:
        super().__init__(config, mask_token_id)
        encoder, embeddings = build_encoder(config)
        self.predictor = MaskedLM(encoder)
        self.generator = build_generator(config, encoder, embeddings)

    def networks(self) -> dict[str, Discriminator | MaskedLM]:
        return {"predictor": self.predictor, **self.trained_generator()}

    def forward(self, batch: Batch, counts: Counts | None = None) -> Output:
        counts = counts or self.count(batch)
        filled = self.fill_in(batch)
        gen_loss, gen_metrics = self.cloze_loss(filled, counts)
        gen_loss = self.settle(self.config.gen_weight * gen_loss)

        logits = self.predictor(filled.masked.positions, filled.corrupted.input_ids, *batch[1:4])
        losses, hits = self.cloze(logits, filled.masked.labels.flatten())
        used = filled.masked.used.flatten()
        mlm_loss = (losses * used).sum() / counts.masked.clamp_min(1)

        metrics = {"mlm_loss": mean(losses.detach(), used), "mlm_accuracy": mean(hits, used)}
        return Output(gen_loss + mlm_loss, gen_metrics | metrics)
