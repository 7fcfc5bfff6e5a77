"""The README: its first output is true, the Chinese one says the same; what pages say of codes and versions is so."""

import difflib
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

from electra import __version__
from electra.core.errors import EXIT_CODES

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs"))
ENGLISH, CHINESE = (ROOT / name for name in ("README.md", "README.zh.md"))
VERSIONS = {"pyproject.toml": r'^version = "(.+)"$', "CITATION.cff": r"^version: (.+)$"}
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def blocks(page):
    """The language and the code of each block."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)


def without_comments(code):
    return re.sub(r" *#.*$", "", code, flags=re.M)


def figures(page):
    """The numbers of each line of a table."""
    rows = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    return [sorted(re.findall(r"(?<![A-Za-z\d])\d+(?:[,.]\d+)*", re.sub(r"\([^)]*\)", "", row))) for row in rows]


def numbers_of_prose(page):
    """The numbers outside of code, tables, links and what concerns Chinese text alone, counted; in millions as one."""
    text = page.read_text(encoding="utf-8")
    for left_out in (r"^```.*?^```$", r"^\*\*中文文本.*?\n\n", r"^\|.*?$", r"\]\([^)]*\)", r"`[^`]*`"):
        text = re.sub(left_out, "", text, flags=re.M | re.S)
    for unit, millions in (("万", 0.01), ("亿", 100)):
        text = re.sub(rf"([\d.]+) {unit}", lambda found, m=millions: f"{m * float(found[1]):g}", text)
    return Counter(re.findall(r"(?<![A-Za-z\d])\d+(?:[,.]\d+)*", text))


def changed(before, after):
    """The words of `before` that `after` does not have."""
    words, others = before.split(), after.split()
    matcher = difflib.SequenceMatcher(None, words, others, autojunk=False)
    return [words[i1:i2] for kind, i1, i2, _, _ in matcher.get_opcodes() if kind != "equal"]


def test_the_letter_is_mended_as_shown(tmp_path):
    """The suggestions of an int8 model may differ from machine to machine, the words that it marks may not."""
    (shown,) = (code for language, code in blocks(ENGLISH) if language == "console")
    _, letter, wanted = re.split(r"^\$ .*\n", shown, flags=re.M)
    (tmp_path / "letter.txt").write_text(letter)
    command = [sys.executable, "-m", "electra", "detect", "letter.txt", "--fix"]
    printed = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, text=True, capture_output=True, check=True).stdout
    old, new, old_shown, new_shown = (
        "\n".join(line[1:] for line in diff.splitlines()[3:] if line.startswith(sign))
        for diff in (printed, wanted)
        for sign in "-+"
    )
    assert old == old_shown == letter.strip()
    assert changed(old, new) == changed(old, new_shown) and len(changed(old, new)) == 6


def test_the_first_lines_of_python_print_what_is_shown(tmp_path):
    found = blocks(ENGLISH)
    at = next(n for n, (language, code) in enumerate(found) if language == "python" and "electra.load()" in code)
    command = [sys.executable, "-c", found[at][1]]
    printed = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, text=True, capture_output=True, check=True).stdout
    words = [line.split()[:3] for line in printed.splitlines()]
    assert words == [line.split()[:3] for line in found[at + 1][1].splitlines()] and words


def test_the_chinese_readme_has_the_same_code_and_figures():
    english, chinese = (
        [(language, without_comments(code)) for language, code in blocks(p)] for p in (ENGLISH, CHINESE)
    )
    assert english == chinese
    assert figures(ENGLISH) == figures(CHINESE)
    assert numbers_of_prose(ENGLISH) == numbers_of_prose(CHINESE) and numbers_of_prose(ENGLISH).total() > 15
    english, chinese = ({*re.findall(r"\]\(([^)]+)\)", page.read_text("utf-8"))} for page in (ENGLISH, CHINESE))
    assert english - {CHINESE.name} == chinese - {ENGLISH.name}


def test_links_of_both_lead_somewhere():
    for page in (ENGLISH, CHINESE, ROOT / "SUPPORT.md", ROOT / "SECURITY.md", ROOT / "CONTRIBUTING.md"):
        links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        links = [link for link in links if "://" not in link and not link.startswith("docs/plots/")]  # drawn
        missing = [link for link in links if not (ROOT / link).exists()]
        assert not missing, page.name


def test_every_exit_code_is_explained():
    from reference import exit_codes

    explained = {int(code) for code in re.findall(r"^\| (\d+) \|", exit_codes(), re.M)}
    assert explained == {0, 1, *EXIT_CODES.values(), 130, 143}


def test_the_version_is_said_once():
    said = {file: re.search(pattern, (ROOT / file).read_text(), re.M)[1] for file, pattern in VERSIONS.items()}
    assert set(said.values()) == {__version__}, said
