"""The notebooks of examples/ run from the first cell to the last, without a network, in an empty folder."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from test_readme import ENVIRONMENT

EXAMPLES = Path(__file__).parents[1] / "examples"
SHORTER = {"MINUTES = 5": "MINUTES = 0.05", "EPOCHS = 10.0": "EPOCHS = 0.2"}
# Shows the last line of a cell as a notebook does, and notices a connection.
NOTEBOOK = """
import ast, socket, sys

def refuse(*_):
    raise AssertionError("a notebook of examples/ opens a connection")

socket.socket.connect = refuse
names = {"__name__": "__main__"}
for cell in CELLS:
    *lines, last = ast.parse(cell).body
    exec(compile(ast.Module(lines, []), "cell", "exec"), names)
    if isinstance(last, ast.Expr):
        value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
        print(value._repr_html_() if hasattr(value, "_repr_html_") else value)
    else:
        exec(compile(ast.Module([last], []), "cell", "exec"), names)
"""


def cells(name):
    """The cells of code of a notebook, with budgets of seconds."""
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    for line, shorter in SHORTER.items():
        text = text.replace(line, shorter)
    kinds = re.split(r"^# %%(.*)$", text, flags=re.M)
    return [code for kind, code in zip(kinds[1::2], kinds[2::2], strict=True) if "[markdown]" not in kind]


def run(name, folder):
    script = f"CELLS = {cells(name)!r}\n{NOTEBOOK}"
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, text=True, capture_output=True,
                          env={**ENVIRONMENT, "TORCHDYNAMO_DISABLE": "1"}, timeout=800)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_find_errors(tmp_path):
    printed = run("find_errors.py", tmp_path)
    assert '<span class="marked"' in printed and ">freindly</span>" in printed
    assert "wait for our keys more than an hour." in printed


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_own_model_and_finetune(tmp_path):
    assert '<div class="electra">' in run("own_model.py", tmp_path)
    printed = run("finetune.py", tmp_path)
    assert "paragraphs, for example" in printed and "tf-idf" in printed.lower()


def test_every_notebook_is_run():
    assert {path.name for path in EXAMPLES.iterdir()} == {"find_errors.py", "own_model.py", "finetune.py", "README.md"}
