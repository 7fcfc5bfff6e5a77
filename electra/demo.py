"""The verb `demo`: prepare text, pre-train a tiny ELECTRA in minutes, and compare it with n-gram counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics import roc_auc_score

from electra.config import PRESETS, DemoConfig, PrepareConfig, PretrainConfig, require
from electra.core.html import table
from electra.core.log import duration, logger
from electra.core.storage import read_json, write_json
from electra.data.chunks import is_heldout
from electra.data.corpus import Corpus
from electra.data.loader import Loader
from electra.data.prepare import prepare
from electra.data.shards import open_examples
from electra.evaluation.counting import Ngrams
from electra.evaluation.proof import Proof, documentation, is_in, planted_text, read
from electra.evaluation.replacements import replaced_examples
from electra.evaluation.scores import IN_WORDS, KINDS, MEASURES, TEXTS, measure, model_scores, word_scores
from electra.inference.detector import Detector
from electra.inference.load import load
from electra.inference.torch_session import TorchSession
from electra.models.encoder import uncompiled
from electra.models.heads import Discriminator
from electra.pretraining.report import write_report
from electra.pretraining.run import pretrain
from electra.text.errors.probes import Planted, plant_errors
from electra.text.tokenizer import Tokenizer, load_tokenizer
from electra.training.trainer import Trainer

REPLACED_EXAMPLES = 256
SHOWN = 3  # texts with misspellings to show in the terminal
LOOKS = 3  # measurements, after each third of the run
LOOKED_AT = (("auc", "random"), ("ap", "random"), ("auc", "misspelling"))
PROGRESS = ("after", "tokens", *(IN_WORDS[f"{name}_{kind}"] for name, kind in LOOKED_AT))  # columns of Tour.progress


class Tour(NamedTuple):
    """The model of the demo and its results."""

    proofs: list[Proof]  # a text with mistakes, as this model reads it and as the one in the box does
    summary: dict[str, Any]  # the content of summary.json
    scores: list[tuple[str, list[float]]]  # label; scores of the model and of the n-gram baselines
    progress: list[list[str]]  # a row for each measurement during the run


def demo(config: DemoConfig) -> Tour:
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
        f"{config.source}: no held-out text has thirty words between spaces, which the demo needs to plant errors; "
        "give more text, or run electra prepare and electra pretrain",
    )
    tokenizer = load_tokenizer(data.out)
    progress = Progress(folder / "marks.json", config.minutes * 60, texts, tokenizer)
    run = replace(
        PRESETS["tiny"],
        data=data.out,
        out=str(folder / "run"),
        max_minutes=config.minutes,
        train_steps=1_000_000,
        eval_steps=0,
    )
    logger.info(f"pre-training for {config.minutes:g} minutes; if you interrupt it, the same command continues")
    pretrain(run, progress.look)
    model = load(run.out)
    assert isinstance(model, Detector)
    summary = summarise(model, texts, run, progress)
    write_json(folder / "summary.json", summary)
    shown = tour(proofs(model, config, texts["misspelling"]), summary, progress)
    write_report(Path(run.out), folder / "report.html", tables_html(shown) + examples_html(model, texts))
    logger.info(f"wrote {folder / 'summary.json'} and {folder / 'report.html'}")
    return shown


def heldout_documents(config: PrepareConfig) -> list[str]:
    """Return the held-out documents in lower case, as the tokeniser reads them."""
    documents = ("\n".join(lines) for lines in Corpus(config))
    return [d.lower() for d in documents if is_heldout(d.encode(), config.heldout)]


# -- measuring ---------------------------------------------------------------------------------------------------------


class Progress:
    """Measure a run after each third of its time, and keep the results across interruptions."""

    def __init__(self, path: Path, seconds: float, texts: dict[str, list[Planted]], tokenizer: Tokenizer) -> None:
        self.path, self.seconds, self.texts, self.tokenizer = path, seconds, texts, tokenizer
        self.rows: list[dict[str, Any]] = read_json(path) if path.exists() else []

    def look(self, trainer: Trainer) -> None:
        """Measure the model at the end of each third; called after every step."""
        self.rows = [row for row in self.rows if row["step"] <= trainer.step]
        if trainer.seconds < (len(self.rows) + 1) * self.seconds / LOOKS or len(self.rows) == LOOKS:
            return
        trainer.require_finite()
        discriminator = trainer.module.discriminator
        assert isinstance(discriminator, Discriminator)
        assert isinstance(trainer.source, Loader)
        model = Detector(TorchSession(discriminator), self.tokenizer, trainer.source.seq_length)
        trainer.module.eval()
        row: dict[str, Any] = {"step": trainer.step, "seconds": round(trainer.seconds), "tokens": trainer.tokens}
        with uncompiled():
            for kind, texts in self.texts.items():
                scores = word_scores(texts, self.tokenizer, lambda ids: model_scores(model, ids))
                row[kind] = measure(*scores)._asdict()
        self.rows.append(row)
        write_json(self.path, self.rows)
        found = "  ".join(f"{KINDS[kind]} {row[kind]['auc']:.3f}" for kind in KINDS)
        logger.info(f"after {duration(trainer.seconds)}: AUC of {found}")


def summarise(
    model: Detector, texts: dict[str, list[Planted]], run: PretrainConfig, progress: Progress
) -> dict[str, Any]:
    """Return all scores of the network, unigram rarity and bigram counts."""
    train = open_examples(run.data, "train")
    ngrams = Ngrams(np.concatenate(train.tokens), train.vocab_size, model.tokenizer.special_ids)
    scorers = {
        "": lambda rows: model_scores(model, rows),
        "_unigram": lambda rows: [ngrams.rarity(ids).tolist() for ids in rows],
        "_bigram": lambda rows: [ngrams.strangeness(ids).tolist() for ids in rows],
    }
    summary: dict[str, Any] = {}
    assert model.generator is not None
    replaced = replaced_examples(model.generator, model.tokenizer, run, REPLACED_EXAMPLES)
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
    last = progress.rows[-1] if progress.rows else {}
    return {k: round(v, 4) for k, v in summary.items()} | {k: last.get(k) for k in ("seconds", "tokens", "step")}


# -- showing -----------------------------------------------------------------------------------------------------------


def proofs(model: Detector, config: DemoConfig, texts: list[Planted]) -> list[Proof]:
    """Return a text that a person can judge, as the model reads it.

    That is a paragraph written for the demo, which the model in the box reads too; or, of another source than Python's
    documentation, held-out text with misspellings.
    """
    name = f"your model, after {config.minutes:g} minutes"
    if config.source != DemoConfig.source:
        return [read(name, model, *planted_text(texts[:SHOWN]))]
    box = load()
    assert isinstance(box, Detector)
    text, mistakes = documentation()
    return [read(name, model, text, mistakes), read("the model in the box", box, text, mistakes)]


def tour(proofs: list[Proof], summary: dict[str, Any], progress: Progress) -> Tour:
    """Return the results that the demo shows."""
    scores = [
        (label, [summary[key + name] for name in ("", "_unigram", "_bigram")]) for label, key in rows_of_summary()
    ]
    steps = []
    for row in progress.rows:
        figures = (row[kind][name] for name, kind in LOOKED_AT)
        steps.append([duration(row["seconds"]), f"{row['tokens']:,}", *(f"{x:.3f}" for x in figures)])
    return Tour(proofs, summary, scores, steps)


def rows_of_summary() -> list[tuple[str, str]]:
    """Return the label and the key of each row in the table of results."""
    keys = ["auc_generator", *(f"{name}_{kind}" for kind in KINDS for name in MEASURES)]
    return [(IN_WORDS[key], key) for key in keys]


def tables_html(tour: Tour) -> str:
    """Return the first text and the tables of the report."""
    judged = "".join(f"<h3>{proof.reader}</h3>" + proof_html(proof) for proof in tour.proofs)
    scores = [[label, *(f"{x:.3f}" for x in figures)] for label, figures in tour.scores]
    found = table(["", "this model", "unigram rarity", "bigram counts"], scores)
    way = table(PROGRESS, tour.progress)
    return f"<h2>Text with mistakes (outlined)</h2>{judged}<h2>Finding wrong words</h2>{found}<h2>On the way</h2>{way}"


def proof_html(proof: Proof) -> str:
    """Return a text with its marks, the mistakes outlined."""
    wrong = frozenset(word.start for word in proof.words if any(is_in(word, span) for span in proof.mistakes))
    return proof.words.as_html(wrong)


def examples_html(model: Detector, texts: dict[str, list[Planted]]) -> str:
    """Return held-out texts shaded by the probability that a word was replaced; planted words are outlined."""
    parts = []
    for kind, label in KINDS.items():
        parts.append(f"<h2>Held-out text with {label} (outlined)</h2>")
        for text in texts[kind][:8]:
            parts.append(model.detect(text.text).as_html(text.wrong_starts))
    return "".join(parts)
