"""The model card: README.md of a model folder, with the model's sizes, its training and its scores."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from electra.checkpoints.locate import stated_architecture
from electra.core.runs import read_metrics
from electra.core.storage import read_json, write_atomically
from electra.models.heads import Network
from electra.models.kinds import Kind
from electra.models.registry import architecture_of

USE = {
    Kind.DISCRIMINATOR: "It says of every token whether it looks replaced; fine-tuning starts from its encoder.",
    Kind.MASKED_LM: "It proposes words for masked positions; the discriminator learned from its samples.",
}
TRAINING = ("objective", "mask_prob", "gen_weight", "disc_weight", "generator_width", "generator_depth", "share",
            "init", "learning_rate", "train_batch_size", "seed")  # fmt: skip


def write_card(folder: Path, network: Network, origin: str, run: Path | None) -> None:
    """Write README.md; `origin` says in words where the weights come from, `run` is the run that trained them."""
    config = network.encoder.config
    architecture = architecture_of(config)
    name = stated_architecture(read_json(folder / "config.json"))
    parts = [
        f"---\nlibrary_name: transformers\ntags:\n- {architecture.model_type}\n- replaced-token-detection\n---",
        f"# {name}",
        f"A{architecture.name[1:]} ({architecture.paper}). {USE.get(network.kind, '')}".strip(),
        *([architecture.reading] if architecture.reading and network.kind is Kind.DISCRIMINATOR else []),
        f"{origin}.",
        "## Shape\n\n" + table(asdict(config)),
        "## Training\n\n" + (training(run) if run else "Trained elsewhere; how is not known here."),
        "## Measured\n\n" + (measured(run) if run else "Nothing was measured when it was converted."),
        "## Use\n\n```python\n" + use(name) + "\n```",
    ]
    with write_atomically(folder / "README.md", "w") as file:
        file.write("\n\n".join(parts) + "\n")


def training(run: Path) -> str:
    """Return the settings of the run and how much it has read."""
    content = read_json(run / "config.json")
    facts = {name: content[name] for name in TRAINING if name in content}
    prepared = content.get("prepared", {})
    facts |= {f"data: {name}": prepared[name] for name in ("tokens", "seq_length") if name in prepared}
    lines = read_metrics(run) if (run / "metrics.jsonl").exists() else []
    facts |= {f"run: {name}": lines[-1][name] for name in ("step", "tokens", "seconds") if lines and name in lines[-1]}
    return table(facts | {f"version of {name}": v for name, v in content.get("versions", {}).items()})


def measured(run: Path) -> str:
    """Return the last evaluation on held-out text, and the summary beside the run if there is one."""
    lines = read_metrics(run) if (run / "metrics.jsonl").exists() else []
    evaluations = [line for line in lines if line["kind"] == "eval"]
    summaries = [path for path in (run / "summary.json", run.parent / "summary.json") if path.exists()]
    parts = []
    if evaluations:
        figures = {name: value for name, value in evaluations[-1].items() if name not in ("kind", "step")}
        parts.append(f"Held-out text, after step {evaluations[-1]['step']:,}:\n\n{table(figures)}")
    if summaries:
        parts.append(f"Finding wrong words in held-out text:\n\n{table(read_json(summaries[0]))}")
    return "\n\n".join(parts) or "The run kept no held-out text: nothing was measured."


def table(facts: dict[str, Any]) -> str:
    """Return a table of names and values."""
    rows = [f"| {name} | {value:.5g} |" if isinstance(value, float) else f"| {name} | {value} |"
            for name, value in facts.items()]  # fmt: skip
    return "\n".join(["| | |", "|---|---|", *rows])


def use(architecture: str) -> str:
    """Return the lines that load the model."""
    return (
        f'from transformers import AutoTokenizer, {architecture}\n\nfolder = "path/to/this/folder"\n'
        f"tokenizer = AutoTokenizer.from_pretrained(folder)\nmodel = {architecture}.from_pretrained(folder)"
    )
