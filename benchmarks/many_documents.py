"""Measure memory, time and disk space of `prepare` and `pretrain` on millions of tiny documents, or on one large file.

    python benchmarks/many_documents.py --source TEXT --documents 30e6 --out results/many_documents.json
    python benchmarks/many_documents.py --source TEXT --jsonl 4e9 --out results/many_documents.json

TEXT is cut into lines of five words, a document each, and repeated as often as needed; with --jsonl its paragraphs are
the records of one file of that many bytes. `prepare` runs in one process. Memory is the most that its process had
resident, with pages of files that it maps; `pretrain` runs until its first step.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from result_file import add

WORDS = 5
FIRST_STEP = """
import sys, time
from dataclasses import replace
from electra.config import find_preset
from electra.pretraining.run import pretrain
began = time.time()
config = replace(find_preset("tiny"), data=sys.argv[1], out=sys.argv[2], threads=1, train_steps=1_000_000)
def first(trainer):
    print("first step", time.time() - began, len(trainer.source.examples), flush=True)
    trainer.stop_requested = True
try:
    pretrain(config, first)
except Exception as error:
    print(type(error).__name__, file=sys.stderr)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", required=True, type=Path)
    parser.add_argument("--documents", type=float, default=0)
    parser.add_argument("--jsonl", type=float, default=0, help="bytes")
    parser.add_argument("--runs", default="runs/many_documents", type=Path)
    parser.add_argument("--out", required=True, type=Path)
    options = parser.parse_args()
    options.runs.mkdir(parents=True, exist_ok=True)
    name = f"{options.jsonl:.0e} bytes of jsonl" if options.jsonl else f"{int(options.documents):,} documents"
    text = options.runs / ("text.jsonl" if options.jsonl else "text.txt")
    with open(text, "w", encoding="utf-8") as file:
        file.writelines(
            records(options.source, options.jsonl) if options.jsonl else lines(options.source, options.documents)
        )
    data, run = options.runs / f"{name}-data", options.runs / f"{name}-run"
    flags = ["--vocab-size", "4096", "--num-workers", "1", "--out", str(data)]
    prepared = measured(["-m", "electra", "prepare", str(text), "--document", "line", *flags])
    trained = measured(["-c", FIRST_STEP, str(data), str(run)])
    seconds, examples = trained["said"].partition("first step ")[2].split()[:2]
    row = {
        "megabytes": round(text.stat().st_size / 1e6),
        "examples": int(examples),
        "prepared_megabytes": round(sum(f.stat().st_size for f in data.rglob("*") if f.is_file()) / 1e6),
        "prepare_seconds": round(prepared["seconds"]),
        "prepare_peak_megabytes": prepared["megabytes"],
        "first_step_seconds": round(float(seconds), 1),
        "pretrain_peak_megabytes": trained["megabytes"],
    }
    add(options.out, name, row)
    print(row)
    text.unlink()


def lines(source: Path, count: float) -> Iterator[str]:
    """Documents of a few words, a line each."""
    words = source.read_text(encoding="utf-8").split()
    tiny = [" ".join(words[i : i + WORDS]) + "\n" for i in range(0, len(words), WORDS)]
    return itertools.islice(itertools.cycle(tiny), int(count))


def records(source: Path, size: float) -> Iterator[str]:
    """Paragraphs as JSON, a line each, up to a number of bytes."""
    paragraphs = [line for line in source.read_text(encoding="utf-8").split("\n") if line]
    rows = [json.dumps({"id": n, "text": text}) + "\n" for n, text in enumerate(paragraphs)]
    for row in itertools.cycle(rows):
        size -= len(row)
        if size < 0:
            return
        yield row


def measured(arguments: list[str]) -> dict:
    """Run Python; return its output, its seconds and the most memory that it had resident."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(arguments[:3])} failed")
    return {"said": said, "seconds": time.perf_counter() - began, "megabytes": usage.ru_maxrss // 1000}


if __name__ == "__main__":
    main()
