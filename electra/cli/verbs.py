"""The verbs of the command line: the configuration of each, the function it calls, the result it prints."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from electra.config import (
    BenchConfig,
    CompareConfig,
    ConvertConfig,
    DemoConfig,
    DetectConfig,
    EvaluateConfig,
    ExportConfig,
    FinetuneConfig,
    FlopsConfig,
    PredictConfig,
    PrepareConfig,
    PretrainConfig,
    PushConfig,
    ServeConfig,
)

if TYPE_CHECKING:
    from rich.console import RenderableType

    from electra.inference.marked_text import MarkedText

READABLE = 80  # columns of the demo


class Verb(NamedTuple):
    """The configuration and the function of a verb."""

    config: type
    run: Callable[[Any], object]


def call(module: str, function: str) -> Callable[[Any], object]:
    """Return a verb that calls a function of a module and prints nothing."""
    return lambda config: getattr(importlib.import_module(module), function)(config)


def evaluate(config: EvaluateConfig) -> None:
    from electra.cli.tables import evaluation
    from electra.finetuning.evaluate import evaluate

    summary = evaluate(config)
    if summary:
        show(evaluation(summary["results"]))


def predict(config: PredictConfig) -> None:
    import sys

    from electra.cli.terminal import show_log
    from electra.inference.predict import predict

    log, is_shown = show_log(), sys.stdout.isatty()
    for prediction in predict(config):
        if is_shown:
            log.end_line()  # of progress
        print(json.dumps(prediction, ensure_ascii=False), flush=True)


def prepare(config: PrepareConfig) -> None:
    from electra.cli.next_step import after_prepare, tell_next
    from electra.data.prepare import prepare

    if manifest := prepare(config):
        tell_next(after_prepare(config, manifest))


def pretrain(config: PretrainConfig) -> None:
    from electra.cli.next_step import after_training, tell_next
    from electra.core.log import logger
    from electra.pretraining.run import pretrain

    pretrain(config)
    is_first = not logger.disabled  # it is in all other processes of a run
    if is_first and not config.dry_run:
        tell_next(after_training(config.out))


def finetune(config: FinetuneConfig) -> None:
    from electra.cli.next_step import after_training, tell_next
    from electra.finetuning.run import finetune

    if finetune(config):
        tell_next(after_training(config.out))


def export(config: ExportConfig) -> None:
    from electra.cli.next_step import after_export, tell_next
    from electra.exporting.export import export

    export(config)
    tell_next(after_export(config))


def compare(config: CompareConfig) -> None:
    from electra.cli.tables import standings
    from electra.comparison.compare import compare

    compare(config, lambda *standing: show(standings(*standing), highlight=False))


def detect(config: DetectConfig) -> None:
    from electra.inference.detect import detect

    is_marked = False

    def noticed(parts: Iterable[MarkedText]) -> Iterator[MarkedText]:
        nonlocal is_marked
        for part in parts:
            is_marked |= bool(part.marked) or part.given not in (None, part.text)
            yield part

    for parts in map(noticed, detect(config)):
        if config.fix:
            show_fixed(list(parts))
        else:
            show_file(parts, config.format)
    if config.fail and is_marked:
        raise SystemExit(1)


def show_file(parts: Iterable[MarkedText], format: str) -> None:
    """Print the parts of a file with their marks in a format, each when it has been read."""
    from electra.cli.terminal import show_log
    from electra.inference.diagnostics import FORMATS, written

    log = show_log()
    for shown in shown_parts(parts) if format == "text" else written(FORMATS[format], parts):
        log.clear_line()
        if isinstance(shown, str):
            print(shown, end="", flush=True)
        else:
            show(shown, highlight=False, soft_wrap=True, end="")


def show_fixed(parts: Sequence[MarkedText]) -> None:
    """Print what was put right in a file as a diff, and log the words that are still marked."""
    from electra.core.log import logger
    from electra.inference.diagnostics import plain_lines

    show_file(parts, "diff")
    if left := "".join(line for part in parts for line in plain_lines(part)):
        logger.info(f"left for you, in the fixed text:\n{left.rstrip()}")


def shown_parts(parts: Iterable[MarkedText]) -> Iterator[RenderableType]:
    """Yield the parts of a file as they are shown in a terminal; the last line is ended."""
    from electra.cli.tables import marked

    end = ""
    for part in parts:
        yield marked(part.text, part.words, part.threshold)
        end = part.text[-1:]
    if end != "\n":
        yield "\n"


def flops(config: FlopsConfig) -> None:
    from electra.cli.tables import cost
    from electra.cost.flops import flops

    show(cost(flops(config)), highlight=False)


def bench(config: BenchConfig) -> None:
    from electra.cli.tables import benchmark
    from electra.cost.bench import bench

    show(benchmark(bench(config)))


def demo(config: DemoConfig) -> None:
    from electra.cli.next_step import after_demo, tell_next
    from electra.cli.tables import marked, tour
    from electra.inference.letter import letter

    print("The model in the box reads a letter, as in `electra detect letter.txt`:\n")
    read = letter()
    show(marked(read.text, read, read.threshold), highlight=False, width=READABLE, end="")
    print("\nNow a model of your own, from raw text:")
    from electra.demo import demo  # imports torch

    show(tour(demo(config)), highlight=False, width=READABLE)
    tell_next(after_demo(config.out))


def show(
    shown: RenderableType, highlight: bool = True, soft_wrap: bool = False, end: str = "\n", width: int | None = None
) -> None:
    """Print a result on standard output, in at most `width` columns."""
    from rich.console import Console

    console = Console(highlight=highlight, soft_wrap=soft_wrap)
    console.print(shown, end=end, width=min(width, console.width) if width else None)


VERBS = {
    "prepare": Verb(PrepareConfig, prepare),
    "pretrain": Verb(PretrainConfig, pretrain),
    "finetune": Verb(FinetuneConfig, finetune),
    "evaluate": Verb(EvaluateConfig, evaluate),
    "predict": Verb(PredictConfig, predict),
    "compare": Verb(CompareConfig, compare),
    "detect": Verb(DetectConfig, detect),
    "convert": Verb(ConvertConfig, call("electra.checkpoints.convert", "convert")),
    "export": Verb(ExportConfig, export),
    "push": Verb(PushConfig, call("electra.checkpoints.push", "push")),
    "serve": Verb(ServeConfig, call("electra.server.serve", "serve")),
    "flops": Verb(FlopsConfig, flops),
    "bench": Verb(BenchConfig, bench),
    "demo": Verb(DemoConfig, demo),
}
