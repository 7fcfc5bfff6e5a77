"""Benchmarks are not run here, but they must not fall behind the package they measure."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
OLDER = {"step_against.py"}  # also imports from checkouts of earlier layouts


@pytest.mark.parametrize("file", sorted(BENCHMARKS.glob("*.py")), ids=lambda file: file.name)
def test_what_a_benchmark_imports_from_the_package_is_there(file):
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("electra") and file.name not in OLDER:
            module = importlib.import_module(node.module)
            for alias in node.names:
                try:
                    importlib.import_module(f"{node.module}.{alias.name}")
                except ImportError:
                    assert hasattr(module, alias.name), f"{node.module} has no {alias.name}"
