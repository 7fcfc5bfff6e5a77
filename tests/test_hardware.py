"""What a published figure carries."""

import os
import subprocess
from pathlib import Path

import pytest

from electra.core.hardware import commit, provenance, usable_cores

ROOT = Path(__file__).parents[1]


def test_a_figure_names_the_commit_of_the_checkout():
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    head = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    assert commit().rstrip("+") == head.stdout.strip()


def test_a_figure_names_machine_and_versions():
    found = provenance("pytest")
    assert {"cpu", "cores", "memory_gb", "instructions"} <= found["hardware"].keys()
    assert {"python", "numpy", "pytest"} <= found["versions"].keys()


def test_the_cores_that_may_be_used_are_known_on_systems_without_affinity(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1, 2}, raising=False)
    assert usable_cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")  # macOS has none
    assert usable_cores() == os.cpu_count()
