"""Recipes run the command of the environment that `make` made, or the one on the path."""

import os
import subprocess
from pathlib import Path

import pytest

RECIPES = Path(__file__).parents[1] / "recipes"


def write_command(path, says):
    """A command that says who it is and what it was asked."""
    path.parent.mkdir(parents=True)
    path.write_text(f'#!/bin/sh\necho {says} "$@"\n')
    path.chmod(0o755)


def run(recipe, folder, **variables):
    if not (folder / "recipes").exists():
        (folder / "recipes").symlink_to(RECIPES)
    environment = {k: v for k, v in os.environ.items() if k != "ELECTRA"}
    path = f"{folder / 'path'}:{os.environ['PATH']}"
    return subprocess.run(["bash", f"recipes/{recipe}", "text.txt"], cwd=folder, text=True, capture_output=True,
                          env={**environment, "PATH": path, **variables}, check=True).stdout.splitlines()  # fmt: skip


@pytest.mark.parametrize("recipe", ["chinese.sh", "domain_biomedical.sh", "small_on_one_gpu.sh", "paper_sharing.sh"])
def test_a_recipe_runs_the_environment_of_make_first(recipe, tmp_path):
    write_command(tmp_path / "path" / "electra", "path")
    said = run(recipe, tmp_path, INIT="model")
    assert said and all(line.startswith("path ") for line in said)
    write_command(tmp_path / ".venv" / "bin" / "electra", "venv")
    assert run(recipe, tmp_path, INIT="model") == [line.replace("path ", "venv ", 1) for line in said]
    assert run(recipe, tmp_path, INIT="model", ELECTRA="echo mine") == [
        line.replace("path ", "mine ", 1) for line in said
    ]
