"""Fine-grained meaning in a picture: contextual vectors of chosen words, from two models, in two dimensions.

n occurrences, D hidden size.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors

from electra.config import require
from electra.convert import load_network
from electra.data.tokenizer import Tokenizer, load_tokenizer, stated_length
from electra.data.windows import batched
from electra.detect import word_spans
from electra.detection.pretrained import Model
from electra.predict import model_folder

NEIGHBOURS = 5
OCCURRENCES = 100  # of a word at most
Vectors = NDArray[np.float32]


class Occurrences(NamedTuple):
    """Vectors of words in their contexts, and which word each is."""

    vectors: Vectors  # [n, D]
    words: list[str]


def occurrences(path: str, words: Sequence[str], lines: Sequence[str]) -> Occurrences:
    """The hidden states of `words` where they stand in `lines`, the mean over a word's pieces."""
    folder = model_folder(Path(path))
    network, tokenizer = load_network(folder), load_tokenizer(folder)
    model = Model(network, None, tokenizer, 0.5, stated_length(folder))  # type: ignore[arg-type]
    found = [place for line in lines for place in places(line, words, tokenizer, model.longest)]
    kept = [p for word in words for p in [f for f in found if f[0] == word][:OCCURRENCES]]
    seen = {word for word, *_ in kept}
    require(seen == set(words), f"the text does not hold {', '.join(sorted(set(words) - seen))}; give more --text")
    vectors: list[Vectors] = []
    for group in batched([ids for _, ids, _ in kept]):
        with torch.inference_mode():
            hidden = network.encoder(*model.pad(group))
        spans = [span for _, _, span in kept[len(vectors) : len(vectors) + len(group)]]
        vectors += [h[first : last + 1].mean(0).numpy() for h, (first, last) in zip(hidden, spans, strict=True)]
    return Occurrences(np.stack(vectors), [word for word, *_ in kept])


def places(
    line: str, words: Sequence[str], tokenizer: Tokenizer, longest: int
) -> list[tuple[str, list[int], tuple[int, int]]]:
    """Where the words stand in a line that fits the model: word, ids, and its first and last token in them."""
    if not any(word in line.lower() for word in words):
        return []
    encoding = tokenizer.encode(line)
    ids, offsets = [tokenizer.cls_id, *encoding.ids[: longest - 2], tokenizer.sep_id], encoding.offsets
    found = []
    for first, last in word_spans(encoding.word_ids):
        word = line[offsets[first][0] : offsets[last][1]].strip().lower()
        if word in words and last < longest - 2:
            found.append((word, ids, (first + 1, last + 1)))
    return found


def neighbour_purity(found: Occurrences) -> float:
    """The share of the five nearest neighbours, by angle, that are the same word; 1: words are kept apart."""
    count = min(NEIGHBOURS, len(found.words) - 1)
    nearest = NearestNeighbors(n_neighbors=count + 1, metric="cosine").fit(found.vectors)
    indices = nearest.kneighbors(found.vectors, return_distance=False)
    names = np.array(found.words)
    others = [[i for i in row if i != own][:count] for own, row in enumerate(indices)]  # a twin may come before oneself
    return float((names[np.array(others)] == names[:, None]).mean())


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
