#!/usr/bin/env python
"""Remove near-duplicate documents from JSON lines, then prepare what is left in parts, with datatrove's executors.

    pip install 'datatrove[io,processing]'                      # and [ray] for Ray
    python recipes/deduplicate.py CORPUS --out OUT --tasks 8 --tokenizer data/vocabulary
    python recipes/deduplicate.py s3://bucket/corpus --out /shared/OUT --tasks 64 --tokenizer data/vocabulary \
        --executor slurm --partition cpu --time 12:00:00

CORPUS is a folder of .jsonl or .jsonl.gz with the column `text`. OUT/text gets the documents that are kept, OUT/data
the prepared folder for `electra pretrain --data`; other flags of `electra prepare` follow --prepare. The same command
again runs the tasks that failed and skips the others. Two documents are near-duplicates if MinHash finds that about
three quarters of their runs of five words are the same. datatrove is not a dependency of electra.
"""

from __future__ import annotations

import argparse
from typing import Any

from datatrove.executor import LocalPipelineExecutor, RayPipelineExecutor, SlurmPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.word_tokenizers import WordTokenizer

CONFIG = MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8)


class Blanks(WordTokenizer):
    """Words are what stands between blanks: no model of a language is needed."""

    def word_tokenize(self, text: str) -> list[str]:
        return text.split()

    def sent_tokenize(self, text: str) -> list[str]:
        return text.splitlines()

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        return [(0, len(text))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus")
    parser.add_argument("--out", required=True, help="folder that all machines share, or its URL")
    parser.add_argument("--tasks", type=int, default=2, help="tasks of the stages that read or prepare text")
    parser.add_argument("--tokenizer", default="", help="vocabulary for `electra prepare`; without it the text is kept")
    parser.add_argument("--executor", choices=EXECUTORS, default="local")
    parser.add_argument("--workers", type=int, default=-1, help="tasks at once; -1: all")
    parser.add_argument("--partition", default="cpu", help="of Slurm")
    parser.add_argument("--time", default="24:00:00", help="of a task, for Slurm")
    parser.add_argument("--prepare", nargs=argparse.REMAINDER, default=[], help="further flags of `electra prepare`")
    options = parser.parse_args()
    last = None
    for number, (name, steps, tasks) in enumerate(stages(options), 1):
        last = EXECUTORS[options.executor](options, steps, tasks, f"{options.out}/logs/{number}-{name}", last)
    last.run()  # and before it, those that it depends on


def stages(options: argparse.Namespace) -> list[tuple[str, list[Any], int]]:
    """Return the name, the steps and the number of tasks of each stage."""
    read = JsonlReader(options.corpus, glob_pattern="**/*.jsonl*")
    work = f"{options.out}/minhash"
    found = [
        ("signatures", [read, MinhashDedupSignature(f"{work}/signatures", CONFIG, language=Blanks())], options.tasks),
        ("buckets", [MinhashDedupBuckets(f"{work}/signatures", f"{work}/buckets", config=CONFIG)], CONFIG.num_buckets),
        ("clusters", [MinhashDedupCluster(f"{work}/buckets", f"{work}/removed", config=CONFIG)], 1),
        ("filter", [read, MinhashDedupFilter(f"{work}/removed"), JsonlWriter(f"{options.out}/text")], options.tasks),
    ]
    if options.tokenizer:
        found.append(("parts", [Prepare(options, in_parts=True)], options.tasks))
        found.append(("together", [Prepare(options, in_parts=False)], 1))
    return found


class Prepare:
    """A step that calls `electra prepare`: each task its part, or one all parts together."""

    def __init__(self, options: argparse.Namespace, in_parts: bool) -> None:
        self.flags = [f"{options.out}/text", "--out", f"{options.out}/data", "--tokenizer", options.tokenizer]
        self.flags += ["--num-workers", "1", *options.prepare]
        self.in_parts = in_parts

    def __call__(self, data: Any, rank: int = 0, world_size: int = 1) -> Any:
        import subprocess
        import sys

        part = ["--part", f"{rank}/{world_size}"] if self.in_parts else []
        subprocess.run([sys.executable, "-m", "electra", "prepare", *self.flags, *part], check=True)
        yield from ()


# -- executors ---------------------------------------------------------------------------------------------------------


def local(options: argparse.Namespace, steps: list[Any], tasks: int, logs: str, after: Any) -> Any:
    return LocalPipelineExecutor(steps, tasks, options.workers, logs, depends=after)


def slurm(options: argparse.Namespace, steps: list[Any], tasks: int, logs: str, after: Any) -> Any:
    return SlurmPipelineExecutor(
        steps, tasks, options.time, options.partition, workers=options.workers, logging_dir=logs, depends=after,
        job_name=logs.rpartition("/")[2], mem_per_cpu_gb=4,
    )  # fmt: skip


def ray(options: argparse.Namespace, steps: list[Any], tasks: int, logs: str, after: Any) -> Any:
    return RayPipelineExecutor(
        steps, tasks, options.workers, depends=after, logging_dir=logs, mem_per_cpu_gb=4
    )  # fmt: skip


EXECUTORS = {"local": local, "slurm": slurm, "ray": ray}

if __name__ == "__main__":
    main()
