"""Plot the contextual vectors of chosen words from two models side by side, and say how well words are kept apart.

    python benchmarks/word_pictures.py sky,sea,river --models RUN RUN --text FILE ... --out FOLDER

n occurrences, D hidden size.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors

from electra.checkpoints.huggingface import load_network
from electra.checkpoints.locate import model_folder
from electra.config import require
from electra.core.html import svg_of
from electra.core.storage import write_atomically, write_json
from electra.inference.embedder import Embedder
from electra.inference.torch_session import TorchSession
from electra.models.heads import Headless
from electra.tasks.squad_metric import CJK
from electra.text.lines import read_text
from electra.text.tokenizer import load_tokenizer, stated_length

NEIGHBOURS = 5
OCCURRENCES = 100  # of a word at most
Vectors = NDArray[np.float32]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", help="with commas between")
    parser.add_argument("--models", nargs=2, required=True, help="two runs or model directories")
    parser.add_argument("--text", nargs="+", required=True, help="files in which the words occur")
    parser.add_argument("--projection", choices=("pca", "tsne"), default="pca")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    words = list(dict.fromkeys(word.strip() for word in options.words.lower().split(",") if word.strip()))
    require(len(words) > 1, "name two words or more, with commas between")
    lines = [line for name in options.text for line in read_text(name).splitlines()]
    found = occurrences(options.models, words, lines)
    purity = {model: neighbour_purity(o) for model, o in found.items()}
    counts = {word: found[options.models[0]].words.count(word) for word in words}
    options.out.mkdir(parents=True, exist_ok=True)
    with write_atomically(options.out / "words.svg", "w") as file:
        file.write(svg_of(side_by_side(found, options.projection)))
    write_json(options.out / "words.json", {"words": words, "occurrences": counts, "neighbour_purity": purity})
    for model, value in purity.items():
        print(f"{model}: neighbour purity {value:.3f}")


class Occurrences(NamedTuple):
    """Vectors of words in their contexts, and which word each is."""

    vectors: Vectors  # [n, D]
    words: list[str]


class Place(NamedTuple):
    """The position of a word, in characters of its line."""

    word: str
    line: str
    start: int
    end: int


class Reader:
    """A model's encoder that reads words in their lines."""

    def __init__(self, path: str) -> None:
        folder = model_folder(Path(path))
        encoder = TorchSession(Headless(load_network(folder).encoder))
        self.model = Embedder(encoder, load_tokenizer(folder), stated_length(folder))
        self.read = functools.lru_cache(maxsize=1000)(self.model.tokenizer.encode)

    def tokens(self, place: Place) -> list[int]:
        """Return the tokens of a word in its row, which begins with [CLS]; none if the row ends before the word."""
        spans = self.read(place.line).offsets
        touched = [n for n, (start, end) in enumerate(spans) if start < place.end and end > place.start]
        return [n + 1 for n in touched] if touched and touched[-1] < self.model.longest - 2 else []

    def vectors(self, places: Sequence[Place]) -> Vectors:
        """Return the hidden state of each word, the mean over its pieces, [n, D]."""
        rows = [self.model.row(self.read(p.line).ids[: self.model.longest - 2]) for p in places]
        hidden = self.model.run(rows, "last_hidden_state")
        return np.stack([h[self.tokens(place)].mean(0) for h, place in zip(hidden, places, strict=True)])


def occurrences(models: Sequence[str], words: Sequence[str], lines: Sequence[str]) -> dict[str, Occurrences]:
    """Return the hidden states of `words` in `lines`, by model, at the same places for all models.

    Raises:
        ValueError: a word stands in too few places that all models read.
    """
    readers = {path: Reader(path) for path in models}
    kept: list[Place] = []
    for word in words:
        read = (p for p in places(word, lines) if all(reader.tokens(p) for reader in readers.values()))
        found = list(itertools.islice(read, OCCURRENCES))
        require(
            len(found) > NEIGHBOURS,
            f"the text holds {word} {len(found)} times where both models read it; {NEIGHBOURS + 1} are needed: give "
            "more --text, or another word",
        )
        kept += found
    return {path: Occurrences(reader.vectors(kept), [p.word for p in kept]) for path, reader in readers.items()}


def places(word: str, lines: Sequence[str]) -> Iterator[Place]:
    """Yield the places of a whole word in any case; a word of Chinese characters may be part of a longer one."""
    bounds = ("", "") if CJK.search(word) else (r"(?<!\w)", r"(?!\w)")
    pattern = re.compile(bounds[0] + re.escape(word) + bounds[1], re.IGNORECASE)
    for line in lines:
        for found in pattern.finditer(line):
            yield Place(word, line, *found.span())


def neighbour_purity(found: Occurrences) -> float:
    """Return the share of the five nearest neighbours, by angle, that are the same word: a mean over words."""
    count = min(NEIGHBOURS, len(found.words) - 1)
    nearest = NearestNeighbors(n_neighbors=count + 1, metric="cosine").fit(found.vectors)
    indices = nearest.kneighbors(found.vectors, return_distance=False)
    names = np.array(found.words)
    others = [[i for i in row if i != own][:count] for own, row in enumerate(indices)]  # a twin may come before oneself
    same = (names[np.array(others)] == names[:, None]).mean(1)
    return float(np.mean([same[names == word].mean() for word in dict.fromkeys(found.words)]))


def side_by_side(models: dict[str, Occurrences], projection: str) -> Figure:
    """Plot the vectors of each model in two dimensions, a colour for each word."""
    figure = Figure(figsize=(6 * len(models), 5), layout="constrained")
    for axes, (name, found) in zip(figure.subplots(1, len(models)), models.items(), strict=True):
        points, names = flat(found.vectors, projection), np.array(found.words)
        for word in dict.fromkeys(found.words):
            axes.scatter(*points[names == word].T, label=word, s=12, alpha=0.7)
        axes.set(title=f"{name}: purity {neighbour_purity(found):.3f}", xticks=[], yticks=[])
        axes.legend(fontsize="small")
    return figure


def flat(vectors: Vectors, projection: str) -> Vectors:
    """Project vectors: [n, D] -> [n, 2]."""
    if projection == "pca":
        return np.asarray(PCA(2, random_state=0).fit_transform(vectors))
    perplexity = min(30.0, max(1.0, (len(vectors) - 1) / 3))
    return np.asarray(TSNE(2, perplexity=perplexity, init="pca", random_state=0).fit_transform(vectors))


if __name__ == "__main__":
    main()
