"""What a published figure carries."""

import subprocess
from pathlib import Path

import pytest

from electra.core.hardware import commit, provenance

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
