"""All-Tokens MLM (paper, section 3.5): predict every original token, by copying the input token or by a softmax.

p(x_t) = D_t [x_t is the input token] + (1 - D_t) softmax(x_t), where D_t is the probability of copying. As there is a
softmax at every token, B * L * V logits are in memory at once.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from electra.config import PretrainConfig
from electra.interface import Batch, Counts, Output
from electra.models.kinds import Kind
from electra.objectives.base import mean
from electra.objectives.corruption import Corrupted
from electra.objectives.replace_mlm import ReplaceMLM


class AllTokensMLM(ReplaceMLM):
    """Ablation: ELECTRA with its binary task replaced by predicting every original token."""

    def __init__(self, config: PretrainConfig, mask_token_id: int) -> None:
        super().__init__(config, mask_token_id)
        self.copy_head = self.predictor.encoder.head(Kind.DISCRIMINATOR)

    def forward(self, batch: Batch, counts: Counts | None = None) -> Output:
        counts = counts or self.count(batch)
        generated = self.generate(batch)
        gen_loss, gen_metrics = self.generator_loss(generated, counts)
        gen_loss = self.backpropagate_early(self.config.gen_weight * gen_loss)
        losses, hits = self.copy_or_predict(batch, generated.corrupted)
        counted, selected = batch.example_ids > 0, generated.corrupted.is_selected
        mlm_loss = (losses * counted).sum() / counts.tokens
        metrics = {"mlm_loss": mean(losses.detach(), counted), "mlm_accuracy": mean(hits, selected)}
        return Output(gen_loss + mlm_loss, gen_metrics | metrics)

    def copy_or_predict(self, batch: Batch, corrupted: Corrupted) -> tuple[Tensor, Tensor]:
        """Return -log p of every original token, and whether it is the softmax's first choice; both [B, L]."""
        hidden = self.predictor.encoder(corrupted.input_ids, *batch[1:4])
        losses, hits = self.cloze(self.predictor.predict(hidden.flatten(0, 1)), batch.input_ids.flatten())
        copy = self.copy_head(hidden)
        by_softmax = F.logsigmoid(-copy) - losses.view_as(copy)
        either = torch.logaddexp(by_softmax, F.logsigmoid(copy))
        return -torch.where(corrupted.is_replaced, by_softmax, either), hits.view_as(copy)
