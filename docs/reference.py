"""Generate the parts of the reference that follow from the code: flags, presets, the Python API, exit codes.

A page says where with a comment, `<!-- generated: verbs -->`; docs/build.py fills it in.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from collections.abc import Iterable, Sequence
from functools import partial
from types import NoneType
from typing import Any, Literal

import electra
from electra.cli.verbs import VERBS
from electra.config import RECIPES, SEQ_LENGTHS, EncoderConfig, PretrainConfig, TrainConfig, find_preset
from electra.config.base import ordered_fields
from electra.config.finetune import BASE, LARGE, MINI, recipe_of
from electra.config.presets import ARCHITECTURE_SIZES, LAPTOP, SIZES
from electra.core.errors import EXIT_CODES, Interrupted, Lost

MARK = re.compile(r"<!-- generated: ([a-z-]+) -->")
MEANINGS = {
    ValueError: "an input, a flag or a folder must be changed; the message says how",
    FloatingPointError: "a loss was not finite; the last checkpoint is good",
    OSError: "storage: a file is missing or unreadable, or the disk is full",
    Lost: "another process of the run ended or hangs ([many GPUs](../howto/many_gpus.md)); the same command continues",
    Interrupted: "stopped by SIGTERM or Ctrl-C, the state saved; the same command continues",
}


def fill(page: str) -> str:
    """Return a page with every generated part in its place."""
    return MARK.sub(lambda match: PARTS[match[1]](), page)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


# -- flags -------------------------------------------------------------------------------------------------------------


def verbs() -> str:
    """Return a section for each verb, with its flags."""
    return "\n".join(section(verb, kind) for verb, (kind, _) in VERBS.items())


def section(verb: str, kind: type) -> str:
    """Return the section of a verb."""
    words = [f.name.upper() for f in ordered_fields(kind) if f.metadata.get("positional")]
    usage = " ".join(["electra", verb, *(f"[{word}]" for word in words), "[flags]"])
    flags = [f for f in ordered_fields(kind) if f.name != "model" or kind is not PretrainConfig]
    parts = [f"## {verb}\n", inspect.cleandoc(kind.__doc__ or "") + "\n", f"```text\n{usage}\n```\n"]
    if kind is PretrainConfig:
        parts.append(STARTING_POINT)
    parts.append(flag_table(kind, flags))
    if kind is PretrainConfig:
        parts += [network(name, shape) for name, shape in EncoderConfig.of_type.items() if name in ARCHITECTURE_SIZES]
    return "\n".join(parts)


STARTING_POINT = f"""\
Four flags choose the defaults of all others. The table below has those of the preset `small`;
[presets](presets.md) lists where the others differ.

{table(["flag", "values", "meaning"], [
    ["`--preset`", "`" + "` `".join(SIZES) + "`", "sizes and training; default `small`"],
    ["`--recipe`", "`" + "` `".join(RECIPES) + "`", "training; default `paper`, of tiny and mini `fast`"],
    ["`--architecture`", "`" + "` `".join(ARCHITECTURE_SIZES) + "`", "default `electra`; tiny, mini: `modernbert`"],
    ["`--config`", "a file", "take all settings from the `config.json` of an earlier run"],
])}"""  # fmt: skip


def network(name: str, shape: type) -> str:
    """Return the flags of an architecture."""
    return f"### The network of `--architecture {name}`\n\n" + flag_table(shape, ordered_fields(shape))


def flag_table(kind: type, flags: Iterable[dataclasses.Field[Any]]) -> str:
    """Return a table of flags with types, defaults and help."""
    hints = typing.get_type_hints(kind)
    rows = [[flag(f), value_of(hints[f.name]), default_of(kind, f), f.metadata["help"]] for f in flags]
    return table(["flag", "value", "default", "meaning"], rows)


def default_of(kind: type, field: dataclasses.Field[Any]) -> str:
    """Return the default of a flag, and where it depends on the preset a link to the others."""
    by_preset = kind is PretrainConfig and len({getattr(find_preset(name), field.name) for name in SIZES}) > 1
    return shown(field.default) + (" ([by preset](presets.md))" if by_preset else "")


def flag(field: dataclasses.Field[Any]) -> str:
    """Return a flag as it is typed."""
    if field.metadata.get("positional"):
        return f"`{field.name.upper()}`"
    return f"`--{field.name.replace('_', '-')}`"


def value_of(hint: Any) -> str:
    """Return the values that a flag takes."""
    if typing.get_origin(hint) is Literal:
        return " ".join(f"`{each}`" for each in typing.get_args(hint))
    if typing.get_origin(hint) is tuple:
        return value_of(typing.get_args(hint)[0]) + " ..."
    inner = [each for each in typing.get_args(hint) if each is not NoneType]
    if inner:
        return value_of(inner[0])
    return {str: "text", int: "whole number", float: "number", bool: "on, off"}[hint]


def shown(value: Any) -> str:
    """Return a default as a reader types it."""
    if value is None or value == "" or value == ():
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return f"`{' '.join(map(str, value))}`"
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else f"`{value}`"


# -- presets -----------------------------------------------------------------------------------------------------------


def presets() -> str:
    """Return the settings in which presets differ, in the order of the flags."""
    configs = {name: find_preset(name) for name in SIZES}
    rows = [["architecture", *(config.model.model_type for config in configs.values())],
            ["recipe", *("fast" if name in LAPTOP else "paper" for name in configs)],
            ["`prepare --seq-length`", *(str(SEQ_LENGTHS[name]) for name in configs)]]  # fmt: skip
    for f in [*ordered_fields(TrainConfig), *ordered_fields(PretrainConfig)]:
        values = [getattr(config, f.name) for config in configs.values()]
        if f.name != "model" and len(set(values)) > 1 and flag(f) not in (row[0] for row in rows):
            rows.append([flag(f), *map(shown, values)])
    return table(["", *configs], rows)


def shapes() -> str:
    """Return the sizes of the networks of each architecture."""
    return "\n".join(shape_table(name, sizes) for name, sizes in ARCHITECTURE_SIZES.items())


def shape_table(name: str, sizes: dict[str, PretrainConfig]) -> str:
    """Return the settings in which the networks of an architecture differ."""
    models = [config.model for config in sizes.values()]
    rows = []
    for f in ordered_fields(type(models[0])):
        values = [getattr(model, f.name) for model in models]
        if len(set(values)) > 1 or f.name == "vocab_size":
            rows.append([flag(f), *map(shown, values)])
    return f"### `--architecture {name}`\n\n" + table(["", *sizes], rows)


def recipes() -> str:
    """Return what the fast recipe changes, at the size of small."""
    paper, fast = (find_preset("small", recipe=name) for name in ("paper", "fast"))
    pairs = [(f, getattr(paper, f.name), getattr(fast, f.name)) for f in ordered_fields(PretrainConfig)]
    pairs += [(f, getattr(paper.model, f.name), getattr(fast.model, f.name)) for f in ordered_fields(type(fast.model))]
    rows = [[flag(f), shown(old), shown(new)] for f, old, new in pairs if old != new and f.name != "model"]
    return table(["", "paper", "fast"], rows)


def finetuning_presets() -> str:
    """Return the hyper-parameters of fine-tuning for each preset and hidden size."""
    sizes = {f"up to {MINI}": MINI, f"below {BASE}": BASE - 1, f"from {BASE}": BASE, f"from {LARGE}": LARGE}
    rows = []
    for preset in ("paper", "released", "fast"):
        for label, size in sizes.items():
            recipe = recipe_of(preset, size)
            rows.append([f"`{preset}`", label, *(shown(value) for value in recipe)])
    names = [name.replace("_", " ") for name in recipe_of("paper", MINI)._fields]
    return table(["preset", "hidden size", *names], rows)


# -- Python ------------------------------------------------------------------------------------------------------------


def functions() -> str:
    """Return the public functions and the classes of their results, with signatures and docstrings."""
    names = [name for name in electra.__all__ if not name.startswith("_") and name[0].islower()]
    kinds = [
        name for name in electra.__all__ if name[0].isupper() and not name.endswith("Config") and name != "PRESETS"
    ]
    return "\n".join([*(described(name, getattr(electra, name)) for name in names), *map(class_of, kinds)])


def described(name: str, call: Any, level: str = "##", prefix: str = "electra.") -> str:
    """Return the section of a function."""
    return f"{level} {name}\n\n```text\n{signature_of(prefix + name, call)}\n```\n\n{prose(call.__doc__ or '')}\n"


def signature_of(name: str, call: Any) -> str:
    """Return the signature of a function, on several lines if it is long."""
    signature = inspect.signature(call)
    arguments = [argument(p) for p in signature.parameters.values() if p.name != "self"]
    result = short(signature.return_annotation)
    line = f"{name}({', '.join(arguments)}) -> {result}"
    return line if len(line) <= 80 else "\n    ".join([f"{name}(", *(f"{a}," for a in arguments)]) + f"\n) -> {result}"


def argument(parameter: inspect.Parameter) -> str:
    """Return a parameter with its type and default."""
    default = parameter.default
    if default is inspect.Parameter.empty:
        return f"{parameter.name}: {short(parameter.annotation)}"
    is_plain = default is None or isinstance(default, str | int | float)
    return f"{parameter.name}: {short(parameter.annotation)} = {repr(default) if is_plain else '...'}"


def short(annotation: str) -> str:
    """Return an annotation without the modules of its names."""
    return re.sub(r"(?:[a-zA-Z_]+\.)+(?=[A-Z])", "", str(annotation))


def class_of(name: str) -> str:
    """Return the section of a class: its docstring, its fields or its public methods."""
    kind = getattr(electra, name)
    parts = [f"## {name}\n", prose(kind.__doc__ or "") + "\n"]
    if hasattr(kind, "_fields"):
        parts.append("Fields: " + ", ".join(f"`{field}`" for field in kind._fields) + ".\n")
    for method, call in inspect.getmembers(kind, inspect.isfunction):
        if not method.startswith("_") and call.__doc__ and method not in INNER:
            parts.append(described(method, call, "###", f"{name}."))
    return "\n".join(parts)


INNER = {"over", "row", "run", "pad", "replaced", "propose", "answer", "tokens"}  # for the package's own code


def prose(docstring: str) -> str:
    """Return a docstring as Markdown, what it raises as a list."""
    text = inspect.cleandoc(docstring)
    text, _, raises = text.partition("Raises:\n")
    if not raises:
        return text
    errors = re.sub(r"\n {8,}", " ", "\n" + raises).strip().split("\n")
    listed = "\n".join(re.sub(r"^ *(\w+): ", r"- `\1`: ", error) for error in errors)
    return f"{text.strip()}\n\nRaises:\n\n{listed}"


def configurations() -> str:
    """Return which configuration belongs to which verb."""
    rows = [[f"`{kind.__name__}`", f"[`electra {verb}`](cli.md#{verb})"] for verb, (kind, _) in VERBS.items()
            if kind.__name__ in electra.__all__]  # fmt: skip
    return table(["class", "fields"], rows)


def exit_codes() -> str:
    """Return the exit codes."""
    rows = [["0", "done; also a server that SIGTERM stopped, and a command whose output nobody reads any more"],
            ["1", "`detect --fail`: a word is marked; otherwise a bug, with a traceback: please report it"],
            *([str(code), MEANINGS[kind]] for kind, code in EXIT_CODES.items()),
            ["130", "ended at once by Ctrl-C: before the first step of training, in a command that saves nothing "
                    "on the way, or by a second one"],
            ["143", "ended at once by SIGTERM, in the same cases"]]  # fmt: skip
    return table(["code", "meaning"], sorted(rows, key=lambda row: int(row[0])))


def http(part: str) -> str:
    """Return a part of the reference of the server."""
    import routes

    return getattr(routes, part)()


PARTS = {
    "verbs": verbs, "presets": presets, "shapes": shapes, "recipes": recipes, "finetuning-presets": finetuning_presets,
    "functions": functions, "configurations": configurations, "exit-codes": exit_codes,
    "routes": partial(http, "routes"), "bodies": partial(http, "bodies"), "status-codes": partial(http, "status_codes"),
}  # fmt: skip

if __name__ == "__main__":
    for name, part in PARTS.items():
        print(f"<!-- {name} -->\n\n{part()}")
