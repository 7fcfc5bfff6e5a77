"""Build the site: collect the pages in build/docs, generate the reference, run Zensical; `make docs`.

A page may link to any file of the repository, as on a code host. The file is copied into the site: code as a page with
its lines numbered, other files as they are.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS, COLLECTED = ROOT / "docs", ROOT / "build" / "docs"
CODE = {".py": "python", ".sh": "sh", ".toml": "toml"}
LINK = re.compile(r"(\]\()([^)\s#]+)(#[^)\s]*)?(\))")
FENCE = re.compile(r"^ *(`{3,})")


def main() -> None:
    collect()
    subprocess.run([sys.executable, "-m", "zensical", "build", "--clean", "--strict"], cwd=ROOT, check=True)
    print("open build/site/index.html; for the search: python -m http.server -d build/site")


def collect() -> None:
    """Write the pages, what they link to and the generated parts of the reference to build/docs."""
    from reference import fill

    shutil.rmtree(COLLECTED, ignore_errors=True)
    linked: set[Path] = set()
    for source in DOCS.rglob("*"):
        target = COLLECTED / source.relative_to(DOCS)
        if source.suffix == ".md":
            write(target, follow(fill(source.read_text(encoding="utf-8")), source, linked))
        elif source.suffix in (".svg", ".css"):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    done: set[Path] = set()
    while todo := linked - done:  # a linked page may link to more
        for file in todo:
            bring(file, linked)
        done |= todo


def follow(page: str, source: Path, linked: set[Path]) -> str:
    """Return a page whose links out of docs/ lead to their copies; add those to `linked`.

    Raises:
        ValueError: a link leads nowhere.
    """

    def moved(match: re.Match[str]) -> str:
        opening, target, anchor, closing = match[1], match[2], match[3] or "", match[4]
        if re.match(r"[a-z]+:", target):
            return match[0]
        file = (source.parent / target).resolve()
        if not file.exists() or not file.is_relative_to(ROOT):
            raise ValueError(f"{source.relative_to(ROOT)}: the link {target} leads nowhere")
        if file.is_relative_to(DOCS) and file.suffix != ".py":
            return match[0] if source.is_relative_to(DOCS) else opening + between(source, file) + anchor + closing
        if file.is_dir():
            file = next(f for f in (file / "README.md", file / "__init__.py", file / "config.json") if f.exists())
        linked.add(file)
        return opening + between(source, file) + anchor + closing

    return "".join(LINK.sub(moved, part) if is_prose else part for is_prose, part in parts(page))


def parts(page: str) -> Iterator[tuple[bool, str]]:
    """Yield the lines of a page, each with whether it is prose, not code."""
    fence = ""
    for line in page.splitlines(keepends=True):
        mark = FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif mark and line.strip() == fence:
            fence = ""
            yield False, line
            continue
        yield not fence, line


def place(file: Path) -> Path:
    """Return where a file of the repository is in the site, below its root."""
    if file.is_relative_to(DOCS) and file.suffix != ".py":
        return file.relative_to(DOCS)
    name = file.relative_to(ROOT)
    return Path("files", name.with_name(name.name + ".md") if file.suffix in CODE else name)


def between(source: Path, file: Path) -> str:
    """Return the link from the page made of one file to that of another."""
    return Path("../" * len(place(source).parent.parts), place(file)).as_posix()


def bring(file: Path, linked: set[Path]) -> None:
    """Copy a linked file into the site: code as a page, Markdown with its own links followed."""
    target = COLLECTED / place(file)
    hidden = "---\nsearch:\n  exclude: true\n---\n"
    if file.suffix in CODE:
        name, content = file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8")
        write(target, f'{hidden}# {name}\n\n````{CODE[file.suffix]} linenums="1"\n{content}````\n')
    elif file.suffix == ".md":
        write(target, hidden + follow(file.read_text(encoding="utf-8"), file, linked))
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)


def write(path: Path, content: str) -> None:
    """Write a file and the folders it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
