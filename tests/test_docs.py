"""Commands of the documentation parse, blocks run and print what their page shows; plots and links are right."""

import codeop
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from pages import LANGUAGES, ROOT, Block, blocks, commands, explain

from electra.cli.flags import parse
from electra.cli.verbs import VERBS

DOCS = ROOT / "docs"
CHINESE = ROOT / "README.zh.md"  # tests/test_readme.py: it has the blocks of README.md
PAGES = [ROOT / "README.md", *(p for p in sorted(DOCS.rglob("*.md")) if "lab" not in p.parts)]
# Why a block is not run; its commands are parsed all the same.
REASONS = {
    "changes the environment",  # release-check and .ci/run install what these blocks do
    "needs GLUE's files",  # tests/test_evaluate.py has small ones
    "needs a released model",  # tests/test_released_modernbert.py makes one
    "needs packages of others, with which benchmarks/clients.py runs it",
    "needs pandoc",
    "needs several machines",  # tests/test_parts.py
    "needs text without blanks",  # tests/test_sentence_pieces.py
    "needs storage on the network",  # tests/test_remote.py has a server of its own
    "needs several GPUs",  # tests/test_distributed.py has several processes on CPUs
    "needs the network and a released checkpoint",  # tests/test_convert.py and test_push.py have small ones
    "needs two models of the same text",  # tests/test_word_pictures.py
    "opens a port to the network",
    "takes hours",  # tests/test_long_rows.py
    "tests/test_readme.py runs it",
}
NEED_NO_RUN = {"docs/index.md", "docs/reference/api.md"}  # they use the model in the box
sys.path.insert(0, str(DOCS))

# Commands of the pages with budgets of seconds. A function of the shell comes before the program of its name.
SHORTER = """
set -e -o pipefail
electra() {
  case "$1" in
    prepare) case "$*" in *--heldout*) ;; *"--out data/mine"*) set -- "$@" --heldout 0.25;; esac;;
    pretrain) set -- "$@" --train-batch-size 8 --micro-batch-size 8 --eval-batches 1 --save-steps 0 --compile off
      case "$*" in *--max-minutes*) set -- "$@" --max-minutes 0.1;; *) set -- "$@" --train-steps 3;; esac;;
    finetune|evaluate) case "$*" in *--check*|*runs/errors\\ --suite*) ;; *) set -- "$@" --train-steps 3;; esac;;
    compare) set -- "$@" --budget 40ktok --points 1 --settings threads=1 train_batch_size=8 compile=off;;
    flops) set -- "$@" --no-measure;;
    serve) serve "$@"; return;;
  esac
  case "$*" in *--seeds*) set -- "$@" --seeds 2;; esac
  command electra "$@"
}
# Stop a server as soon as it answers.
serve() {
  command electra "$@" & server=$!
  for _ in $(seq 240); do curl -sf http://127.0.0.1:8000/ready > /dev/null && break; kill -0 $server; sleep 0.5; done
  kill $server; wait $server
}
"""


def names(pages: list[Path]) -> list[str]:
    return [p.relative_to(ROOT).as_posix() for p in pages]


def is_run(block: Block) -> bool:
    """Whether a test executes a block, rather than only parse it or compare it with what was printed."""
    return block.run != "no" and block.output is None and block.language in ("sh", "python", "console")


RUN = names(PAGES)
NEED_A_RUN = [page for page in RUN if page not in NEED_NO_RUN and any(map(is_run, blocks(ROOT / page)))]


@pytest.mark.parametrize("page", names([*PAGES, CHINESE]))
def test_commands_parse(page):
    for block in blocks(ROOT / page):
        if block.language in ("sh", "console") and not block.code.startswith("$ electra VERB"):
            for verb, *words in commands(block):
                assert verb in VERBS, f"{page}:{block.line}: no verb {verb}"
                if "..." not in words and not is_wrong_on_purpose(block):
                    assert parse(VERBS[verb].config, words, f"electra {verb}"), f"{page}:{block.line}"


def is_wrong_on_purpose(block: Block) -> bool:
    """Whether a console block shows an error."""
    return block.language == "console" and re.search(r"^(error|usage|electra)\b|^╭", block.code, re.M) is not None


def test_blocks_that_are_not_run_say_why():
    said = re.findall(r"^<!-- run: no(?:, )?(.*) -->$", "\n".join(p.read_text(encoding="utf-8") for p in PAGES), re.M)
    assert set(said) == REASONS


def test_a_number_or_duration_stands_for_any_other():
    shown = "2 runs: about 1m40s\n...\nauc 0.81"
    for took in ("12s", "3m05s", "2h10m"):
        assert not explain(shown, f"3 runs: about {took}\nexamining\nauc 0.7", "")
    assert explain(shown, "3 runs: about 12s\nauc 0.7 of 2", "") and explain(shown, "auc 0.81", "")
    assert explain(shown, shown.replace("0.81", "0.8"), "exact")


@pytest.mark.parametrize("page", RUN)
def test_blocks_name_their_language(page):
    assert {block.language for block in blocks(ROOT / page)} <= LANGUAGES


@pytest.mark.parametrize("page", RUN)
def test_python_blocks_can_be_pasted_at_the_prompt(page):
    """Python's prompt before 3.13 wants a blank line after an indented block, and none within."""
    for block in blocks(ROOT / page):
        if block.language == "python" and "class " not in block.code:  # a class belongs in a file
            entered: list[str] = []
            for number, line in enumerate([*block.code.splitlines(), ""], block.line + 1):
                entered.append(line)
                try:
                    complete = codeop.compile_command("\n".join(entered))
                except SyntaxError as wrong:
                    pytest.fail(f"{page}:{number}: {wrong}")
                entered = [] if complete else entered


@pytest.mark.parametrize("page", [page for page in RUN if re.search("index|tutorials|howto", page)])
def test_commands_fit_the_column_of_the_site(page):
    lines = [line for block in blocks(ROOT / page) if block.language == "sh" for line in block.code.splitlines()]
    assert not [line for line in lines if len(line) > 92]


def test_extras_are_quoted():
    """A shell may take the brackets for a pattern of file names; zsh then installs nothing."""
    files = [*PAGES, CHINESE, *(ROOT / "electra").rglob("*.py")]
    assert not [str(f) for f in files if re.search(r"pip install [^'\s]*\[", f.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", [page for page in RUN if page not in NEED_A_RUN])
def test_page_runs(page, tmp_path):
    run_page(page, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", NEED_A_RUN)
def test_page_with_training_runs(page, tmp_path, request):
    if page == "README.md":  # it begins with texts, and makes data and runs of the world's names
        write_texts(tmp_path)
    elif "tutorials" not in page:  # a tutorial begins in an empty folder
        shutil.copytree(request.getfixturevalue("world"), tmp_path, dirs_exist_ok=True)
    run_page(page, tmp_path)


def run_page(page: str, folder: Path) -> None:
    """Run the blocks of a page in order in a folder, and compare what they print with what the page shows."""
    printed, servers = "", []
    try:
        for block in blocks(ROOT / page):
            where = f"{page}:{block.line}"
            if block.output is not None:
                assert not (why := explain(block.code, printed, block.output)), f"{where}: {why}"
            elif block.run == "background":
                servers.append(start(block, folder))
            elif block.run.startswith("as "):
                (folder / block.run.removeprefix("as ")).write_text(block.code)
            elif is_run(block) and block.language == "console":
                check_console(block, folder, where)
            elif is_run(block):
                status, printed = run(block.code, block.language, folder)
                assert status == 0, f"{where} ended with {status}:\n{printed}"
    finally:
        for server in servers:
            server.terminate()
            server.wait(30)


def run(code: str, language: str, folder: Path) -> tuple[int, str]:
    """Run code in a folder; return its exit code and all that it printed."""
    program = [sys.executable, "-c", code] if language == "python" else ["bash", "-c", SHORTER + code]
    done = subprocess.run(program, cwd=folder, env=environment(), text=True, timeout=900, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
    return done.returncode, done.stdout


def environment() -> dict[str, str]:
    """The environment of a reader: this package, its command, a terminal of 80 columns, one thread."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return os.environ | {
        "PATH": path,
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "80",
        "OMP_NUM_THREADS": "1",
        "NO_COLOR": "1",
    }


def check_console(block: Block, folder: Path, where: str) -> None:
    """Run each command of a console block, whatever its exit code, and compare what it prints."""
    for part in re.split(r"(?m)^\$ ", block.code)[1:]:
        command, _, shown = part.partition("\n")
        _, printed = run(command, "sh", folder)
        assert not (why := explain(shown, printed, "")), f"{where}: $ {command}\n{why}"


def start(block: Block, folder: Path) -> subprocess.Popen:
    """Start a server and wait until it answers."""
    log = (folder / "server.log").open("w")
    server = subprocess.Popen(
        ["bash", "-c", "exec " + block.code.strip()], cwd=folder, env=environment(), stdout=log, stderr=log
    )
    for _ in range(240):
        try:
            with urllib.request.urlopen("http://127.0.0.1:8000/ready", timeout=1):
                return server
        except OSError:
            assert server.poll() is None, (folder / "server.log").read_text()
            time.sleep(0.5)
    raise AssertionError("the server did not get ready")


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """The files that the how-to pages name: text, labelled texts, prepared data, a run."""
    folder = tmp_path_factory.mktemp("world")
    write_texts(folder)
    status, printed = run(
        "electra prepare corpus --out data/mine --vocab-size 1000 --num-workers 1 --heldout 0.25\n"
        "electra pretrain --preset tiny --data data/mine --out runs/mine --memory 64\n",
        "sh", folder,
    )  # fmt: skip
    assert status == 0, printed
    return folder


M2 = """S She go to school every day .
A 1 2|||R:VERB:SVA|||goes|||REQUIRED|||-NONE-|||0

S The old house stands on a hill .

"""


def write_texts(folder: Path) -> None:
    """Write the texts, from the language reference that comes with Python."""
    import json
    from pydoc_data.topics import topics

    paragraphs = [" ".join(p.split()) for text in topics.values() for p in text.split("\n\n")]
    sentences = [p for p in paragraphs if p.count(" ") > 5 and p[0].isupper() and p.isascii()]
    (folder / "corpus").mkdir()
    (folder / "corpus" / "reference.txt").write_text("\n\n".join(sentences[:700]))
    (folder / "clean.txt").write_text("\n".join(sentences[700:950]))
    (folder / "heldout.txt").write_text("\n".join(sentences[950:1000]))
    for name in ("notes.txt", "letter.txt", "notes.md", "input"):
        (folder / name).write_text("We has to wait for for our keys, and teh staff was not very freindly.\n")
    (folder / "docs").mkdir()
    (folder / "docs" / "clean.md").write_text("# A page\n\nThere was no hot water.\n")
    (folder / "medical").mkdir()
    (folder / "medical" / "trial.txt").write_text(
        "\n\n".join(f"{s} The placebo had no effect." for s in sentences[:200])
    )
    for name in ("essays", "essays_dev"):
        (folder / f"{name}.m2").write_text(M2 * 20)
    rows = [{"text": s[:200], "label": "now!" if "statement" in s else "later"} for s in sentences]
    rows = [r for r in rows if r["label"] == "now!"][:60] + [r for r in rows if r["label"] == "later"][:60]
    for name, part in (("train", rows[::2]), ("dev", rows[1::2])):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))


def test_links_lead_somewhere():
    from build import follow

    for page in [*PAGES, *(DOCS / "lab").glob("*.md")]:
        follow(page.read_text(encoding="utf-8"), page, set())


def test_anchors_are_headings():
    """A link to `page.md#part` leads to the part; a code host and the site form names of parts alike."""
    pages = [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
    missing = []
    for page in pages:
        for target, anchor in re.findall(r"\]\(([^)#\s:]*)#([^)]+)\)", shown(page)):
            linked = (page.parent / target).resolve() if target else page
            if linked.suffix == ".md" and anchor not in anchors(linked):
                missing.append(f"{page.relative_to(ROOT)}: {target}#{anchor}")
    assert not missing


def shown(page: Path) -> str:
    """A page with its generated parts and without its code."""
    from reference import fill

    text = fill(page.read_text(encoding="utf-8")) if page.is_relative_to(DOCS) else page.read_text(encoding="utf-8")
    return re.sub(r"^(`{3,}).*?^\1", "", text, flags=re.M | re.S)


def anchors(page: Path) -> set[str]:
    """The names of the parts of a page."""
    headings = (re.sub(r"[^\w\s-]", "", found.lower()) for found in re.findall(r"^#+ (.*)$", shown(page), re.M))
    return {re.sub(r"\s", "-", heading.strip()) for heading in headings}


def test_every_page_is_in_the_navigation():
    import tomllib

    named = re.findall(r"[\w/-]+\.md", str(tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"]))
    there = [p.relative_to(DOCS).as_posix() for p in DOCS.rglob("*.md")]
    assert sorted(named) == sorted(there)


def test_reference_is_generated():
    from reference import PARTS, fill

    for page in PAGES:
        assert "<!-- generated" not in fill(page.read_text(encoding="utf-8"))
    for name, (kind, _) in VERBS.items():
        assert f"## {name}\n" in PARTS["verbs"]()
        assert all(f.name in PARTS["verbs"]().replace("-", "_").lower() for f in kind.__dataclass_fields__.values())
    assert "| `--learning-rate` | 0.002 | 0.0015 | 0.0005 | 0.0005 | 0.0002 | 0.0002 |" in PARTS["presets"]()


def test_every_route_of_the_server_is_in_the_reference():
    from reference import PARTS

    from electra.server.app import MODEL_PATHS, OTHER_PATHS
    from electra.server.error_forms import TYPES

    listed = PARTS["routes"]()
    assert all(f" {path}`" in listed for path in {*MODEL_PATHS, *OTHER_PATHS} - {"/openapi.json"})
    assert "| `GET /v1/models/{name}` | Describe the one model. | 200 404 |" in listed
    assert "| 200 400 401 413 415 429 503 504 |" in next(
        line for line in listed.splitlines() if "/v1/embeddings" in line
    )
    assert all(f"| {code} |" in PARTS["status-codes"]() for code in TYPES)
    bodies = PARTS["bodies"]()
    assert (
        "| `threshold` | number, 0 to 1 |" in bodies
        and "| `truncation_direction` | `left` `right` | `right` |" in bodies
    )


def test_plots_are_those_of_the_results(drawn, tmp_path):
    import matplotlib
    from plots import PLOT, main

    main(tmp_path)
    assert {f.stem for f in (DOCS / "plots").glob("*.svg")} == set(PLOT)
    pinned = re.search(r"^matplotlib==(.+)$", (ROOT / "constraints.txt").read_text(), re.M)[1]
    for file in tmp_path.glob("*.svg"):
        if matplotlib.__version__ == pinned:  # another version draws the same with other bytes
            assert file.read_text() == (DOCS / "plots" / file.name).read_text(), (
                f"{file.name}: run python docs/plots.py"
            )


OLD = (
    "by how little", "takes for granted", "what is missing of", "makes no more", "goodput", "by hand", "good unseen",
    "any more", "this very", "goes on from", "Going on from", "gives up on", "stand on dropout", "file that chose",
    "there is nothing else yet", "is what counts", "kinder way", "would be worked off", "Who hangs",
)  # fmt: skip


@pytest.mark.parametrize("page", RUN)
def test_worst_phrases_are_absent(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert not [phrase for phrase in OLD if phrase in text]
    assert not re.search(r"\b(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{7}\b", text), "a commit hash in a user's page"
    assert not re.search(r"(?<![\w.])\.\d", re.sub(r"`[^`]*`|```.*?```", "", text, flags=re.S)), (
        "a number without its zero"
    )
