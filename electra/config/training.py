"""Settings shared by pre-training and fine-tuning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from electra.config.base import arg, require, require_local, require_not_negative, require_positive


@dataclass(frozen=True)
class TrainConfig:
    """Settings of the training loop, its optimizer and its device."""

    # optimization
    learning_rate: float = arg(5e-4, "peak learning rate")
    weight_decay: float | None = arg(0.01, "decoupled weight decay, not applied to biases and LayerNorm")
    adam_beta1: float = arg(0.9, "decay of Adam's mean gradient")
    adam_beta2: float = arg(0.999, "decay of Adam's mean squared gradient")
    adam_epsilon: float = arg(1e-6, "added to the root of the mean squared gradient")
    max_grad_norm: float = arg(1.0, "clip the gradient of all weights to this norm")
    warmup_steps: int = arg(
        10_000, "steps over which the learning rate rises; in pre-training at most a tenth of the budget"
    )
    train_batch_size: int = arg(128, "rows of an optimizer step, over all devices")
    micro_batch_size: int = arg(0, "rows of a forward pass; 0: 32 on a CPU, 128 on a GPU, at most the batch")
    # budget: the first limit that is reached ends the run
    train_steps: int = arg(1_000_000, "optimizer steps, and the length of the schedule")
    max_tokens: int = arg(0, "stop after this many tokens; 0: no limit")
    max_minutes: float = arg(0.0, "train for this many minutes, the schedule following the clock; 0: no limit")
    # running
    seed: int = arg(0, "seed of all random numbers; with the step's number it determines masks, samples and dropout")
    device: str = arg("auto", "cpu, cuda, cuda:1 ...; auto: a GPU if there is one")
    precision: Literal["auto", "fp32", "bf16"] = arg(
        "auto", "precision of matrix products; auto: bf16 where the hardware supports it"
    )
    threads: int = arg(0, "CPU threads; 0: torch's choice")
    log_steps: int = arg(100, "steps between two lines of metrics")
    eval_steps: int = arg(5_000, "steps between two evaluations on held-out text; 0: only at the end")
    save_steps: int = arg(1_000, "steps between two checkpoints; 0: only at the end")
    save_total_limit: int = arg(2, "checkpoints to keep")
    report_to: Literal["none", "tensorboard", "wandb", "trackio", "mlflow"] = arg(
        "none", "also report the metrics to a tracker: tensorboard, wandb, trackio or mlflow, each an extra of electra"
    )

    def __post_init__(self) -> None:
        require_positive(self, "max_grad_norm", "train_batch_size", "log_steps", "save_total_limit")
        require_not_negative(
            self,
            "learning_rate", "warmup_steps", "micro_batch_size", "train_steps", "max_tokens", "max_minutes", "seed",
            "threads", "eval_steps", "save_steps",
        )  # fmt: skip
        require_local(self)
        if self.weight_decay is not None:
            require_not_negative(self, "weight_decay")
        require(0 <= self.adam_beta1 < 1 and 0 <= self.adam_beta2 < 1, "adam_beta1 and adam_beta2 must be in [0, 1)")
        require(
            not self.micro_batch_size or self.train_batch_size % self.micro_batch_size == 0,
            f"micro_batch_size {self.micro_batch_size} must divide train_batch_size {self.train_batch_size}",
        )

    @property
    def cooldown(self) -> float:
        """Share of the run, at its end, over which the learning rate falls to zero; 1: from the first step."""
        return 1.0

    @property
    def longest_warmup(self) -> float:
        """Largest share of the budget that the warm-up may take, whatever `warmup_steps` says."""
        return 1.0

    @property
    def sum(self) -> Literal["fast", "exact"]:
        """How gradients of micro-batches are summed."""
        return "fast"

    @property
    def compile(self) -> Literal["auto", "on", "off"]:
        """Whether layers are compiled and, on a GPU, steps captured as CUDA graphs."""
        return "off"
