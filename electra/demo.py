"""The whole way in minutes: text that is at hand, a tiny ELECTRA, and what it finds beside what counting finds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.metrics import average_precision_score, roc_auc_score

from electra.config import PRESETS, DemoConfig, PrepareConfig, PretrainConfig, require
from electra.console import duration, say
from electra.data.chunks import is_heldout
from electra.data.corpus import Corpus
from electra.data.errors import Planted, plant_errors
from electra.data.loader import Loader
from electra.data.ngrams import Ngrams
from electra.data.shards import open_examples
from electra.data.tokenizer import Tokenizer, load_tokenizer
from electra.detect import logit, token_scores, word_score, word_spans
from electra.detection.pretrained import Model
from electra.model.heads import Discriminator
from electra.predict import load
from electra.prepare import prepare
from electra.pretrain import pretrain
from electra.report import replaced_examples, write_report
from electra.show import coloured, marked_html
from electra.storage import read_json, write_json
from electra.training.trainer import Trainer

Scores = NDArray[np.float64]
KINDS = {"random": "random wrong words", "misspelling": "misspellings"}
TEXTS = 400  # of each kind: 800 wrong words among 12,000
REPLACED_EXAMPLES = 256
MARKS = 3  # the run is measured after each third


class Measured(NamedTuple):
    """How well wrong words are told from right ones."""

    auc: float
    ap: float  # average precision
    false_alarms: float  # marked clean words in 100, when half of the wrong ones are marked


def demo(config: DemoConfig) -> dict[str, Any]:
    """Prepare, pre-train, measure and report; a second call continues or shows the result again."""
    require(config.source != "-", "the demo reads its source twice: save standard input to a file and name that")
    folder = Path(config.out)
    data = PrepareConfig(
        sources=(config.source,), out=str(folder / "data"), vocab_size=PRESETS["tiny"].model.vocab_size, heldout=0.05
    )
    prepare(data)
    texts = {kind: plant_errors(heldout_documents(data), kind, TEXTS, seed=1) for kind in KINDS}
    require(
        all(texts.values()),
        f"{config.source}: no held-out text has thirty words between spaces, in which the demo could plant wrong ones; "
        "give more text, or run electra prepare and electra pretrain",
    )
    tokenizer = load_tokenizer(data.out)
    marks = Marks(folder / "marks.json", config.minutes * 60, texts, tokenizer)
    run = replace(
        PRESETS["tiny"],
        data=data.out,
        out=str(folder / "run"),
        max_minutes=config.minutes,
        train_steps=1_000_000,
        eval_steps=0,
    )
    say(f"pre-training for {config.minutes:g} minutes; interrupt it whenever you like, the same command goes on")
    pretrain(run, marks.look)
    model = load(run.out)
    summary = summarise(model, texts, run, marks)
    write_json(folder / "summary.json", summary)
    show(model, texts["random"], summary, marks)
    write_report(Path(run.out), folder / "report.html", examples_html(model, texts), tables_html(summary, marks))
    say(f"wrote {folder / 'summary.json'} and {folder / 'report.html'}")
    return summary


def heldout_documents(config: PrepareConfig) -> list[str]:
    """The documents that training does not see, in lower case as the tokeniser reads them."""
    documents = ("\n".join(lines) for lines in Corpus(config))
    return [d.lower() for d in documents if is_heldout(d.encode(), config.heldout)]


# -- measuring ---------------------------------------------------------------------------------------------------------


class Marks:
    """Measures a run after each third of its time; what was measured survives an interruption."""

    def __init__(self, path: Path, seconds: float, texts: dict[str, list[Planted]], tokenizer: Tokenizer) -> None:
        self.path, self.seconds, self.texts, self.tokenizer = path, seconds, texts, tokenizer
        self.rows: list[dict[str, Any]] = read_json(path) if path.exists() else []

    def look(self, trainer: Trainer) -> None:
        """Called after every step; measures when another third is over."""
        self.rows = [row for row in self.rows if row["step"] <= trainer.step]
        if trainer.seconds < (len(self.rows) + 1) * self.seconds / MARKS or len(self.rows) == MARKS:
            return
        trainer.require_finite()
        discriminator = trainer.module.discriminator
        assert isinstance(discriminator, Discriminator)
        assert isinstance(trainer.loader, Loader)
        model = Model(discriminator, None, self.tokenizer, 0.5, trainer.loader.seq_length)
        trainer.module.eval()
        row: dict[str, Any] = {"step": trainer.step, "seconds": round(trainer.seconds), "tokens": trainer.tokens}
        for kind, texts in self.texts.items():
            row[kind] = measure(*word_scores(texts, self.tokenizer, lambda ids: model_scores(model, ids)))._asdict()
        self.rows.append(row)
        write_json(self.path, self.rows)
        found = "  ".join(f"{KINDS[kind]} {row[kind]['auc']:.3f}" for kind in KINDS)
        say(f"\nafter {duration(trainer.seconds)}: AUC of {found}")


def measure(scores: Scores, is_wrong: Scores) -> Measured:
    """Compare scores of words with what was planted."""
    limit = np.median(scores[is_wrong == 1])
    false_alarms = 100 * float((scores[is_wrong == 0] >= limit).mean())
    return Measured(
        float(roc_auc_score(is_wrong, scores)), float(average_precision_score(is_wrong, scores)), false_alarms
    )


def word_scores(texts: list[Planted], tokenizer: Tokenizer, score: Any) -> tuple[Scores, Scores]:
    """The score of every word, from those of its pieces, and whether it is wrong; `score`: rows of ids -> scores."""
    encodings = [tokenizer.backend.encode(t.words, is_pretokenized=True, add_special_tokens=False) for t in texts]
    scores, is_wrong = [], []
    for text, encoding, pieces in zip(texts, encodings, score([e.ids for e in encodings]), strict=True):
        word_ids = encoding.word_ids
        for first, last in word_spans(word_ids):
            scores.append(word_score(pieces[first : last + 1]))
            is_wrong.append(text.is_wrong[word_ids[first] or 0])
    return np.array(scores), np.array(is_wrong, float)


@torch.compiler.set_stance("force_eager")
def model_scores(model: Model, rows: list[list[int]]) -> list[list[float]]:
    """The discriminator's log odds for each token."""
    return [[logit(p) for p in scores] for scores in token_scores(model, rows)]


def summarise(model: Model, texts: dict[str, list[Planted]], run: PretrainConfig, marks: Marks) -> dict[str, Any]:
    """All figures, the network's beside those of counting."""
    train = open_examples(run.data, "train")
    ngrams = Ngrams(np.concatenate(train.tokens), train.vocab_size, model.tokenizer.special_ids)
    scorers = {
        "": lambda rows: model_scores(model, rows),
        "_unigram": lambda rows: [ngrams.rarity(ids).tolist() for ids in rows],
        "_bigram": lambda rows: [ngrams.strangeness(ids).tolist() for ids in rows],
    }
    summary: dict[str, Any] = {}
    replaced = replaced_examples(model, run, REPLACED_EXAMPLES)
    for name, score in scorers.items():
        flat = [np.concatenate([np.array(s) for s in part]) for part in (score(replaced[0]), replaced[1])]
        summary[f"auc_generator{name}"] = float(roc_auc_score(flat[1], flat[0]))
        for kind, planted in texts.items():
            m = measure(*word_scores(planted, model.tokenizer, score))
            summary |= {
                f"auc_{kind}{name}": m.auc,
                f"ap_{kind}{name}": m.ap,
                f"false_alarms_{kind}{name}": m.false_alarms,
            }
        summary[f"false_alarms_at_half_recall{name}"] = summary[f"false_alarms_random{name}"]
    last = marks.rows[-1] if marks.rows else {}
    return {k: round(v, 4) for k, v in summary.items()} | {k: last.get(k) for k in ("seconds", "tokens", "step")}


# -- showing -----------------------------------------------------------------------------------------------------------


def show(model: Model, texts: list[Planted], summary: dict[str, Any], marks: Marks) -> None:
    """Print held-out sentences with planted words marked, and the figures."""
    console = Console(highlight=False)
    console.print("\nHeld-out text with two wrong words each; red is what the model marks.\n")
    for text in texts[:5]:
        console.print(coloured(text.text, model.detect(text.text), model.threshold))
        console.print(
            f"    planted: {', '.join(w for w, wrong in zip(text.words, text.is_wrong, strict=True) if wrong)}\n"
        )
    table = Table("", "this model", "unigram rarity", "bigram counts", title="finding wrong words")
    for label, key in rows_of_summary():
        table.add_row(label, *(f"{summary[key + name]:.3f}" for name in ("", "_unigram", "_bigram")))
    console.print(table)
    progress = Table("after", "tokens", "AUC random", "AP random", "AUC misspelling", title="on the way")
    for row in marks.rows:
        figures = (row["random"]["auc"], row["random"]["ap"], row["misspelling"]["auc"])
        progress.add_row(duration(row["seconds"]), f"{row['tokens']:,}", *(f"{x:.3f}" for x in figures))
    console.print(progress)


def rows_of_summary() -> list[tuple[str, str]]:
    """What the table of results shows: label and key."""
    rows = [("AUC, generator's replacements", "auc_generator")]
    for kind, label in KINDS.items():
        rows += [(f"AUC, {label}", f"auc_{kind}"), (f"average precision, {label}", f"ap_{kind}")]
        rows += [(f"false alarms per 100 words, {label}", f"false_alarms_{kind}")]
    return rows


def tables_html(summary: dict[str, Any], marks: Marks) -> str:
    """The same figures for the page."""
    body = "".join(
        f"<tr><td>{label}</td>"
        + "".join(f"<td>{summary[key + name]:.3f}</td>" for name in ("", "_unigram", "_bigram"))
        + "</tr>"
        for label, key in rows_of_summary()
    )
    way = "".join(
        f"<tr><td>{duration(r['seconds'])}</td><td>{r['tokens']:,}</td><td>{r['random']['auc']:.3f}</td>"
        f"<td>{r['random']['ap']:.3f}</td><td>{r['misspelling']['auc']:.3f}</td></tr>"
        for r in marks.rows
    )
    return (
        "<h2>Finding wrong words</h2><table><tr><th></th><th>this model</th><th>unigram rarity</th>"
        f"<th>bigram counts</th></tr>{body}</table><h2>On the way</h2><table><tr><th>after</th><th>tokens</th>"
        "<th>AUC random</th><th>AP random</th>"
        f"<th>AUC misspelling</th></tr>{way}</table>"
    )


def examples_html(model: Model, texts: dict[str, list[Planted]]) -> str:
    """Held-out texts shaded by the probability that a word was replaced; planted words are outlined."""
    parts = []
    for kind, label in KINDS.items():
        parts.append(f"<h2>Held-out text with {label} (outlined)</h2>")
        for text in texts[kind][:8]:
            starts = np.cumsum([0, *(len(w) + 1 for w in text.words)])
            wrong = frozenset(int(s) for s, is_wrong in zip(starts, text.is_wrong, strict=False) if is_wrong)
            parts.append(marked_html(text.text, model.detect(text.text), model.threshold, wrong))
    return "".join(parts)
