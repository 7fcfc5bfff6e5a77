"""How a model is fine-tuned, evaluated and asked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from electra.config.base import arg, require, require_not_negative, require_positive, require_whole_batches

LARGE, BASE = 1024, 768  # hidden sizes at which the hyper-parameters change (paper, Table 7)


@dataclass(frozen=True)
class FinetuneConfig:
    """Fine-tune a pre-trained model on a task; the defaults are the paper's (Table 7)."""

    model: str = arg("", "a run, or a Hugging Face ELECTRA or BERT directory", True)
    task: str = arg("auto", "classification, multi_label, regression, tagging, qa, a GLUE task, or auto: by the data")
    train: str = arg("", "file to learn from")
    dev: str = arg("", "file to measure on")
    out: str = arg("runs/finetuned", "folder to write, a Hugging Face directory; the same command again continues it")
    text_column: str = arg("", "column of the text (of the words, of the question); default: found by its name")
    text2_column: str = arg("", "column of the second text; default: found by its name")
    label_column: str = arg("", "column of the label; default: found by its name")
    check: bool = arg(False, "only say what the data is like: labels, duplicates, lengths; train nothing")
    head: Literal["linear", "dense", "joint"] = arg(
        "linear", "linear: one matrix; dense: Hugging Face's, a layer more; joint: the original's for qa"
    )
    max_length: int = arg(0, "tokens of a text at most; 0: what the task needs, within what the model reads")
    # optimization; 0 or auto: as `preset` says for a model of this size
    preset: Literal["paper", "released"] = arg("paper", "hyper-parameters of the paper, or of the released code")
    learning_rate: float = arg(0.0, "peak learning rate; 0: the preset's")
    layerwise_lr_decay: float = arg(0.0, "each layer learns this much slower than the one above; 0: the preset's")
    faithful: Literal["auto", "on", "off"] = arg(
        "auto", "on: the top layer is slowed down twice, as in the released code; auto: in the preset released"
    )
    weight_decay: float = arg(-1.0, "decoupled weight decay; below 0: the preset's")
    epochs: float = arg(0.0, "passes over the training data; 0: the paper's for the task")
    train_steps: int = arg(0, "optimizer steps; 0: by the epochs")
    warmup_proportion: float = arg(0.1, "share of the steps over which the learning rate rises")
    warmup_steps: int = arg(0, "steps over which it rises; 0: by the proportion")
    train_batch_size: int = arg(32, "examples an optimizer step sees")
    micro_batch_size: int = arg(0, "examples a forward pass sees; 0: 32, never more than the batch")
    reduction: Literal["sum", "mean"] = arg(
        "sum", "loss of a batch: the sum, as released (the clip then sets the size of most steps), or the mean"
    )
    dropout: float = arg(0.1, "dropout in the encoder and before the head")
    adam_beta1: float = arg(0.9, "decay of the mean gradient")
    adam_beta2: float = arg(0.999, "decay of the mean squared gradient")
    adam_epsilon: float = arg(1e-6, "added to the root of the mean squared gradient")
    max_grad_norm: float = arg(1.0, "the joint gradient is clipped to this norm")
    max_tokens: int = arg(0, "stop after this many tokens; 0: no limit")
    max_minutes: float = arg(0.0, "train for this many minutes; 0: no limit")
    # seeds and selection
    seed: int = arg(0, "seed of the head's first weights, of the order, of dropout")
    seeds: int = arg(1, "train with this many seeds; the model of the median one is kept")
    parallel: int = arg(1, "seeds trained at the same time, each in a process with its share of the threads")
    select: Literal["last", "best"] = arg("last", "keep the last weights, or the best epoch's on the dev file")
    # running
    device: str = arg("auto", "cpu, cuda, cuda:1 ...; auto: a GPU where there is one")
    precision: Literal["auto", "fp32", "bf16"] = arg(
        "auto", "what matrices are multiplied in; auto: bf16 where the machine has it"
    )
    threads: int = arg(0, "CPU threads; 0: torch's choice")
    log_steps: int = arg(20, "steps between two lines of metrics")
    eval_steps: int = arg(0, "steps between two evaluations on the dev file; 0: only at the end")
    save_steps: int = arg(500, "steps between two checkpoints; 0: only at the end")
    save_total_limit: int = arg(1, "checkpoints kept")

    def __post_init__(self) -> None:
        require_positive(
            self, "train_batch_size", "max_grad_norm", "log_steps", "save_total_limit", "seeds", "parallel"
        )
        require_not_negative(
            self,
            "learning_rate", "epochs", "train_steps", "warmup_steps", "micro_batch_size", "max_tokens", "max_minutes",
            "eval_steps", "save_steps", "seed", "max_length", "threads",
        )  # fmt: skip
        require(0 <= self.warmup_proportion < 1, f"warmup_proportion must be in [0, 1), got {self.warmup_proportion}")
        require(0 <= self.layerwise_lr_decay <= 1, "layerwise_lr_decay must be in (0, 1], 1 for none")
        require(0 <= self.dropout < 1, f"dropout must be in [0, 1), got {self.dropout}")
        require_whole_batches(self.micro_batch_size, self.train_batch_size)

    def resolved(self, hidden_size: int, num_examples: int, task_epochs: float) -> FinetuneConfig:
        """Every 0 and auto replaced by what the preset, the model's size and the data give."""
        is_paper, is_large = self.preset == "paper", hidden_size >= LARGE
        rate = 5e-5 if is_large else 3e-4 if is_paper and hidden_size < BASE else 1e-4
        epochs = self.epochs or task_epochs
        steps = self.train_steps or max(1, int(-(-num_examples * epochs // self.train_batch_size)))
        return replace(
            self,
            learning_rate=self.learning_rate or rate,
            layerwise_lr_decay=self.layerwise_lr_decay or (0.9 if is_large else 0.8),
            faithful=self.faithful if self.faithful != "auto" else "off" if is_paper else "on",
            weight_decay=self.weight_decay if self.weight_decay >= 0 else 0.0 if is_paper else 0.01,
            epochs=epochs,
            train_steps=steps,
            warmup_steps=self.warmup_steps or int(steps * self.warmup_proportion),
            micro_batch_size=self.micro_batch_size or min(32, self.train_batch_size),
        )


@dataclass(frozen=True)
class EvaluateConfig(FinetuneConfig):
    """Fine-tune with several seeds and report scores beside simple baselines; or score a fine-tuned model."""

    suite: str = arg("", "glue (with `data`), or a file to measure on; default: the dev file")
    data: str = arg("", "folder of the suite")
    out: str = arg("runs/evaluation", "folder of the report; the same command again continues it")
    seeds: int = arg(3, "fine-tune with this many seeds")
    baseline: bool = arg(True, "add a TF-IDF and logistic regression row where it applies")
    from_mnli: bool = arg(False, "suite glue: RTE, MRPC and STS-B start from the model of MNLI, as in the paper")


@dataclass(frozen=True)
class PredictConfig:
    """Answer with a fine-tuned model: lines of text or JSON in, JSON lines out."""

    model: str = arg(
        "", "a fine-tuned model, exported or not; for --zero-shot a run or any ELECTRA discriminator", True
    )
    labels: str = arg("", "for --zero-shot: the label words, separated by commas", True)
    input: str = arg("-", "file to read; - is standard input")
    zero_shot: str = arg("", "a template such as 'It was {}.': which label word looks least replaced in it")
    device: str = arg("cpu", "cpu, cuda, cuda:1 ...")

    def __post_init__(self) -> None:
        require(bool(self.model), "which model? name a fine-tuned directory, or with --zero-shot a run")
        require(not self.zero_shot or "{}" in self.zero_shot, "the template needs a place for the label word: {}")
        require(not self.zero_shot or "," in self.labels, "--zero-shot needs label words: great,terrible")
