"""GLUE's nine tasks from the official folders of .tsv or the hub's format, scored and submitted as GLUE requires."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from electra.core.log import logger
from electra.core.storage import write_atomically
from electra.tasks.base import Task
from electra.tasks.classification import Classification
from electra.tasks.columns import Columns
from electra.tasks.examples import Sample
from electra.tasks.regression import Regression
from electra.text.records import Record, named_rows, read_lines
from electra.text.sources import file_format
from electra.text.splits import has_split, read_records

COLA_HEADER = ["source", "label", "original", "sentence"]  # CoLA's train.tsv and dev.tsv have none


class Glue(Task):
    """The base of the nine tasks: folders, columns, labels by name or number, the files of a submission."""

    folder: ClassVar[str]  # of the official data, and the name of the submission's file
    official: ClassVar[tuple[str, ...]]  # text columns: the official names, then the hub's
    label_column: ClassVar[str] = "label"
    label_set: ClassVar[tuple[str, ...]] = ("0", "1")
    hub_names: ClassVar[tuple[str, ...]] = ()  # the hub's names of labels that the official file numbers
    starts_from_mnli: ClassVar[bool] = False  # the paper fine-tunes it from an MNLI model
    is_symmetric: ClassVar[bool] = False
    splits: ClassVar[dict[str, str]] = {"train": "train", "dev": "dev", "test": "test"}
    test_splits: ClassVar[tuple[str, ...]] = ("test",)  # scored by GLUE's server
    submissions: ClassVar[dict[str, str]] = {}

    def __init__(self, **settings: Any) -> None:
        preset: dict[str, Any] = {"labels": self.label_set, "symmetric": self.is_symmetric}
        super().__init__(**preset | settings)

    @classmethod
    def recognises(cls, sample: Sample) -> bool:
        """Return False: GLUE tasks are only chosen by name."""
        return False

    def read_rows(self, source: str, split: str) -> list[Record]:
        """Return the rows of a split: of GLUE's folder, the task's own, a file, or an `hf:` data set."""
        path = self.official_file(Path(source).expanduser(), split)
        if path is None:
            return list(read_records(source, self.splits.get(split, split)))
        if self.folder == "CoLA" and split != "test":
            rows = (line.rstrip("\r\n").split("\t") for line in read_lines(path))
            return list(named_rows(path, Numbered(rows, COLA_HEADER), None))
        if split in self.test_splits:  # a submission needs a line for every row
            return list(read_records(str(path), split))
        malformed: list[str] = []
        records = list(read_records(str(path), split, malformed.append))
        if malformed:
            logger.warning(f"{path}: skipped {len(malformed)} malformed rows, the first: {malformed[0]}")
        return records

    def official_file(self, path: Path, split: str) -> Path | None:
        """Return the .tsv of a split, in the GLUE folder or the task's own, or None."""
        name = self.splits.get(split, split) + ".tsv"
        if path.is_file():
            return path if file_format(path) == ".tsv" else None
        return next((f for f in (path / self.folder / name, path / name) if f.is_file()), None)

    def holds(self, source: str, split: str) -> bool:
        """Return whether a folder or data set has a split; any source counts as a dev set."""
        path = Path(source).expanduser()
        if split == "dev" or (path.is_dir() and self.official_file(path, split) is not None):
            return True
        return has_split(source, self.splits.get(split, split))

    def find_columns(self, records: list[Record], source: str, split: str) -> Columns:
        """Return the official or the hub's columns, or those found in a user's file."""
        found = records[0].fields
        texts = [name for name in self.official if name in found]
        label = self.label_column if self.label_column in found else None
        pairs = len(self.pair_names) > 0
        if len(texts) < 1 + pairs:
            return super().find_columns(records, source, split)
        return Columns(texts[0], texts[1] if pairs else None, label or ("label" if "label" in found else None))

    def parse_label(self, value: Any, record: Record) -> Any:
        """Return a label from its name, its number or its name on the hub."""
        text = str(value)
        if text == "-1":
            return None
        if text in self.hub_names:
            text = self.label_set[self.hub_names.index(text)]
        if text not in self.labels:
            raise ValueError(f"{record.where}: the label {text!r} is not one of {', '.join(self.labels)}; correct it")
        return text

    def write_submission(self, predictions: Sequence[Mapping[str, Any]], out: Path, split: str = "test") -> Path:
        """Write a submission to GLUE's server, with rows in the order of the test set."""
        file = out / f"{self.submissions.get(split, self.folder)}.tsv"
        out.mkdir(parents=True, exist_ok=True)
        with write_atomically(file, "w") as stream:
            stream.write("index\tprediction\n")
            stream.writelines(f"{number}\t{self.submitted(p)}\n" for number, p in enumerate(predictions))
        return file

    def submitted(self, prediction: Mapping[str, Any]) -> str:
        """Return a prediction in the format of GLUE's server."""
        return str(prediction["label"])


class Single(Glue, Classification):
    """A task of one sentence."""

    official = ("sentence",)
    pair_names = ()


class CoLA(Single):
    """Is the sentence acceptable? Matthews correlation."""

    folder, main_metric = "CoLA", "matthews"
    hub_names = ("unacceptable", "acceptable")


class SST2(Single):
    """Is the review positive? Accuracy."""

    folder, hub_names = "SST-2", ("negative", "positive")


class Pair(Glue, Classification):
    """A task of two sentences."""

    official: ClassVar[tuple[str, ...]] = ("sentence1", "sentence2")


class MRPC(Pair):
    """Do the sentences mean the same? Accuracy and F1; both orders."""

    folder, label_column, positive = "MRPC", "Quality", "1"
    official = ("#1 String", "#2 String", "sentence1", "sentence2")
    hub_names = ("not_equivalent", "equivalent")
    is_symmetric, starts_from_mnli = True, True


class QQP(Pair):
    """Are the questions the same? Accuracy and F1."""

    folder, label_column, positive = "QQP", "is_duplicate", "1"
    official = ("question1", "question2")
    hub_names = ("not_duplicate", "duplicate")


class MNLI(Pair):
    """Does the premise entail the hypothesis? Accuracy, matched and mismatched."""

    folder, label_column = "MNLI", "gold_label"
    official = ("sentence1", "sentence2", "premise", "hypothesis")
    label_set = ("contradiction", "entailment", "neutral")
    dev_splits, test_splits = ("dev", "dev_mismatched"), ("test", "test_mismatched", "diagnostic")
    splits: ClassVar[dict[str, str]] = {
        "dev": "dev_matched", "dev_mismatched": "dev_mismatched", "test": "test_matched", "diagnostic": "diagnostic",
    }  # fmt: skip
    submissions: ClassVar[dict[str, str]] = {
        "test": "MNLI-m", "test_matched": "MNLI-m", "test_mismatched": "MNLI-mm", "diagnostic": "AX",
    }  # fmt: skip

    def official_file(self, path: Path, split: str) -> Path | None:
        """Return the .tsv of a split; the diagnostic set has its own folder beside MNLI's."""
        beside = [folder / "diagnostic" / "diagnostic.tsv" for folder in (path, path.parent)]
        kept = next((f for f in beside if split == "diagnostic" and f.is_file()), None)
        return kept or super().official_file(path, split)

    def parse_label(self, value: Any, record: Record) -> Any:
        """Return a label; the hub numbers them entailment, neutral, contradiction."""
        return super().parse_label(
            {"0": "entailment", "1": "neutral", "2": "contradiction"}.get(str(value), value), record
        )


class Entailment(Pair):
    """Entailment or not."""

    label_set = ("entailment", "not_entailment")

    def parse_label(self, value: Any, record: Record) -> Any:
        """Return a label; the hub numbers them in the order of `label_set`."""
        return super().parse_label(dict(zip("01", self.label_set, strict=True)).get(str(value), value), record)


class QNLI(Entailment):
    """Does the sentence answer the question? Accuracy."""

    folder, official = "QNLI", ("question", "sentence")


class RTE(Entailment):
    """Does the first sentence entail the second? Accuracy."""

    folder, epochs, starts_from_mnli = "RTE", 10.0, True


class WNLI(Pair):
    """Is the pronoun resolved correctly? Accuracy."""

    folder, hub_names = "WNLI", ("not_entailment", "entailment")


class STSB(Glue, Regression):
    """How alike are the sentences, 0 to 5? Pearson and Spearman; both orders."""

    folder, label_column, label_set = "STS-B", "score", ()
    official = ("sentence1", "sentence2")
    is_symmetric, starts_from_mnli = True, True

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"bounds": (0.0, 5.0)} | settings)

    def parse_label(self, value: Any, record: Record) -> Any:
        """Return a score from 0 to 5; the hub's test set has -1 for unknown."""
        return None if str(value) in ("-1", "-1.0") else Regression.parse_label(self, value, record)

    def submitted(self, prediction: Mapping[str, Any]) -> str:
        """Return the score, within its range."""
        return f"{min(5.0, max(0.0, prediction['score'])):.3f}"


class Numbered:
    """Rows under a header that the file lacks; `line_num` is the line read last, as in csv.reader."""

    def __init__(self, rows: Iterator[list[str]], header: list[str]) -> None:
        self.rows, self.header, self.line_num = rows, header, -1

    def __iter__(self) -> Numbered:
        return self

    def __next__(self) -> list[str]:
        self.line_num += 1
        return self.header if self.line_num == 0 else next(self.rows)


GLUE: dict[str, type[Glue]] = {
    "cola": CoLA, "sst2": SST2, "mrpc": MRPC, "stsb": STSB, "qqp": QQP, "mnli": MNLI, "qnli": QNLI, "rte": RTE,
    "wnli": WNLI,
}  # fmt: skip
