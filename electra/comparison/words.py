"""Fine-grained meaning in a picture: contextual vectors of chosen words, from two models, in two dimensions.

n occurrences, D hidden size.
"""

from __future__ import annotations

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
from electra.inference.embedder import Embedder
from electra.inference.torch_session import TorchSession
from electra.models.heads import Headless
from electra.tasks.squad_metric import CJK
from electra.text.tokenizer import load_tokenizer, stated_length

NEIGHBOURS = 5
OCCURRENCES = 100  # of a word at most
Vectors = NDArray[np.float32]


class Occurrences(NamedTuple):
    """Vectors of words in their contexts, and which word each is."""

    vectors: Vectors  # [n, D]
    words: list[str]


class Place(NamedTuple):
    """Where a word stands, in characters of its line."""

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
        """The tokens of a word in its row, which begins with [CLS]; none where the row ends before it does."""
        spans = self.read(place.line).offsets
        touched = [n for n, (start, end) in enumerate(spans) if start < place.end and end > place.start]
        return [n + 1 for n in touched] if touched and touched[-1] < self.model.longest - 2 else []

    def vectors(self, places: Sequence[Place]) -> Vectors:
        """Return the hidden state of each word, the mean over its pieces, [n, D]."""
        rows = [self.model.row(self.read(p.line).ids[: self.model.longest - 2]) for p in places]
        hidden = self.model.run(rows, "last_hidden_state")
        return np.stack([h[self.tokens(place)].mean(0) for h, place in zip(hidden, places, strict=True)])


def occurrences(models: Sequence[str], words: Sequence[str], lines: Sequence[str]) -> dict[str, Occurrences]:
    """The hidden states of `words` where they stand in `lines`, by model: the same places for all.

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
    """Where a word stands by itself, whatever its case; one of Chinese characters stands anywhere."""
    bounds = ("", "") if CJK.search(word) else (r"(?<!\w)", r"(?!\w)")
    pattern = re.compile(bounds[0] + re.escape(word) + bounds[1], re.IGNORECASE)
    for line in lines:
        for found in pattern.finditer(line):
            yield Place(word, line, *found.span())


def neighbour_purity(found: Occurrences) -> float:
    """The share of the five nearest neighbours, by angle, that are the same word, as a mean over words.

    1: words are kept apart, if each occurs six times or more.
    """
    count = min(NEIGHBOURS, len(found.words) - 1)
    nearest = NearestNeighbors(n_neighbors=count + 1, metric="cosine").fit(found.vectors)
    indices = nearest.kneighbors(found.vectors, return_distance=False)
    names = np.array(found.words)
    others = [[i for i in row if i != own][:count] for own, row in enumerate(indices)]  # a twin may come before oneself
    same = (names[np.array(others)] == names[:, None]).mean(1)
    return float(np.mean([same[names == word].mean() for word in dict.fromkeys(found.words)]))


def side_by_side(models: dict[str, Occurrences], projection: str) -> Figure:
    """Both models' vectors in two dimensions, a colour for each word."""
    figure = Figure(figsize=(6 * len(models), 5), layout="constrained")
    for axes, (name, found) in zip(figure.subplots(1, len(models)), models.items(), strict=True):
        points, names = flat(found.vectors, projection), np.array(found.words)
        for word in dict.fromkeys(found.words):
            axes.scatter(*points[names == word].T, label=word, s=12, alpha=0.7)
        axes.set(title=f"{name}: purity {neighbour_purity(found):.3f}", xticks=[], yticks=[])
        axes.legend(fontsize="small")
    return figure


def flat(vectors: Vectors, projection: str) -> Vectors:
    """[n, D] -> [n, 2]."""
    if projection == "pca":
        return np.asarray(PCA(2, random_state=0).fit_transform(vectors))
    perplexity = min(30.0, max(1.0, (len(vectors) - 1) / 3))
    return np.asarray(TSNE(2, perplexity=perplexity, init="pca", random_state=0).fit_transform(vectors))
