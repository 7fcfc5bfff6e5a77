"""What the project needs from others, and that it says so (row 35 of the faults: dependencies rot)."""

import ast
import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from test_layers import targets

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LISTS = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
DECLARED = [Requirement(text) for texts in LISTS for text in texts]
EXTRAS = re.search(r"^EVERYTHING := (.*)$", (ROOT / "Makefile").read_text(), re.M)[1].split(",")
INSTALLED = [  # by make
    Requirement(text)
    for texts in [PROJECT["dependencies"], *map(PROJECT["optional-dependencies"].get, EXTRAS)]
    for text in texts
]
PINS = {
    canonicalize_name(name): pin
    for name, pin in re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.M)
}


def imported(folder):
    """The modules of others that the files of a folder import, each with a file that does."""
    found = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not getattr(node, "level", 0):  # else it is one of ours
                found |= {dotted.partition(".")[0]: path.name for dotted in targets(node, path.stem)}
    own = {"electra", *(path.stem for path in (ROOT / folder).glob("*.py"))}
    return {name: path for name, path in found.items() if name not in sys.stdlib_module_names and name not in own}


def needed(requirements):
    """All distributions that an installation of these takes on this machine."""
    found, waiting = set(), [(canonicalize_name(r.name), r.extras) for r in requirements]
    while waiting:
        name, extras = waiting.pop()
        if (name, frozenset(extras)) in found:
            continue
        found.add((name, frozenset(extras)))
        for text in requires(name) or []:
            r = Requirement(text)
            if any(r.marker is None or r.marker.evaluate({"extra": extra}) for extra in ["", *extras]):
                waiting.append((canonicalize_name(r.name), r.extras))
    return {name for name, _ in found}


@pytest.mark.parametrize("folder", ["electra", "tests", "benchmarks"])
def test_what_is_imported_is_declared(folder):
    """Not only there by the grace of another package, which may drop it."""
    of_module = packages_distributions()
    declared = {canonicalize_name(r.name) for r in DECLARED}
    missing = {
        f"{name} (in {path})"
        for name, path in imported(folder).items()
        if name in of_module and not declared & {canonicalize_name(d) for d in of_module[name]}
    }
    assert not missing


def is_installed_as_pinned(requirement):
    try:
        return Version(version(requirement.name)).public == PINS[canonicalize_name(requirement.name)]
    except PackageNotFoundError:
        return False


def test_every_package_that_make_installs_has_its_version_pinned():
    if not all(is_installed_as_pinned(r) for r in INSTALLED):
        pytest.skip("not what make installs")
    assert not needed(INSTALLED) - set(PINS)


@pytest.mark.parametrize("requirement", sorted(map(str, DECLARED)))
def test_what_is_pinned_is_allowed_and_has_a_lowest_version(requirement):
    """`.ci/nightly lowest-direct` runs all tests with the lowest."""
    r = Requirement(requirement)
    assert any(s.operator == ">=" for s in r.specifier), "from which version on?"
    assert r.specifier.contains(PINS[canonicalize_name(r.name)], prereleases=True)
