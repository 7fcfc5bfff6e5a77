"""A corpus every machine has: the documentation of the Python installation at hand, read without importing it."""

from __future__ import annotations

import ast
import functools
import inspect
import re
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

from electra.data.documents import NOT_TEXT, Document

MOST_BYTES = 15_000_000
MOST_BYTES_A_PACKAGE = 2_500_000
FEWEST_WORDS = 8
LARGEST_SOURCE = 400_000  # bytes; larger ones are tables or generated, and slow to parse
SKIPPED = {
    "test",
    "tests",
    "testing",
    "idle_test",
    "_vendor",
    "vendored",
    "site-packages",
    "dist-packages",
    "__pycache__",
}
# Packages known for long explanations come first; the rest follows by name until MOST_BYTES are full.
PREFERRED = ("sympy", "networkx", "numpy", "scipy", "sklearn", "matplotlib", "pandas", "torch", "transformers")


@functools.cache  # a vocabulary is learnt from them before they are read again
def python_docs() -> tuple[Document, ...]:
    """Some 15 MB of documents, found in ten seconds."""
    return tuple(within_limits())


def within_limits() -> Iterator[Document]:
    """The documents of all packages, none twice and no package with more than its share."""
    seen: set[int] = set()
    total = 0
    for documents in packages():
        of_package = 0
        for document in documents:
            size = sum(map(len, document))
            key = hash(tuple(document))
            if key in seen or size + of_package > MOST_BYTES_A_PACKAGE or size + total > MOST_BYTES:
                continue
            seen.add(key)
            of_package += size
            total += size
            yield document
            if of_package > 0.99 * MOST_BYTES_A_PACKAGE:
                break
        if total > 0.99 * MOST_BYTES:
            return


def packages() -> Iterator[Iterator[Document]]:
    """Topics of the language, the standard library, then each installed package."""
    yield language_topics()
    yield documents_under(Path(sysconfig.get_path("stdlib")))
    installed = Path(sysconfig.get_path("purelib"))
    found = sorted(path.name for path in installed.iterdir() if (path / "__init__.py").is_file())
    for name in sorted(found, key=lambda name: PREFERRED.index(name) if name in PREFERRED else len(PREFERRED)):
        yield documents_under(installed / name)


def language_topics() -> Iterator[Document]:
    """What `help('topics')` shows."""
    try:
        from pydoc_data.topics import topics
    except ImportError:  # some distributions leave it out
        return
    for name in sorted(topics):
        yield from as_document(topics[name])


def documents_under(folder: Path) -> Iterator[Document]:
    """One document for every documented module, class and function below a folder."""
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).parts
        if SKIPPED.isdisjoint(parts) and not parts[-1].startswith("test_") and path.stat().st_size < LARGEST_SOURCE:
            for docstring in docstrings(path):
                yield from as_document(docstring)


def docstrings(path: Path) -> Iterator[str]:
    """The docstrings of a source file, in order; none where it does not parse."""
    source = path.read_bytes()
    if b'"""' not in source and b"'''" not in source:
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in other people's strings
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = body[0].value if body and isinstance(body[0], ast.Expr) else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield inspect.cleandoc(first.value)
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting.extend(reversed(body))


def as_document(text: str) -> Iterator[Document]:
    """Join wrapped lines into paragraphs and drop what is not prose; nothing where little is left."""
    paragraphs: list[str] = []
    gathered: list[str] = []
    in_example = False
    for line in [*NOT_TEXT.sub("", text).split("\n"), ""]:
        stripped = line.strip()
        in_example = stripped.startswith((">>>", "...")) or (in_example and bool(stripped))  # code, then its output
        if in_example or RULE.fullmatch(stripped):
            stripped = ""
        starts_item = bool(ITEM.match(stripped))
        if gathered and (not stripped or starts_item):
            paragraphs.append(" ".join(gathered))
            gathered = []
        if stripped:
            gathered.append(stripped)
    while paragraphs and HEADING.fullmatch(paragraphs[-1]):  # over an example that is gone
        paragraphs.pop()
    if sum(len(paragraph.split()) for paragraph in paragraphs) >= FEWEST_WORDS:
        yield paragraphs


RULE = re.compile(r"[-=~^*+`'\"#. |_]{3,}")  # underlines of headings, borders of tables
HEADING = re.compile(r"[A-Z]\w*( \w+)?:?")
ITEM = re.compile(r"([-*+•] |\d+[.)] |:\w+|\.\. |@\w+|[\w*`, ]{1,40} ?: ?\S{0,60}$)")  # what begins a line of its own
