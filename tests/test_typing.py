"""The public names have types that a user's strict checker understands."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = """
import electra

model = electra.load("runs/mine")
if isinstance(model, electra.Detector):
    found: electra.Words = model.detect("The chef ate the meel.")
    for word in found.marked:
        print(word.text.upper(), word.replaced + 1, word.suggestions[:1])
elif isinstance(model, electra.TaskModel):
    answers: list[dict[str, object]] = [dict(each) for each in model.predict(["a text", ("a", "pair")])]
else:
    rows, size = model.encode(["a text"]).shape
word = electra.Word("fox", 0, 3, 0.5, ())
electra.pretrain(electra.PRESETS["tiny"])
"""


def check(script, tmp_path):
    """What mypy --strict says of a user's script; our own files are read for their types only."""
    (tmp_path / "script.py").write_text(script)
    command = ["-m", "mypy", "--strict", "--follow-imports=silent", "--config-file=", "--cache-dir", str(tmp_path)]
    done = subprocess.run([sys.executable, *command, str(tmp_path / "script.py")], capture_output=True, text=True,
                          cwd=ROOT, timeout=280)  # fmt: skip
    return done.stdout + done.stderr


def test_a_users_script_is_checked_strictly(tmp_path):
    pytest.importorskip("mypy")
    assert "Success" in check(SCRIPT, tmp_path)
    wrong = check('import electra\nelectra.load("runs/mine").detect("a fox")\nelectra.lode("runs/mine")\n', tmp_path)
    assert wrong.count("error:") == 3, wrong  # two kinds of model detect nothing, and no such name
