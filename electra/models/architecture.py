"""Describe a backbone without importing torch; `backbone()` imports its networks."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from electra.config.model import EncoderConfig
from electra.models.kinds import Kind
from electra.models.matrices import Sizes

if TYPE_CHECKING:
    from electra.models.backbone import Backbone

# A field's type -> what may stand in a config.json, and its name in a message.
TYPES: dict[str, tuple[Any, str]] = {
    "int": (int, "a whole number"), "float": (int | float, "a number"), "bool": (bool, "true or false"),
}  # fmt: skip


WITH_MEMORY = "-with-memory"  # follows the model_type in config.json


@dataclass(frozen=True)
class Architecture:
    """A backbone: a folder in models/, and a line in models/registry.py."""

    model_type: str  # in config.json, and of the configuration class
    name: str  # with its article
    paper: str
    classes: Mapping[str, Kind]  # in config.json; the first of a kind is the one written
    read_config: Callable[[Mapping[str, Any], object], EncoderConfig]  # config.json, and its path for errors
    write_config: Callable[[Any, Kind], dict[str, Any]]  # the content of config.json
    sizes: Callable[[Any, int], Sizes]  # with the number of encoders that the MLM head reads
    backbone: Callable[[], Backbone]  # the networks, in torch
    fused: Mapping[str, int]  # modules of a layer that stack several matrices, and how many
    # Its masked language models are whole encoders, not generators made to be thrown away.
    whole_masked_lm: bool = False
    reading: str = ""  # how `transformers` reads a discriminator, if it has no class for one

    def kind(self, name: str, labels: Collection[str]) -> Kind | None:
        """Return the kind of network of a class in config.json, given its labels, or None if the class is unknown."""
        return self.classes.get(name)

    def class_of(self, kind: Kind) -> str:
        """Return the class that config.json names for a kind of network."""
        return next(name for name, each in self.classes.items() if each is kind)

    def offers(self, kind: Kind) -> bool:
        """Return whether a kind of network has a class in config.json."""
        return kind in self.classes.values()

    def depth(self, name: str, num_layers: int) -> int:
        """Return a parameter's depth: 0 in the embeddings, n in the nth layer, num_layers + 1 in a head."""
        layer = re.search(r"\bencoder\.layers\.(\d+)\.", name)
        return int(layer[1]) + 1 if layer else 0 if "encoder." in name else num_layers + 1

    def matrices_in(self, name: str) -> int:
        """Return how many matrices a layer's parameter stacks; 0 for a parameter outside the layers."""
        _, in_layer, inside = name.partition("layers.")
        return max(self.fused.get(module, 1) for module in inside.split(".")) if in_layer else 0


def read_fields(config: type[EncoderConfig], content: Mapping[str, Any], where: object) -> dict[str, Any]:
    """Return the fields present in config.json. Raise ValueError if a value has the wrong type."""
    given = {f.name: content[f.name] for f in fields(config) if f.name in content}
    types = {f.name: str(f.type) for f in fields(config)}
    for name, value in given.items():
        kind, said = TYPES.get(types[name], (str, "text"))
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise ValueError(f"{where}: {name} in config.json must be {said}")
    return given


def stated_fields(config: EncoderConfig) -> dict[str, Any]:
    """Return the fields for config.json. With a memory of word pairs the type is one that `transformers` refuses."""
    fields = {"model_type": config.model_type, **asdict(config)}
    if config.memory:
        return fields | {"model_type": config.model_type + WITH_MEMORY}
    return {name: value for name, value in fields.items() if not name.startswith("memory")}


def require_known(known: Mapping[str, Any], content: Mapping[str, Any], where: object) -> None:
    """Raise ValueError if config.json requests an unsupported option."""
    for name, value in known.items():
        if content.get(name, value) != value:
            raise ValueError(f"{where} has {name} {content[name]!r}; only {value!r} is supported")
