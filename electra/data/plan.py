"""The plan of a preparation, prepare.json: the settings and the text from which a folder is prepared."""

from __future__ import annotations

from typing import Any

from electra.config import PrepareConfig, to_dict
from electra.core.errors import some_of
from electra.core.log import logger
from electra.core.storage import read_json
from electra.data.cache import INDEX, PLAN
from electra.data.corpus import Corpus
from electra.data.destination import Destination

OWN_FILES = (PLAN, INDEX, "stdin.partial", "chunks", "parts")
MAY_DIFFER = ("out", "num_workers")


def plan_of(config: PrepareConfig, corpus: Corpus) -> dict[str, Any]:
    """Return the plan, which is the same for every part."""
    plan = {**to_dict(config), "part": "", "sources": list(config.sources)}
    return plan | {"files": corpus.file_sizes(), "text": f"samples {corpus.fingerprint()}"}


def refuse_other_content(destination: Destination) -> None:
    """Raise ValueError if a folder holds unrelated files."""
    foreign = destination.foreign(OWN_FILES)
    if foreign and not (destination.folder / PLAN).is_file():
        raise ValueError(
            f"{destination} holds other files ({some_of(foreign)}); choose an empty or new folder for --out"
        )


def refuse_other_plan(plan: dict[str, Any], destination: Destination) -> None:
    """Raise ValueError with the differences from an earlier preparation, unless that finished no chunk."""
    folder = destination.folder
    if not (folder / PLAN).is_file():
        return
    found = differences(read_json(folder / PLAN), plan)
    if not found:
        return
    is_begun = any((folder / "chunks").glob("*")) or (folder / "parts").exists() or (folder / INDEX).exists()
    if not is_begun:
        logger.info(f"{destination}: an earlier, different preparation finished nothing; starting over")
        destination.forget("tokenizer_config.json", "extension.json")  # its tokeniser
        return
    raise ValueError(f"{destination} was prepared differently: {found}. Choose another --out, or remove the folder")


def differences(before: dict[str, Any], plan: dict[str, Any]) -> str:
    """Return what changed between two plans, "" if nothing did."""
    changed = [name for name in plan if name not in MAY_DIFFER and before.get(name, plan[name]) != plan[name]]
    return "; ".join(f"{name} was {short(before.get(name))}, now {short(plan[name])}" for name in changed)


def short(value: Any) -> str:
    """Return the representation of a value, shortened to 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
