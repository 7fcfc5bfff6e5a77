"""What each piece of a dictionary's evidence adds to a detector of wrong words.

The weights are fitted to errors planted in held-out text, with more and more features, and scored on labelled texts at
a threshold of 0.5. A labelled text in which every word stands twice and is tagged as right is left out: RealEC has 42.

    python benchmarks/evidence.py MODEL --planted heldout.txt \\
        --labelled fce=fce_dev.jsonl --labelled realec=realec_dev.jsonl --out results/box_evidence.json
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from electra.core.hardware import provenance  # noqa: E402
from electra.core.storage import write_json  # noqa: E402
from electra.inference.detector import Detector  # noqa: E402
from electra.inference.load import load  # noqa: E402
from electra.inference.task_model import TaskModel  # noqa: E402
from electra.tasks.error_evidence import extents, weighed  # noqa: E402
from electra.tasks.error_metric import at_threshold, scored  # noqa: E402
from electra.tasks.errors import LIKELY, Errors  # noqa: E402
from electra.tasks.examples import Example  # noqa: E402
from electra.text.errors.tagged import RIGHT  # noqa: E402
from electra.text.evidence import Evidence, Weights, features, fit  # noqa: E402

ALWAYS = "always"
ADDED = (
    ("the network", ("network",)),
    ("whether the dictionary has the word, and how often it was counted", ("unknown", "unknown_name", "frequency")),
    ("whether the word before is the same", ("repeated",)),
    ("a common word within one edit of an unknown one", ("beside",)),
    ("less weight of the network for an unknown word", ("network_of_unknown",)),
)


class Words:
    """The words of labelled texts, what the dictionary and the network know of each, and whether it is wrong."""

    def __init__(self, model: Detector, file: str) -> None:
        assert model.evidence is not None
        task, self.dictionary = Errors(threshold=LIKELY), model.evidence.dictionary
        self.examples = [e for e in task.read(file, "dev") if not is_doubled(e)]
        network = TaskModel(model.session, task, "errors", model.tokenizer, model.longest)
        self.answers = network.answer(self.examples)

    def fit(self, names: Sequence[str]) -> Weights:
        """Return the best weights if only the named features are known."""
        is_wrong = np.array([token.tag != RIGHT for example in self.examples for token in example.label], float)
        asked = np.array([p > 0 for answer in self.answers for p in answer["wrong"]])  # others are never marked
        rows = [
            features(self.dictionary, example.texts[0], extents(example), answer["wrong"])
            for example, answer in zip(self.examples, self.answers, strict=True)
        ]
        return fit((np.concatenate(rows) * mask(names))[asked], is_wrong[asked])

    def scores(self, weights: Weights) -> dict[str, float]:
        """Return precision, recall, F0.5 at the threshold, average precision and the share of right words marked."""
        answers = weighed(Evidence(self.dictionary, weights), self.answers, self.examples)
        found = at_threshold(scored(answers, self.examples), LIKELY)
        return {name: round(value, 4) for name, value in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a detector with a dictionary")
    parser.add_argument("--planted", required=True, help="held-out clean text, to fit the weights on planted errors")
    parser.add_argument("--labelled", action="append", default=[], help="NAME=FILE of labelled texts, several times")
    parser.add_argument("--out", required=True, type=Path)
    options = parser.parse_args()
    model = load(options.model, threads=1)
    assert isinstance(model, Detector) and model.evidence, f"{options.model} has no dictionary"
    files = {"planted": options.planted} | dict(named.split("=", 1) for named in options.labelled)
    texts = {name: Words(model, file) for name, file in files.items()}
    rows, names = [], [ALWAYS]
    for what, more in ADDED:
        names += more
        weights = texts["planted"].fit(names)
        rows.append({"added": what} | {name: words.scores(weights) for name, words in texts.items()})
        print(rows[-1], flush=True)
    write_json(options.out, {"model": options.model, "threshold": LIKELY, "evidence": rows} | provenance())


def mask(names: Sequence[str]) -> np.ndarray:
    """Return 1 for each named feature, 0 for the others."""
    return np.array([name in names for name in Weights._fields], float)


def is_doubled(example: Example) -> bool:
    """Return whether every word of a text stands twice."""
    words = [example.texts[0][token.start : token.end] for token in example.label]
    return len(words) > 1 and words[::2] == words[1::2]


if __name__ == "__main__":
    main()
