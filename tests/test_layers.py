"""The layers of the package: an import only goes down. New files are checked as they come."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1] / "electra"
GROUND = {"config", "interface", "console", "exits", "storage", "machine"}  # what anything may use
RANK_OF_FOLDER = {
    "model": 1,
    "data": 1,
    "training": 1,
    "objectives": 2,
    "tasks": 2,
    "server": 2,
    "race": 3,
    "finetuning": 3,
    "conversion": 3,
    "pretraining": 3,
    "exported": 3,
    "detection": 3,
}
RANK_OF_MODULE = {"training": 2, "training.trainer": 2, "cli": 4, "__main__": 5, "": 5}
VERBS = 3


class Import(NamedTuple):
    target: str  # "model.encoder" for our own modules, with the first dot for others: ".torch"
    line: int
    in_function: bool
    for_types: bool


def module_name(path: Path) -> str:
    """`model.encoder` for electra/model/encoder.py, `model` for electra/model/__init__.py, '' for the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


PATHS = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}
MODULES = sorted(PATHS)


def own(dotted: str) -> str:
    """The longest prefix of a dotted name inside the package that is a module: a name in it is its business."""
    parts = dotted.split(".")[1:]
    while parts and ".".join(parts) not in PATHS:
        parts.pop()
    return ".".join(parts)


def targets(node: ast.AST, module: str) -> list[str]:
    """What an import statement names, absolutely."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = node.module or ""
    if node.level:
        package = ["electra", *module.split(".")] if module else ["electra"]
        is_package = PATHS[module].name == "__init__.py"
        package = package[: len(package) - node.level + is_package]
        base = ".".join([*package, base]) if base else ".".join(package)
    return [f"{base}.{alias.name}" for alias in node.names]


def imports(module: str) -> list[Import]:
    """Every import of a module, also those inside functions."""
    found = []

    def visit(node: ast.AST, in_function: bool, for_types: bool) -> None:
        for dotted in targets(node, module):
            is_ours = dotted.split(".")[0] == "electra"
            found.append(Import(own(dotted) if is_ours else "." + dotted, node.lineno, in_function, for_types))
        if isinstance(node, ast.If):
            type_block = "TYPE_CHECKING" in ast.unparse(node.test)
            for child in node.body:
                visit(child, in_function, for_types or type_block)
            for child in node.orelse:
                visit(child, in_function, for_types)
            return
        inside = in_function or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            visit(child, inside, for_types)

    visit(ast.parse(PATHS[module].read_text(encoding="utf-8")), False, False)
    return found


IMPORTS = {module: imports(module) for module in MODULES}


def rank(module: str) -> int:
    folder = module.split(".")[0]
    if folder in GROUND:
        return 0
    return RANK_OF_MODULE.get(module, RANK_OF_FOLDER.get(folder, VERBS))


def may_import(module: str, target: str) -> bool:
    """Down is allowed; on the same level within a folder, on the ground, and between verbs."""
    if target == "" or rank(target) < rank(module):
        return True
    same_folder = module.split(".")[0] == target.split(".")[0]
    return rank(target) == rank(module) and (same_folder or rank(module) in (0, VERBS))


def folder_imports(module: str) -> set[str]:
    return {i.target.split(".")[0] for i in IMPORTS[module] if not i.target.startswith(".")}


def third_party(module: str, at_run_time_only: bool = True) -> dict[str, Import]:
    """Libraries a module imports when it is imported."""
    return {
        i.target.split(".")[1]: i
        for i in IMPORTS[module]
        if i.target.startswith(".") and not i.in_function and not (i.for_types and at_run_time_only)
    }


def reachable(module: str) -> set[str]:
    """A module, what it imports, what that imports, and the packages they lie in."""
    seen: set[str] = set()
    stack = [module]
    while stack:
        current = stack.pop()
        if current and current not in seen:
            seen.add(current)
            stack += [i.target for i in IMPORTS[current] if not i.target.startswith(".")]
            stack += [current.rpartition(".")[0]]
    return seen


@pytest.mark.parametrize("module", MODULES)
def test_imports_only_go_down(module):
    wrong = [
        f"line {i.line}: {i.target}"
        for i in IMPORTS[module]
        if i.target[:1] != "." and not may_import(module, i.target)
    ]
    assert not wrong, f"{module or '__init__'} (level {rank(module)}) imports from its own level or above: {wrong}"


def test_every_folder_has_a_level():
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and any(path.rglob("*.py"))}
    assert folders <= set(RANK_OF_FOLDER) | GROUND, (
        "say in tests/test_layers.py and DESIGN.md on which level the new folder lies"
    )


@pytest.mark.parametrize("module", [m for m in MODULES if m.split(".")[0] in GROUND])
def test_the_ground_needs_no_heavy_library(module):
    allowed = {"config": set(), "interface": set(), "machine": set(), "exits": set()}.get(
        module.split(".")[0], {"rich", "filelock"}
    )
    assert set(third_party(module)) - set(sys.stdlib_module_names) <= allowed


@pytest.mark.parametrize("module", MODULES)
def test_transformers_is_imported_only_where_it_is_used(module):
    assert "transformers" not in third_party(module, at_run_time_only=False)


@pytest.mark.parametrize("module", [m for m in MODULES if m.split(".")[0] in ("model", "objectives")])
def test_model_and_objectives_know_numbers_only(module):
    assert not folder_imports(module) & {"data", "training", "tasks", "server", "console", "storage", "machine"}
    assert not set(third_party(module)) & {"tokenizers", "transformers", "pathlib", "os", "logging"}
    calls = [
        n.func.id
        for n in ast.walk(ast.parse(PATHS[module].read_text()))
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
    ]
    assert not {"print", "open", "input"} & set(calls)


def test_data_knows_no_model():
    assert all("model" not in folder_imports(m) for m in MODULES if m.split(".")[0] == "data")


def test_the_loop_knows_no_objective_and_no_task():
    assert all(not folder_imports(m) & {"objectives", "tasks"} for m in MODULES if m.split(".")[0] == "training")


@pytest.mark.parametrize("verb", [v for v in ("predict", "detect", "export", "serve", "server.app") if v in MODULES])
def test_what_serves_a_model_needs_nothing_that_trains_it(verb):
    assert not folder_imports(verb) & {"objectives", "training"}
    far = {m for m in reachable(verb) if m.split(".")[0] == "objectives" or m == "training.trainer"}
    assert not far, "not even through another module"


LIGHT = ["", *(m for m in MODULES if m.split(".")[0] == "config"), "cli", "flops"]


@pytest.mark.parametrize("module", [m for m in LIGHT if m in MODULES])
def test_an_import_is_instant(module):
    heavy = ["torch", "numpy", "tokenizers", "transformers", "datasets"]
    name = f"electra.{module}".rstrip(".")
    code = f"import {name}, sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT.parent)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_the_checker_sees_a_wrong_import():
    assert not may_import("model.encoder", "data.loader")
    assert not may_import("training.optimizer", "training.trainer")
    assert not may_import("objectives.base", "training.trainer")
    assert not may_import("config", "pretrain")
    assert may_import("training.trainer", "training.optimizer")
    assert may_import("detect", "predict") and may_import("objectives.electra", "model.encoder")


def test_the_checker_resolves_imports():
    source = (
        "from electra import config; from . import cli; from .interface import Batch; import electra.config, torch.nn"
    )
    found = [dotted for node in ast.parse(source).body for dotted in targets(node, "console")]
    assert found == ["electra.config", "electra.cli", "electra.interface.Batch", "electra.config", "torch.nn"]
    assert own("electra.interface.Batch") == "interface" and own("electra.PRESETS") == ""
