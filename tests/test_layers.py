"""The layers of the package: an import only goes down, and none comes back. New files are checked as they come."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1] / "electra"
# The order of dependence: a package imports from those above it and from itself.
ORDER = (
    ("config", "core", "interface"),
    ("text",),
    ("data", "models"),
    ("checkpoints", "objectives", "tasks"),
    ("training",),
    ("inference",),
    ("evaluation",),
    ("pretraining", "finetuning"),
    ("cost", "exporting"),
    ("comparison", "server"),
    ("demo",),
    ("cli",),
    ("__main__", ""),
)
RANKS = {name: rank for rank, names in enumerate(ORDER) for name in names}
# Packages of one rank that may use the other: the objectives' generators are named in the configuration ...
BESIDE = {("core", "config"), ("interface", "config")}


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


def package(module: str) -> str:
    return module.split(".")[0]


def rank(module: str) -> int:
    return RANKS[package(module)]


def may_import(module: str, target: str) -> bool:
    """Down is allowed, and within a package."""
    if target == "" or package(target) == package(module) or rank(target) < rank(module):
        return True
    return (package(module), package(target)) in BESIDE


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
        if i.target[:1] != "." and not (i.for_types and module == "") and not may_import(module, i.target)
    ]
    assert not wrong, f"{module or '__init__'} (level {rank(module)}) imports from its own level or above: {wrong}"


def test_every_package_has_a_level():
    found = {package(module) for module in MODULES}
    assert found == set(RANKS), "say in ORDER, above and in docs/architecture.md, on which level a new package lies"


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The strongly connected components of more than one module (Tarjan, 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(module):
        index[module] = low[module] = len(index)
        stack.append(module)
        for target in graph[module]:
            if target not in index:
                visit(target)
                low[module] = min(low[module], low[target])
            elif target in stack:
                low[module] = min(low[module], index[target])
        if low[module] == index[module]:
            at = stack.index(module)
            found.append(sorted(stack[at:]))
            del stack[at:]

    for module in graph:
        if module not in index:
            visit(module)
    return [part for part in found if len(part) > 1]


def test_no_import_comes_back():
    """At any depth, inside functions too; what only a type checker reads counts but in the package's own __init__."""
    graph = {m: {i.target for i in IMPORTS[m] if i.target[:1] not in ("", ".")} - {m} for m in MODULES if m}
    assert not circles(graph)


def packages_asked(module: str, source: str) -> set[str]:
    """Packages around a module from which it imports one of their modules by name."""
    named = [dotted for node in ast.walk(ast.parse(source)) for dotted in targets(node, module)]
    inside = {dotted.removeprefix("electra.") for dotted in named} & PATHS.keys()
    return {m.rpartition(".")[0] for m in inside if module.startswith(m.rpartition(".")[0] + ".")}


def test_a_module_names_its_neighbours_in_full():
    """`from electra.cli import tables` in electra/cli asks the package, which imports the one that asks: a circle."""
    assert not {m for m in MODULES if packages_asked(m, PATHS[m].read_text(encoding="utf-8"))}
    assert packages_asked("cli.verbs", "def show():\n    from electra.cli import tables") == {"cli"}
    assert not packages_asked("cli.verbs", "from electra.cli.tables import tour")


def test_the_checker_sees_a_circle():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
    assert not circles({"a": {"b", "c"}, "b": {"c"}, "c": set()})


@pytest.mark.parametrize("module", [m for m in MODULES if package(m) in ("config", "core")])
def test_the_ground_needs_no_heavy_library(module):
    assert set(third_party(module)) - set(sys.stdlib_module_names) <= {"filelock"}


@pytest.mark.parametrize("module", [m for m in MODULES if package(m) != "cli"])
def test_only_the_command_line_prints(module):
    assert "rich" not in third_party(module, at_run_time_only=False)
    tree = ast.parse(PATHS[module].read_text(encoding="utf-8"))
    names = [n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
    assert "print" not in names


@pytest.mark.parametrize("module", [m for m in MODULES if package(m) == "text"])
def test_text_is_read_without_torch(module):
    assert not any(m == "interface" or "torch" in third_party(m) for m in reachable(module))


def imported(module: str) -> set[str]:
    """A module and all of ours that are imported when it is: not those inside functions or for types only."""
    seen: set[str] = set()
    stack = [module]
    while stack:
        current = stack.pop()
        if current and current not in seen:
            seen.add(current)
            stack += [i.target for i in IMPORTS[current] if i.target[:1] != "." and not (i.in_function or i.for_types)]
            stack += [current.rpartition(".")[0]]
    return seen


WITHOUT_TORCH = ["tasks", "inference.load", "inference.detector", "inference.embedder", "inference.task_model"]


@pytest.mark.parametrize("module", [*WITHOUT_TORCH, *(m for m in MODULES if package(m) == "tasks")])
def test_tasks_and_predictors_are_imported_without_torch(module):
    assert [m for m in imported(module) if m == "interface" or "torch" in third_party(m)] == []


def test_tasks_and_predictors_run_without_torch_until_they_train():
    code = f"import {', '.join('electra.' + m for m in WITHOUT_TORCH)}, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT.parent)
    assert done.stdout.strip() == "False", done.stderr


@pytest.mark.parametrize("module", MODULES)
def test_transformers_is_imported_only_where_it_is_used(module):
    assert "transformers" not in third_party(module, at_run_time_only=False)


@pytest.mark.parametrize("module", [m for m in MODULES if package(m) in ("models", "objectives")])
def test_models_and_objectives_know_numbers_only(module):
    allowed = {"core.plugins"}  # to find a class by its name
    far = {package(i.target) for i in IMPORTS[module] if i.target not in allowed}
    assert not far & {"data", "training", "tasks", "server", "core"}
    assert not set(third_party(module)) & {"tokenizers", "transformers", "pathlib", "os", "logging"}
    calls = [
        n.func.id
        for n in ast.walk(ast.parse(PATHS[module].read_text()))
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
    ]
    assert not {"print", "open", "input"} & set(calls)


def test_data_knows_no_model():
    assert all("models" not in folder_imports(m) for m in MODULES if package(m) == "data")


def test_the_loop_knows_no_objective_and_no_task():
    unknown = {"objectives", "tasks", "data", "models"}
    assert all(not folder_imports(m) & unknown for m in MODULES if package(m) == "training")


@pytest.mark.parametrize("module", [m for m in MODULES if package(m) == "inference"])
def test_using_a_model_needs_nothing_that_trains_it(module):
    far = {m for m in reachable(module) if package(m) in ("objectives", "training")}
    assert not far, "not even through another module"


LIGHT = ["", *(m for m in MODULES if package(m) == "config"), "cli", "cost.flops"]


@pytest.mark.parametrize("module", LIGHT)
def test_an_import_is_instant(module):
    heavy = ["torch", "numpy", "tokenizers", "transformers", "datasets"]
    name = f"electra.{module}".rstrip(".")
    code = f"import {name}, sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT.parent)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_the_checker_sees_a_wrong_import():
    assert not may_import("models.heads", "data.loader")
    assert not may_import("objectives.base", "training.trainer")
    assert not may_import("config", "pretraining.run")
    assert not may_import("pretraining.run", "finetuning.run")
    assert may_import("training.trainer", "training.optimizer")
    assert may_import("evaluation.scores", "inference.detector") and may_import("objectives.electra", "models.heads")


def test_the_checker_resolves_imports():
    source = (
        "from electra import config; from . import cli; from .interface import Batch; import electra.config, torch.nn"
    )
    found = [dotted for node in ast.parse(source).body for dotted in targets(node, "demo")]
    assert found == ["electra.config", "electra.cli", "electra.interface.Batch", "electra.config", "torch.nn"]
    assert own("electra.interface.Batch") == "interface" and own("electra.PRESETS") == ""
