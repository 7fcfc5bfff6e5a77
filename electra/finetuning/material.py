"""The material of a fine-tuning: a pre-trained model and a task's examples, read, checked and encoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from electra.checkpoints.huggingface import load_encoder
from electra.checkpoints.locate import is_masked_lm, model_folder
from electra.config import FinetuneConfig, require
from electra.config.objectives import traits_of
from electra.core.errors import some_of
from electra.core.log import counted, logger
from electra.core.storage import read_json
from electra.models.architecture import Architecture
from electra.models.registry import architecture_of
from electra.tasks import TASKS, Example, Features, Task, find_task
from electra.tasks.base import SHOWN
from electra.tasks.check import check
from electra.tasks.recognition import recognise
from electra.tasks.training_set import FixedSet, TrainingSet
from electra.text.tokenizer import Tokenizer, load_tokenizer, require_room

FEW = 12  # probabilities of wrong words if they depend on nothing but the number of pieces


class Material(NamedTuple):
    """Model and data, the same for all seeds."""

    name: str  # of the task
    task: Task
    head: str
    folder: Path  # of the pre-trained model
    tokenizer: Tokenizer
    max_length: int
    train: TrainingSet
    dev: list[Features]
    dev_examples: list[Example]


def read_material(config: FinetuneConfig) -> Material:
    """Read and encode the data; raise ValueError if the model cannot learn from it."""
    folder = model_folder(Path(config.model))
    warn_if_generator(folder)
    tokenizer = load_tokenizer(folder)
    name = config.task if config.task != "auto" else recognise(config.train, named_columns(config))
    task, shape = configured_task(name, config), load_encoder(folder).config
    task.read_beside(folder)
    head = choose_head(config.head, name, task, architecture_of(shape))
    train = task.read(config.train, "train")
    dev = task.read(config.dev, "dev") if config.dev else []
    require_as_many_texts(task, train, dev)
    task.learn(train)
    logger.info(f"task {name}" + (f", {len(task.labels)} labels: {some_of(task.labels, SHOWN)}" if task.labels else ""))
    require_room(tokenizer, shape.vocab_size, folder)
    longest = shape.max_position_embeddings
    require(
        config.max_length <= longest,
        f"--max-length {config.max_length}: the model in {folder} reads {longest} tokens; {remedy(task, longest)}",
    )
    max_length = min(config.max_length or task.length, longest)
    learned, measured = task.training_set(tokenizer, train, max_length), task.encode(tokenizer, dev, max_length)
    fixed = learned.features if isinstance(learned, FixedSet) else []
    if config.check:
        splits = {"train": train} | ({"dev": dev} if dev else {})
        features = {"train": fixed or task.encode(tokenizer, train, max_length), "dev": measured}
        logger.info(check(task, splits, features, tokenizer, max_length))
    warn_if_cut(task, config.train, fixed, max_length, longest)
    warn_if_cut(task, config.dev, measured, max_length, longest)
    return Material(name, task, head, folder, tokenizer, max_length, learned, measured, dev)


def warn_if_cut(task: Task, source: str, features: Sequence[Features], max_length: int, longest: int) -> None:
    """Warn if some texts are longer than what the model is given of them."""
    cut, count = (len({f.example for f in features if f.is_cut or each}) for each in (False, True))
    if cut:
        logger.warning(
            f"{source}: {cut} of {count} texts are longer than {max_length} tokens and are cut there; "
            + remedy(task, longest, max_length)
        )


def remedy(task: Task, longest: int, max_length: int = 0) -> str:
    """Return how to have long texts read."""
    ways = [f"--max-length may be up to {longest}"] if max_length < longest else []
    ways += ["--windows mean reads a long text whole, in windows"] if "windows" in task.options else []
    return "; ".join(ways) or "split them"


def choose_head(head: str, name: str, task: Task, architecture: Architecture) -> str:
    """Return the name of the head; auto: the first of the task that the architecture has."""
    offered = [each for each, kind in task.heads.items() if architecture.offers(kind)]
    require(bool(offered), f"{architecture.name} has no head for the task {name}; use another model")
    require(
        head in ("auto", *offered),
        f"the task {name} has the heads {', '.join(offered)} on {architecture.name}, not {head!r}; leave --head out",
    )
    return offered[0] if head == "auto" else head


def configured_task(name: str, config: FinetuneConfig, **more: Any) -> Task:
    """Return a task with the columns that the user has named and the settings it takes from the configuration."""
    kind = find_task(name)
    for option in {option for task in TASKS.values() for option in task.options}.difference(kind.options):
        flag = "--" + option.replace("_", "-")
        require(getattr(config, option) is None, f"the task {name} has no setting {flag}; leave it out")
    return kind(columns=named_columns(config), **{option: getattr(config, option) for option in kind.options}, **more)


def named_columns(config: FinetuneConfig) -> dict[str, str]:
    """Return the columns the user has named, by role."""
    given = {"text": config.text_column, "text2": config.text2_column, "label": config.label_column}
    return {role: name for role, name in given.items() if name}


def require_as_many_texts(task: Task, train: Sequence[Example], dev: Sequence[Example]) -> None:
    """Raise ValueError unless train and dev examples have equally many texts."""
    if task.wanted is None or not dev:
        return
    counts = [max(len(example.texts) for example in split) for split in (train, dev)]
    require(
        counts[0] == counts[1],
        f"training examples have {counted(counts[0], 'text')} each, those of the dev split {counts[1]}: "
        "name the second column alike in both, or with --text2-column",
    )


def warn_if_generator(folder: Path) -> None:
    """Warn if the model is the generator of an ELECTRA; a run without a generator has no discriminator either."""
    run = folder.parent / "config.json"
    if is_masked_lm(folder) and not (
        run.exists() and traits_of(str(read_json(run).get("objective"))).generator == "none"
    ):
        logger.warning(
            f"{folder} holds a masked language model. If it is an ELECTRA's generator, fine-tune its discriminator"
        )


def warn_of_unused_labels(
    task: Task, predictions: Sequence[Mapping[str, Any]], examples: Sequence[Example], source: str
) -> None:
    """Warn of labels that examples have and that are never predicted, the commonest first.

    Predictions without labels, such as the probabilities of wrong words, say nothing of that.
    """
    pairs = [(p, e) for p, e in zip(predictions, examples, strict=True) if e.label is not None]
    given = {label for p, _ in pairs for label in answers_of(p)}
    if not task.labels or not given:
        return
    counts = Counter(label for _, e in pairs for label in task.labels_of(e))
    if missed := [f"{label} ({count})" for label, count in counts.most_common() if label not in given]:
        ways = "--class-weights balanced or " if "class_weights" in task.options else ""
        logger.warning(f"never predicted, though {source} has them: {some_of(missed, SHOWN)}; try {ways}more --epochs")


def answers_of(prediction: Mapping[str, Any]) -> Sequence[str]:
    """Return the labels or tags of a prediction; none for numbers and answers."""
    given = [prediction["label"]] if "label" in prediction else prediction.get("labels", prediction.get("tags", ()))
    return [str(each) for each in given]


def warn_if_collapsed(predictions: Sequence[dict[str, Any]], examples: Sequence[Example]) -> None:
    """Warn if a model gives every example the same answer although the labels differ."""
    odds = {round(p, 4) for prediction in predictions for p in prediction.get("wrong", ())}
    if 0 < len(odds) <= FEW and sum(len(prediction["wrong"]) for prediction in predictions) > FEW**2:
        logger.warning("this run has collapsed: it only tells short words from long ones. Try a lower --learning-rate")
    key = next((key for key in ("label", "labels", "tags", "answer", "score") if key in predictions[0]), "")
    given = {str(answer) for p in predictions if key for answer in (p[key] if key == "tags" else [p[key]])}
    if len(given) == 1 and len({str(example.label) for example in examples}) > 1:
        logger.warning(
            f"this run has collapsed: it answers {given.pop()} to every example. Try another --seed, a lower "
            "--learning-rate or more --epochs; or was a generator loaded?"
        )
