"""Data and a run small enough that a test trains it in a second."""

from __future__ import annotations

import errno
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import numpy as np

from electra.config import ElectraConfig, PretrainConfig
from electra.core.storage import write_json
from electra.data.shards import FORMAT_VERSION, Examples, open_examples, write_shard
from electra.text.tokenizer import Tokenizer
from electra.text.vocabulary import train_tokenizer

WORDS = "the a quick brown lazy fox dog cook meal jumps eats over under with and small café naïve walker river"
SEQ_LENGTH = 24
Hook = Callable[[Any], None]


def sentences(count: int, seed: int = 0) -> list[str]:
    """Sentences of 2 to 16 words, the same for a seed."""
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS.split(), k=rng.randint(2, 16))) for _ in range(count)]


def tiny_tokenizer(kind: str = "wordpiece", vocab_size: int = 0) -> Tokenizer:
    """A tokeniser of the tiny language."""
    return train_tokenizer(
        kind, sentences(200), vocab_size or {"wordpiece": 120, "bpe": 320, "unigram": 100}[kind], True
    )


def write_data(
    folder: Path, count: int = 120, seq_length: int = SEQ_LENGTH, heldout: int = 20, tokenizer: Tokenizer | None = None
) -> Path:
    """A prepared folder of `count` examples, every third of two segments; the training split in two shards."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = tokenizer or tiny_tokenizer()
    tokenizer.save(folder, seq_length)
    examples = []
    for number, ids in enumerate(tokenizer.encode_lines(sentences(count + heldout, seed=1))):
        ids = ids[: seq_length - 3]
        middle = len(ids) // 2 if number % 3 == 0 else len(ids)
        segments = [ids[:middle], ids[middle:]] if middle < len(ids) else [ids]
        examples.append([tokenizer.cls_id, *(i for s in segments for i in [*s, tokenizer.sep_id])])

    def shard(name: str, part: list[list[int]]) -> dict[str, object]:
        tokens = np.array([i for example in part for i in example], np.uint16)
        return write_shard(folder, name, tokens, np.array([len(example) for example in part]))

    train, kept = examples[:count], examples[count:]
    manifest = {
        "format_version": FORMAT_VERSION,
        "tokenizer_hash": tokenizer.hash,
        "vocab_size": tokenizer.vocab_size,
        "seq_length": seq_length,
        "train": [shard("train-0", train[: count // 3]), shard("train-1", train[count // 3 :])],
        "heldout": [shard("heldout-0", kept)] if kept else [],
    }
    write_json(folder / "manifest.json", manifest)
    return folder


def lengths_only(lengths: list[int] | np.ndarray, seq_length: int, folder: Path) -> Examples:
    """Examples of given lengths in a folder of their own; example n holds the id 5 + n % 1000."""
    folder.mkdir(parents=True, exist_ok=True)
    lengths = np.asarray(lengths)
    tokens = np.repeat(5 + np.arange(len(lengths)) % 1000, lengths).astype(np.uint16)
    entry = write_shard(folder, "all", tokens, lengths)
    write_json(
        folder / "manifest.json",
        {
            "format_version": FORMAT_VERSION,
            "tokenizer_hash": "",
            "vocab_size": 2000,
            "seq_length": seq_length,
            "train": [entry],
        },
    )
    return open_examples(folder)


MODEL = ElectraConfig(
    embedding_size=16, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
    max_position_embeddings=32, hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1,
)  # fmt: skip


def tiny_config(data: Path, out: Path, **changes: object) -> PretrainConfig:
    """A run of 24 steps with dropout, evaluations and checkpoints that do not fall on the same steps."""
    settings = dict(
        model=MODEL, data=str(data), out=str(out), generator_width=0.5, learning_rate=1e-3, warmup_steps=4,
        train_batch_size=8, micro_batch_size=4, train_steps=24, log_steps=4, eval_steps=9, save_steps=5, eval_batches=3,
        device="cpu", precision="fp32", compile="off", threads=1,
    ) | changes  # fmt: skip
    return PretrainConfig(**settings)


def hook_step(patch: Any, before: Hook = lambda trainer: None, after: Hook = lambda trainer: None) -> None:
    """Call these with the trainer around every training step, until `patch` is undone."""
    from electra.training.trainer import Trainer

    step = Trainer.train_step

    def hooked(self: Trainer) -> None:
        before(self)
        step(self)
        after(self)

    patch.setattr(Trainer, "train_step", hooked)


def stop_after(number: int) -> Hook:
    """For hook_step: ask a run to stop after a step."""
    return lambda trainer: setattr(trainer, "stop_requested", trainer.step == number)


def poison_at(number: int) -> Hook:
    """For hook_step: spoil the generator before a step."""

    def poison(trainer: Any) -> None:
        if trainer.step == number:
            trainer.module.generator.head.bias.data[7] = float("inf")

    return poison


def flags(config: PretrainConfig) -> list[str]:
    """The command-line flags of a configuration."""
    from electra.pretraining.identity import flat

    words = []
    for name, value in flat(config).items():
        flag = "--" + name.replace("_", "-")
        words += [flag if value else "--no-" + flag[2:]] if isinstance(value, bool) else [flag, str(value)]
    return words


def sketch(figure: object, file: IO[str], **how: object) -> None:
    """In the place of Figure.savefig, which takes half of a tiny run's seconds."""
    file.write("<svg></svg>")


# -- what a child process does: here, so that it imports nothing of pytest ---------------------------------------------


def train(config: PretrainConfig) -> None:
    """Train in silence."""
    quiet()
    from electra.pretraining.run import pretrain

    pretrain(config)


def train_and_die(config: PretrainConfig, calls: int) -> None:
    """Train, and die as by kill -9 just before the `calls`th change to the disk; what it says goes to a file."""
    quiet(said_by(config))
    from electra.pretraining.run import pretrain

    left = calls

    def counted(function):
        def call(*args, **kwargs):
            nonlocal left
            left -= 1
            if left == 0:
                os._exit(9)
            return function(*args, **kwargs)

        return call

    for name in ("fsync", "rename", "replace", "unlink", "rmdir", "mkdir"):
        setattr(os, name, counted(getattr(os, name)))
    pretrain(config)


def said_by(config: PretrainConfig) -> Path:
    """The file of what a child says that trains and dies."""
    return Path(config.out).with_suffix(".said")


def train_and_signal(config: PretrainConfig, number: int, step: int, times: int) -> None:
    """Train by the command line, and get a signal some times before a step."""
    quiet()
    from electra.cli import main

    def raise_signals(trainer: Any) -> None:
        for _ in range(times * (trainer.step == step)):
            signal.raise_signal(signal.Signals(number))

    hook_step(Patch(), before=raise_signals)
    main(["pretrain", *flags(config)])


class Fault(NamedTuple):
    """What happens to one of several processes before a step."""

    what: Literal["stopped", "killed", "hung", "poisoned", "full"]
    rank: int
    step: int

    def __call__(self, trainer: Any) -> None:
        if trainer.step != self.step:
            return
        signals = {"stopped": signal.SIGTERM, "killed": signal.SIGKILL, "hung": signal.SIGSTOP}
        if self.what in signals:
            os.kill(os.getpid(), signals[self.what])
        elif self.what == "full":
            os.fsync = full_disk
        else:
            poison_at(self.step)(trainer)


def full_disk(descriptor: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def train_as(rank: int, size: int, port: int, configs: list[PretrainConfig], fault: Fault | None = None) -> None:
    """Train as one process of several on this machine, by the command line; what it says goes to a file."""
    places = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in places.items()})
    quiet(Path(configs[0].out).with_suffix(f".said{rank}"))
    from electra.cli import main
    from electra.pretraining import run

    run.report = lambda *_: None  # takes longer than the steps
    if fault and fault.rank == rank:
        hook_step(Patch(), before=fault)
    for config in configs:
        main(["pretrain", *flags(config)])


class Patch:
    """Set attributes for good."""

    setattr = staticmethod(setattr)


def quiet(said: Path = Path(os.devnull)) -> None:
    """Have a child draw nothing, and write to a file what it and its libraries say."""
    from matplotlib.figure import Figure

    Figure.savefig = sketch
    said.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr = open(said, "a", buffering=1)  # noqa: SIM115
