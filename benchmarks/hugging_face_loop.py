"""The pre-training loop that a user of `transformers` writes: what speed and quality are measured against."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
import transformers as hf
from torch import Tensor

from electra.config import EncoderConfig, PretrainConfig
from electra.models.kinds import Kind
from electra.models.registry import architecture_of

CLASSES = {  # configuration, generator, discriminator
    "electra": (hf.ElectraConfig, hf.ElectraForMaskedLM, hf.ElectraForPreTraining),
    "modernbert": (hf.ModernBertConfig, hf.ModernBertForMaskedLM, hf.ModernBertForTokenClassification),
}


class HuggingFaceLoop:
    """ELECTRA: two models, tied embeddings, labels, autocast if asked for. BERT (`mlm`): its masked language model.

    Of ModernBERT's architecture the discriminator is a token classifier with one label.
    """

    def __init__(
        self,
        config: PretrainConfig,
        mask_id: int,
        device: torch.device,
        autocast: bool = False,
        compiled: bool = False,
        start: Path | None = None,  # folder of the first weights, the generator's in generator/; default: random
    ) -> None:
        is_bert = config.objective == "mlm"
        self.config, self.mask_id, self.device, self.autocast = config, mask_id, device, autocast
        _, of_generator, of_discriminator = CLASSES[config.model.model_type]
        self.discriminator = None
        if start is None:
            small = shape(config.model if is_bert else config.generator, Kind.MASKED_LM)
            self.generator = of_generator(small).to(device)
            self.discriminator = (
                None if is_bert else of_discriminator(shape(config.model, Kind.DISCRIMINATOR)).to(device)
            )
        else:
            self.generator = of_generator.from_pretrained(start if is_bert else start / "generator").to(device)
            self.discriminator = None if is_bert else of_discriminator.from_pretrained(start).to(device)
        if self.discriminator is not None:
            self.discriminator.base_model.embeddings = self.generator.base_model.embeddings
        networks = [network for network in (self.generator, self.discriminator) if network is not None]
        for network in networks:
            network.train()
            if compiled:
                network.compile()
        self.parameters = list(dict.fromkeys(p for network in networks for p in network.parameters()))
        self.optimizer = torch.optim.AdamW(
            self.parameters,
            lr=config.learning_rate,
            betas=(config.adam_beta1, config.adam_beta2),
            eps=config.adam_epsilon,
            weight_decay=config.weight_decay,
        )

    def step(self, input_ids: Tensor, maskable: Tensor, **inputs: Tensor) -> None:
        """One update from rows [B, L]; `inputs` are what both models take beside the ids."""
        is_masked = maskable & (torch.rand(input_ids.shape, device=self.device) < self.config.mask_prob)
        labels = input_ids.masked_fill(~is_masked, -100)
        hidden = is_masked & (torch.rand(input_ids.shape, device=self.device) < self.config.mask_token_prob)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast):
            filled = self.generator(input_ids.masked_fill(hidden, self.mask_id), labels=labels, **inputs)
            loss = self.config.gen_weight * filled.loss
            if self.discriminator is not None:
                with torch.no_grad():
                    probabilities = filled.logits[is_masked].float().softmax(-1)
                    samples = torch.multinomial(probabilities, 1).squeeze(1)
                corrupted = input_ids.clone()
                corrupted[is_masked] = samples
                loss = loss + self.config.disc_weight * self.judged(corrupted, corrupted != input_ids, **inputs)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, self.config.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def judged(self, corrupted: Tensor, is_replaced: Tensor, **inputs: Tensor) -> Tensor:
        """The discriminator's loss."""
        if isinstance(self.discriminator, hf.ElectraForPreTraining):
            return self.discriminator(corrupted, labels=is_replaced.long(), **inputs).loss
        logits = self.discriminator(corrupted, **inputs).logits.squeeze(-1)
        there = inputs.get("attention_mask", torch.ones_like(corrupted)) > 0
        return F.binary_cross_entropy_with_logits(logits[there].float(), is_replaced[there].float())


def shape(model: EncoderConfig, kind: Kind) -> hf.PretrainedConfig:
    """The configuration of transformers for a network."""
    return CLASSES[model.model_type][0](**architecture_of(model).write_config(model, kind))
