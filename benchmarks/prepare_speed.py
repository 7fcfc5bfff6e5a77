"""Speed of `electra prepare` beside reading and the tokeniser alone, in turn, on one text file. Prints one JSON object.

python benchmarks/prepare_speed.py TEXT.txt [--megabytes 50] [--rounds 3]
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from electra.config import PrepareConfig
from electra.core.hardware import provenance
from electra.data.chunks import cut_chunks
from electra.data.corpus import Corpus
from electra.data.prepare import prepare
from electra.text.tokenizer import load_tokenizer
from electra.text.vocabulary import train_tokenizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", type=Path)
    parser.add_argument("--megabytes", type=float, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    raw = args.text.read_bytes()[: int(args.megabytes * 1e6)].decode(errors="ignore")
    lines = raw.split("\n")
    with tempfile.TemporaryDirectory() as folder:
        text, vocabulary = Path(folder) / "text.txt", Path(folder) / "vocabulary"
        text.write_text(raw, encoding="utf-8")
        train_tokenizer("wordpiece", lines[:100_000], 30522, True).save(vocabulary)
        tokenizer = load_tokenizer(vocabulary)
        times: dict[str, list[float]] = {"read": [], "encode_batch_fast": [], "prepare": []}
        for number in range(args.rounds):
            start = time.perf_counter()
            for _ in cut_chunks(Corpus(PrepareConfig(sources=(str(text),)))):  # what every part of --part does
                pass
            times["read"].append(time.perf_counter() - start)
            start = time.perf_counter()
            for i in range(0, len(lines), 10_000):
                tokenizer.backend.encode_batch_fast(lines[i : i + 10_000], add_special_tokens=False)
            times["encode_batch_fast"].append(time.perf_counter() - start)
            start = time.perf_counter()
            prepare(PrepareConfig(sources=(str(text),), out=f"{folder}/{number}", tokenizer=str(vocabulary)))
            times["prepare"].append(time.perf_counter() - start)
    megabytes = len(raw.encode()) / 1e6
    speeds = {name: round(megabytes / statistics.median(t), 2) for name, t in times.items()}
    ratio = round(speeds["prepare"] / speeds["encode_batch_fast"], 3)
    print(json.dumps({"megabytes": round(megabytes, 1), "mb_per_second": speeds, "ratio": ratio, **provenance()}))


if __name__ == "__main__":
    main()
