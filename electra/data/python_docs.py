"""A corpus on every machine: the documentation of the Python installation, read without imports."""

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
LARGEST_SOURCE = 400_000  # bytes; larger files are mostly tables or generated code, and slow to parse
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
# Packages with long explanations come first; others follow by name, up to MOST_BYTES in total.
PREFERRED = ("sympy", "networkx", "numpy", "scipy", "sklearn", "matplotlib", "pandas", "torch", "transformers")


@functools.cache  # read twice, for the vocabulary and for the shards
def python_docs() -> tuple[Document, ...]:
    """Return about 15 MB of documents, in ten seconds."""
    return tuple(within_limits())


def within_limits() -> Iterator[Document]:
    """Yield the documents of all packages without duplicates, at most MOST_BYTES_A_PACKAGE of each."""
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
    """Yield the documents of the language reference, the standard library, and each installed package."""
    yield language_topics()
    yield documents_under(Path(sysconfig.get_path("stdlib")))
    installed = Path(sysconfig.get_path("purelib"))
    found = sorted(path.name for path in installed.iterdir() if (path / "__init__.py").is_file())
    for name in sorted(found, key=lambda name: PREFERRED.index(name) if name in PREFERRED else len(PREFERRED)):
        yield documents_under(installed / name)


def language_topics() -> Iterator[Document]:
    """Yield the topics of `help("topics")`."""
    try:
        from pydoc_data.topics import topics
    except ImportError:  # absent from some distributions
        return
    for name in sorted(topics):
        yield from as_document(topics[name])


def documents_under(folder: Path) -> Iterator[Document]:
    """Yield a document for every documented module, class and function below a folder."""
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).parts
        if SKIPPED.isdisjoint(parts) and not parts[-1].startswith("test_") and path.stat().st_size < LARGEST_SOURCE:
            for docstring in docstrings(path):
                yield from as_document(docstring)


def docstrings(path: Path) -> Iterator[str]:
    """Yield the docstrings of a source file in order; none if it does not parse."""
    source = path.read_bytes()
    if b'"""' not in source and b"'''" not in source:
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about invalid escapes in strings
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
    """Join wrapped lines into paragraphs and drop code and tables; yield nothing if few words are left."""
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
    while paragraphs and HEADING.fullmatch(paragraphs[-1]):  # the heading of a dropped example
        paragraphs.pop()
    if sum(len(paragraph.split()) for paragraph in paragraphs) >= FEWEST_WORDS:
        yield paragraphs


RULE = re.compile(r"[-=~^*+`'\"#. |_]{3,}")  # underlines of headings, borders of tables
HEADING = re.compile(r"[A-Z]\w*( \w+)?:?")
ITEM = re.compile(r"([-*+•] |\d+[.)] |:\w+|\.\. |@\w+|[\w*`, ]{1,40} ?: ?\S{0,60}$)")  # begins a paragraph
