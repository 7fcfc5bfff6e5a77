"""Replace MLM (paper, section 3.5): masked language modelling in which samples of a generator replace [MASK]."""

from __future__ import annotations

from electra.config import PretrainConfig
from electra.interface import Batch, Counts, Output
from electra.models.heads import Discriminator, MaskedLM
from electra.objectives.base import mean
from electra.objectives.generators import build_encoder, build_generator
from electra.objectives.replacement import Replacement


class ReplaceMLM(Replacement):
    """Ablation: how much does ELECTRA gain from never seeing [MASK]?"""

    def __init__(self, config: PretrainConfig, mask_token_id: int) -> None:
        super().__init__(config, mask_token_id)
        encoder, embeddings = build_encoder(config)
        self.predictor = MaskedLM(encoder)
        self.generator = build_generator(config, encoder, embeddings)

    def networks(self) -> dict[str, Discriminator | MaskedLM]:
        return {"predictor": self.predictor, **self.trained_generator()}

    def forward(self, batch: Batch, counts: Counts | None = None) -> Output:
        counts = counts or self.count(batch)
        generated = self.generate(batch)
        gen_loss, gen_metrics = self.generator_loss(generated, counts)
        gen_loss = self.backpropagate_early(self.config.gen_weight * gen_loss)

        logits = self.predictor(generated.masked.positions, generated.corrupted.input_ids, *batch[1:4])
        losses, hits = self.cloze(logits, generated.masked.labels.flatten())
        used = generated.masked.used.flatten()
        mlm_loss = (losses * used).sum() / counts.masked.clamp_min(1)

        metrics = {"mlm_loss": mean(losses.detach(), used), "mlm_accuracy": mean(hits, used)}
        return Output(gen_loss + mlm_loss, gen_metrics | metrics)
