"""Configuration of `electra finetune` and `electra evaluate`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from electra.config.base import arg, part_of, require, require_not_negative, require_positive, with_default
from electra.config.model import EncoderConfig
from electra.config.training import TrainConfig

LARGE, BASE, MINI = 1024, 768, 256  # hidden sizes at which the hyper-parameters change (paper, Table 7)
FAST_FROM = 300  # steps; in fewer, the high learning rate of the fast preset forgets more than it learns


@dataclass(frozen=True)
class FinetuneConfig(TrainConfig):
    """Fine-tune a model on a task."""

    model: str = arg("", "a run, or a Hugging Face ELECTRA or BERT directory", True)
    task: str = arg(
        "auto",
        "classification, multi_label, regression, tagging, qa, errors, a GLUE task, or module:Class; auto: by the data",
    )
    train: str = arg("", "training file; errors: several between commas")
    dev: str = arg("", "file to evaluate on")
    out: str = arg("runs/finetuned", "folder to write, a Hugging Face directory; the same command again continues it")
    text_column: str = arg("", "column of the text (the words, the question); default: recognised by its name")
    text2_column: str = arg("", "column of the second text; default: recognised by its name")
    label_column: str = arg("", "column of the label; default: recognised by its name")
    check: bool = arg(False, "only report on the data (labels, duplicates, lengths); train nothing")
    head: Literal["auto", "linear", "dense", "joint"] = arg(
        "auto",
        "linear: one matrix; dense: Hugging Face's, with one more layer; joint: the original one for qa; auto: linear "
        "if the architecture has it, else dense",
    )
    max_length: int = arg(0, "maximum length in tokens; 0: the task's own, at most what the model reads")
    windows: Literal["mean", "max"] | None = arg(
        None,
        "read a long text in windows, each learned with the text's label, and answer by the mean or the maximum of "
        "their logits; default: cut it",
    )
    class_weights: Literal["balanced"] | None = arg(
        None, "balanced: weigh labels in the loss inversely to their frequency; default: all examples alike"
    )
    # task errors (docs/reference/errors.md)
    mix: float | None = arg(None, "errors: share of planted examples beside labelled ones; default: 0.5")
    language: str | None = arg(
        None, "errors: lists of errors to plant: english (default), none, or a JSON file in its form"
    )
    marks_per_100: float | None = arg(
        None, "errors: right words in 100 that the stored threshold may mark on the dev file; default: 1.5"
    )
    # optimization; None, 0 or auto: set by `preset` for a model of this size
    preset: Literal["auto", "paper", "released", "fast"] = arg(
        "auto",
        "hyper-parameters of the paper, of the released code, or fast: Muon, for small models; auto: fast for a model "
        "of at most 256 dimensions that was pre-trained without dropout, from 300 steps on, otherwise the paper's",
    )
    optimizer: Literal["auto", "adamw", "muon"] = arg(
        "auto", "adamw, or muon for the layers' matrices; auto: the preset's"
    )
    learning_rate: float | tuple[float, ...] = arg(  # type: ignore[assignment]  # a single one when training begins
        0.0, "peak learning rate; 0: the preset's; several between commas: the one that is best on the dev file"
    )
    layerwise_lr_decay: float = arg(
        0.0, "factor on the learning rate from each layer to the one below; 0: the preset's"
    )
    faithful: Literal["auto", "on", "off"] = arg(
        "auto", "on: apply that factor twice to the top layer, as the released code does; auto: in the preset released"
    )
    weight_decay: float | None = arg(None, "decoupled weight decay; default: the preset's")
    epochs: float = arg(0.0, "passes over the training data; 0: the paper's for the task")
    train_steps: int = arg(0, "optimizer steps; 0: from the epochs")
    warmup_proportion: float = arg(0.1, "share of the steps over which the learning rate rises")
    warmup_steps: int = arg(0, "steps over which it rises; 0: from the proportion")
    train_batch_size: int = arg(32, "examples of an optimizer step")
    micro_batch_size: int = arg(0, "examples of a forward pass; 0: 32, at most the batch")
    reduction: Literal["sum", "mean"] = arg(
        "sum", "loss of a batch: the sum, as released (most steps are then clipped to max_grad_norm), or the mean"
    )
    freeze_layers: int = arg(0, "keep the embeddings and this many of the lowest layers as they are; 0: train all")
    dropout: float | None = arg(
        None,
        "dropout in the encoder and before the head; default: 0.1, but none in a model that was pre-trained without, "
        "or in the preset fast",
    )
    # seeds and selection
    seed: int = arg(0, "seed of the head's first weights, the order of examples and dropout")
    seeds: int = arg(
        1, "train with this many seeds, and keep the model of the median one; of an even number, the lower of the two"
    )
    parallel: int = arg(1, "seeds trained at the same time, each in a process with its share of the threads")
    part: str = arg(
        "",
        "i/n: train only every n-th seed, from the i-th (0/4 ... 3/4, each on its own machine, with one folder); the "
        "same command without it collects",
    )
    select: Literal["last", "best"] = arg("last", "keep the last weights, or those of the best epoch on the dev file")
    patience: int = arg(
        0,
        "stop after this many evaluations without a better score on the dev file, and keep the best weights; 0: never",
    )
    # running
    log_steps: int = with_default(TrainConfig, "log_steps", 20)
    eval_steps: int = arg(0, "steps between two evaluations on the dev file; 0: only at the end")
    save_steps: int = with_default(TrainConfig, "save_steps", 500)
    save_total_limit: int = with_default(TrainConfig, "save_total_limit", 1)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "seeds", "parallel")
        require(
            bool(range(self.seeds)[part_of(self.part)]), f"part {self.part} has nothing to train: seeds is {self.seeds}"
        )
        require(
            not self.part or not isinstance(self.learning_rate, tuple),
            "--part needs one --learning-rate: choose it by a call without --part first",
        )
        require_not_negative(self, "epochs", "max_length", "freeze_layers", "patience")
        require(0 <= self.warmup_proportion < 1, f"warmup_proportion must be in [0, 1), got {self.warmup_proportion}")
        require(0 <= self.layerwise_lr_decay <= 1, "layerwise_lr_decay must be in (0, 1], 1 for none")
        require(
            self.mix is None or 0 < self.mix < 1, f"mix must be in (0, 1), got {self.mix}; for 0 or 1 name one file"
        )
        require(self.marks_per_100 is None or 0 < self.marks_per_100 <= 100, "marks_per_100 must be in (0, 100]")
        require(
            not isinstance(self.learning_rate, tuple) or (len(set(self.learning_rate)) > 1 and all(self.learning_rate)),
            f"learning_rate: give one, or several different ones above 0 between commas, got {self.learning_rate}",
        )
        require(self.dropout is None or 0 <= self.dropout < 1, f"dropout must be in [0, 1), got {self.dropout}")

    def resolved(self, shape: EncoderConfig, num_examples: int, task_epochs: float) -> FinetuneConfig:
        """Replace None, 0 and auto by the values for this preset, model and data set."""
        epochs = self.epochs or task_epochs
        steps = self.train_steps or max(1, int(-(-num_examples * epochs // self.train_batch_size)))
        preset = self.suited(shape, steps) if self.preset == "auto" else self.preset
        recipe = recipe_of(preset, shape.hidden_size)
        usual = recipe.dropout if shape.has_dropout else 0.0
        return replace(
            self,
            preset=preset,
            learning_rate=self.learning_rate or recipe.learning_rate,
            layerwise_lr_decay=self.layerwise_lr_decay or recipe.layerwise_lr_decay,
            faithful=self.faithful if self.faithful != "auto" else "on" if preset == "released" else "off",
            weight_decay=recipe.weight_decay if self.weight_decay is None else self.weight_decay,
            optimizer=recipe.optimizer if self.optimizer == "auto" else self.optimizer,
            dropout=usual if self.dropout is None else self.dropout,
            epochs=epochs,
            train_steps=steps,
            warmup_steps=self.warmup_steps or int(steps * self.warmup_proportion),
            micro_batch_size=self.micro_batch_size or min(32, self.train_batch_size),
        )

    def suited(self, shape: EncoderConfig, steps: int) -> Literal["paper", "fast"]:
        """Return the preset for a model and a number of steps; the paper's if a setting of AdamW is asked for."""
        is_asked = self.optimizer == "adamw" or self.learning_rate or self.layerwise_lr_decay or self.faithful == "on"
        is_small = shape.hidden_size <= MINI and not shape.has_dropout
        return "fast" if is_small and steps >= FAST_FROM and not is_asked else "paper"


class Recipe(NamedTuple):
    """Hyper-parameters that depend on the preset and the size of the model."""

    learning_rate: float
    layerwise_lr_decay: float
    weight_decay: float = 0.0
    optimizer: Literal["adamw", "muon"] = "adamw"
    dropout: float = 0.1


def recipe_of(preset: str, hidden_size: int) -> Recipe:
    """Return the hyper-parameters of a preset for a model of this size."""
    is_large = hidden_size >= LARGE
    if preset == "fast":
        return Recipe(2e-3 if hidden_size <= MINI else 1e-3, 1.0, 0.0, "muon", 0.0)
    decay = 0.9 if is_large else 0.8
    if preset == "released":
        return Recipe(5e-5 if is_large else 1e-4, decay, 0.01)
    return Recipe(5e-5 if is_large else 3e-4 if hidden_size < BASE else 1e-4, decay)


@dataclass(frozen=True)
class EvaluateConfig(FinetuneConfig):
    """Score a model on a task, with several seeds and simple baselines."""

    suite: str = arg("", "glue (with `data`), or a file to evaluate on; default: the dev file")
    data: str = arg("", "folder of the suite")
    out: str = arg("runs/evaluation", "folder of the report; the same command again continues it")
    seeds: int = arg(3, "fine-tune with this many seeds")
    baseline: bool = arg(True, "add a TF-IDF and logistic regression row where it applies")
    from_mnli: bool = arg(False, "suite glue: start RTE, MRPC and STS-B from the MNLI model, as in the paper")
