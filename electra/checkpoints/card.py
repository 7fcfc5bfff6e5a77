"""Write the model card, README.md of a model folder: sizes, training and scores."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from electra.checkpoints.locate import stated_architecture
from electra.core.runs import last_evaluation, read_metrics
from electra.core.storage import read_json, write_atomically
from electra.models.heads import Network
from electra.models.kinds import Kind
from electra.models.registry import architecture_of

USE = {
    Kind.DISCRIMINATOR: "It predicts for every token whether it was replaced; fine-tuning starts from its encoder.",
    Kind.MASKED_LM: "It predicts words at masked positions; the discriminator learned from its samples.",
}
TRAINING = ("objective", "mask_prob", "gen_weight", "disc_weight", "generator_width", "generator_depth", "share",
            "init", "learning_rate", "train_batch_size", "seed")  # fmt: skip


def write_card(folder: Path, network: Network, origin: str, run: Path | None) -> None:
    """Write README.md; `origin` describes the source of the weights, `run` is the run that trained them."""
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
        "## Training\n\n" + (training(run) if run else "Trained elsewhere; the settings are unknown."),
        "## Measured\n\n" + (measured(run) if run else "The conversion measured nothing."),
        "## Use\n\n```python\n" + use(name) + "\n```",
    ]
    with write_atomically(folder / "README.md", "w") as file:
        file.write("\n\n".join(parts) + "\n")


def training(run: Path) -> str:
    """Return the settings of the run and the amount of text it read."""
    content = read_json(run / "config.json")
    facts = {name: content[name] for name in TRAINING if name in content}
    prepared = content.get("prepared", {})
    facts |= {f"data: {name}": prepared[name] for name in ("tokens", "seq_length") if name in prepared}
    lines = read_metrics(run)
    facts |= {f"run: {name}": lines[-1][name] for name in ("step", "tokens", "seconds") if lines and name in lines[-1]}
    return table(facts | {f"version of {name}": v for name, v in content.get("versions", {}).items()})


def measured(run: Path) -> str:
    """Return the last evaluation on held-out text, and the summary beside the run if there is one."""
    figures = last_evaluation(run)
    summaries = [path for path in (run / "summary.json", run.parent / "summary.json") if path.exists()]
    parts = []
    if figures:
        parts.append(f"Held-out text, after step {figures.pop('step'):,}:\n\n{table(figures)}")
    if summaries:
        parts.append(f"Finding wrong words in held-out text:\n\n{table(read_json(summaries[0]))}")
    return "\n\n".join(parts) or "The run had no held-out text, so nothing was measured."


def table(facts: dict[str, Any]) -> str:
    """Return a Markdown table of names and values."""
    rows = [f"| {name} | {value:.5g} |" if isinstance(value, float) else f"| {name} | {value} |"
            for name, value in facts.items()]  # fmt: skip
    return "\n".join(["| | |", "|---|---|", *rows])


def use(architecture: str) -> str:
    """Return the lines that load the model."""
    return (
        f'from transformers import AutoTokenizer, {architecture}\n\nfolder = "path/to/this/folder"\n'
        f"tokenizer = AutoTokenizer.from_pretrained(folder)\nmodel = {architecture}.from_pretrained(folder)"
    )
