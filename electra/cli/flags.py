"""Generate flags from the dataclasses of config/, one for each field."""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from electra.config import PretrainConfig, continued, find_preset
from electra.config.base import ordered_fields
from electra.config.objectives import OBJECTIVES
from electra.config.pretrain import WITHOUT_MODEL

# tyro keeps the line breaks before lines that begin with a blank, and wraps none.
STARTING_POINT = """

Five flags choose where the others start from, and any flag overrides them:
  --preset NAME        tiny, mini, small (default), small++, base or large
  --recipe NAME        of training: paper (default) or fast (tiny and mini)
  --architecture NAME  electra (default) or modernbert (tiny and mini; also of
                       small and base)
  --init PATH          the recipe of that run, or of the preset, at 0.4 of its
                       rate and a tenth of its steps
  --config FILE        an earlier run's config.json, or a .toml or .yaml file
                       with the keys preset, recipe, architecture and those of
                       flags below, written with _ for -"""


def starting_point(words: list[str]) -> tuple[PretrainConfig, list[str]]:
    """Return the configuration that flags modify, and the other flags.

    It comes from --preset NAME (default small), with the network of --architecture and the training of --recipe if
    given, or from --config FILE.
    """
    rest, named = [], {"--preset": "", "--recipe": "", "--architecture": "", "--config": ""}
    words = [part for word in words for part in (word.split("=", 1) if word.split("=")[0] in named else [word])]
    stream = iter(words)
    for word in stream:
        if word in named:
            named[word] = next(stream, "")
            if not named[word]:
                raise ValueError(f"{word} needs a value")
        else:
            rest.append(word)
    if named["--config"] and named["--recipe"]:
        raise ValueError("--config already sets the training; drop --recipe, or use --preset instead")
    if named["--config"]:
        from electra.cli.config_file import read_config  # not above: it imports the locks of files

        config, wanted = read_config(Path(named["--config"]), value_given(rest, "--init")), named["--architecture"]
        if wanted not in ("", config.model.model_type):
            raise ValueError(f"{named['--config']} is the run of a network of {config.model.model_type}, not {wanted}")
        return config, rest
    init = value_given(rest, "--init")
    preset = find_preset(named["--preset"] or "small", named["--architecture"], named["--recipe"])
    if init in ("", *WITHOUT_MODEL):
        return preset, rest
    if any(named.values()):
        return continued(preset), rest
    from electra.cli.config_file import recipe_of_run

    path = Path(init.split(",")[0])  # gone, perhaps, when a run that began with it goes on
    return continued(recipe_of_run(path if path.exists() else Path(value_given(rest, "--out"))) or preset), rest


def value_given(words: list[str], flag: str) -> str:
    """Return the value of a flag among words, or ''."""
    for word, following in pairwise([*words, ""]):
        if word == flag or word.startswith(f"{flag}="):
            return following if word == flag else word.partition("=")[2]
    return ""


def parse(kind: type, words: list[str], program: str) -> Any:
    """Return an instance of `kind` from flags; other fields keep their default."""
    import tyro

    default: PretrainConfig | None = None
    if kind is PretrainConfig:
        default, words = starting_point(words)
    words = list(separate_lists(kind, words))

    description = (kind.__doc__ or "") + (STARTING_POINT if kind is PretrainConfig else "")
    flags = flags_of(kind, default)
    parsed: Any = tyro.cli(
        flags,
        args=words,
        prog=program,
        description=description,
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.AvoidSubcommands),
    )
    given = {f.name: getattr(parsed, f.name) for f in dataclasses.fields(parsed)}
    if kind is PretrainConfig:
        assert default is not None
        given["model"] = type(default.model)(**dataclasses.asdict(given["model"]))
    return kind(**given)


def separate_lists(kind: type, words: list[str]) -> Iterator[str]:
    """Yield the words of a command, those of a list flag one entry each: commas and blanks both separate them."""
    hints = typing.get_type_hints(kind)
    lists = {
        f"--{f.name}" for f in dataclasses.fields(kind)
        if typing.get_origin(hints[f.name]) is tuple and not f.metadata["positional"]
    }  # fmt: skip
    is_list = False
    for word in words:
        flag, equals, value = word.partition("=")
        if not word.startswith("--"):
            yield from entries(word) if is_list else [word]
            continue
        is_list = flag.replace("-", "_").replace("__", "--", 1) in lists
        yield from [flag, *entries(value)] if is_list and equals else [word]


def entries(word: str) -> list[str]:
    """Split a word at its commas, except those inside a contestant: `OBJECTIVE:FIELD=VALUE,FIELD=VALUE`."""
    found: list[str] = []
    for part in filter(None, map(str.strip, word.split(","))):
        if found and has_fields(found[-1]) and not (has_fields(part) or part in OBJECTIVES):
            found[-1] += f",{part}"
        else:
            found.append(part)
    return found


def has_fields(word: str) -> bool:
    """Return whether a word has the form OBJECTIVE:FIELD=VALUE; an address has none, as in https://a.example/?b=c."""
    return bool(re.match(r"[\w.:]*:\w+=", word))


def numbers() -> Any:
    """Return how tyro reads a number, or several between commas."""
    from tyro.constructors import PrimitiveConstructorSpec

    def read(words: list[str]) -> float | tuple[float, ...]:
        found = tuple(float(word) for word in words[0].split(","))
        return found if len(found) > 1 else found[0]

    return PrimitiveConstructorSpec[float | tuple[float, ...]](
        nargs=1,
        metavar="FLOAT[,FLOAT...]",
        instance_from_str=read,
        is_instance=lambda value: isinstance(value, float | int | tuple),
        str_from_instance=lambda value: [",".join(map(str, value if isinstance(value, tuple) else (value,)))],
    )


def flags_of(kind: type, default: Any) -> type:
    """Make a dataclass for tyro with the fields and help of `kind` and the values of `default`, without any checks."""
    import tyro

    hints = typing.get_type_hints(kind)
    made = []
    for f in ordered_fields(kind):
        value = getattr(default, f.name) if default is not None else f.default
        hint: Any = hints[f.name]
        if f.name == "model" and kind is PretrainConfig:
            hint = flags_of(type(value), value)
            made.append((f.name, hint, dataclasses.field(default_factory=hint)))
            continue
        said = default_said(value, f.metadata["help"])
        shown = place_of(f.name, hint) if f.metadata["positional"] else values_of(hint)
        notes: list[Any] = [tyro.conf.arg(help=f.metadata["help"], metavar=shown, help_behavior_hint=said)]
        if hint == float | tuple[float, ...]:
            notes.append(numbers())
        if f.metadata["positional"]:
            notes.append(tyro.conf.Positional)
        made.append((f.name, Annotated[(hint, *notes)], dataclasses.field(default=value)))
    return dataclasses.make_dataclass(kind.__name__, made)


def default_said(value: Any, help: str) -> str:
    """Return what help says of a default: nothing if there is none, or if the help text has it in words."""
    if value is None or value == "" or value == () or re.search(r"\bdefault\b", help):
        return ""
    return f"(default: {typed(value)})"


def typed(value: Any) -> str:
    """Return a value as it is typed behind its flag."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return " ".join(map(typed, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def place_of(name: str, hint: Any) -> str:
    """Return how help names a word without a flag."""
    return f"[{name.replace('_or_', '|').upper()}{' ...' if typing.get_origin(hint) is tuple else ''}]"


def values_of(hint: Any) -> str | None:
    """Return how help names the values of a list or of a flag without a default; None: as tyro does."""
    kinds = [kind for kind in typing.get_args(hint) if kind not in (type(None), Ellipsis)]
    if typing.get_origin(hint) is tuple:
        return f"{kinds[0].__name__.upper()} ..."
    if type(None) not in typing.get_args(hint):
        return None
    choices = typing.get_args(kinds[0])
    return f"{{{','.join(choices)}}}" if choices else kinds[0].__name__.upper()
