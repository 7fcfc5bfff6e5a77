"""Read the text of HTML pages, Word files and PDFs; recognise them, and files without text, by their content."""

from __future__ import annotations

import importlib.util
import io
import logging
import re
import zipfile
from collections.abc import Callable
from typing import IO, Any, NamedTuple

logging.getLogger("pypdf").addHandler(logging.NullHandler())  # it tells the terminal what it mends in a damaged file
HEAD = 1024  # bytes from which a file is recognised
# The comments are possessive: tried in other ways, thirty of them would take minutes.
HTML = re.compile(
    rb"\s*(<\?xml[^>]*>\s*)?(?:<!--(?>.*?-->)\s*)*+<(!doctype\s+html|html)[\s>]", re.IGNORECASE | re.DOTALL
)
UNPACKED, PACKED_BY = 200_000_000, 100  # bytes of a Word file, and how many times smaller it may be packed
AROUND = ("header", "footer", "footnotes", "endnotes")  # parts of a Word file beside its body
HTML_SUFFIXES = (".html", ".htm", ".xhtml")
ZIP = b"PK\x03\x04"
UNPACK = "an archive; unpack it"
NOT_TEXT = {
    b"\x1f\x8b": "compressed by gzip; unpack it, or name it .gz", b"\xfd7zXZ": "compressed by xz; name it .xz",
    b"BZh": "compressed by bzip2; name it .bz2", b"(\xb5/\xfd": "compressed by Zstandard; name it .zst",
    b"7z\xbc\xaf": UNPACK, b"Rar!": UNPACK, b"\xd0\xcf\x11\xe0": "an Office file of before 2007; save it as .docx",
    b"{\\rtf": "rich text; save it as .docx", b"\x89PNG": "an image", b"\xff\xd8\xff": "an image", b"GIF8": "an image",
    b"RIFF": "audio, video or an image", b"ID3": "audio", b"OggS": "audio", b"\x7fELF": "a program",
    b"SQLite format 3": "a database",
}  # fmt: skip


class DocumentFormat(NamedTuple):
    """A format of documents: its name in messages, the module that reads it and its package, and the reader."""

    name: str
    module: str
    package: str
    read: Callable[[bytes], str]


class Unreadable(ValueError):
    """A file that holds no text that can be read; the message says why and what to do."""


def recognise(head: bytes, stream: IO[bytes], suffix: str) -> DocumentFormat | None:
    """Return the format of a document, None for plain text; `stream` is read only if it is a zip file.

    Raises:
        Unreadable: the content is neither.
    """
    if head.startswith(b"%PDF-"):
        return PDF
    if HTML.match(head.removeprefix(b"\xef\xbb\xbf")) or suffix in HTML_SUFFIXES:
        return PAGE
    if head.startswith(ZIP):
        return in_zip(stream)
    if reason := next((why for mark, why in NOT_TEXT.items() if head.startswith(mark)), ""):
        raise Unreadable(reason)
    return None


def in_zip(stream: IO[bytes]) -> DocumentFormat:
    """Return Word's format; raise Unreadable for another zip file."""
    try:
        names = zipfile.ZipFile(stream).namelist()
    except zipfile.BadZipFile:
        raise Unreadable("a damaged zip file; fetch it again") from None
    if "word/document.xml" in names:
        return WORD
    kinds = {"xl/workbook.xml": "a spreadsheet; save it as .csv", "ppt/presentation.xml": "slides; save them as .pdf",
             "META-INF/container.xml": "an e-book; convert it to .html", "content.xml": "an OpenDocument file; "
             "save it as .docx"}  # fmt: skip
    raise Unreadable(next((why for name, why in kinds.items() if name in names), UNPACK))


def document_text(document: DocumentFormat, data: bytes) -> str:
    """Return the text of a document; raise Unreadable if it is damaged, protected or has no text."""
    require_library(document)
    try:
        text = document.read(data)
    except Unreadable:
        raise
    except Exception as error:  # the libraries raise many kinds for damaged files
        raise Unreadable(f"a damaged {document.name} ({type(error).__name__}: {error}); fetch it again") from None
    if not text.strip():
        raise Unreadable(f"a {document.name} without text; if it is scanned, recognise its text (OCR) first")
    return text


def require_library(document: DocumentFormat) -> None:
    """Raise ValueError if the library that reads a document is missing."""
    if importlib.util.find_spec(document.module) is None:
        raise ValueError(f"reading a {document.name} needs {document.package}: pip install 'electra[documents]'")


def html_text(data: bytes) -> str:
    """Return the visible text of a page, a line for each block."""
    from inscriptis.html_engine import Inscriptis
    from inscriptis.model.config import ParserConfig
    from lxml.html import HTMLParser, document_fromstring

    try:
        data.decode("utf-8")
        encoding = "utf-8"
    except UnicodeDecodeError:
        encoding = None  # as the page says
    tree = document_fromstring(data, parser=HTMLParser(encoding=encoding, huge_tree=True))
    text: str = Inscriptis(tree, ParserConfig()).get_text()
    return "\n".join(line.strip() for line in text.splitlines())


def word_text(data: bytes) -> str:
    """Return the text of a Word file, a line for each paragraph; tracked insertions count as text.

    Headers come before the paragraphs and tables, footnotes, endnotes and footers after them, each apart by a blank
    line.
    """
    import docx

    require_word(data)
    main = docx.Document(io.BytesIO(data)).part
    found = {kind: [r.target_part for r in main.rels.values() if r.reltype.endswith(f"/{kind}")] for kind in AROUND}
    parts = [*found["header"], main, *found["footnotes"], *found["endnotes"], *found["footer"]]
    texts = dict.fromkeys(paragraphs_of(part) for part in parts)  # sections often have the same header
    return "\n\n".join(filter(None, texts))


def require_word(data: bytes) -> None:
    """Raise Unreadable for a file that would fill the memory, or declares entities."""
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        size = sum(part.file_size for part in packed.infolist())
        if size > UNPACKED or size > PACKED_BY * len(data):
            raise Unreadable(f"a Word file of {size / 1e6:,.0f} MB when unpacked; save its text as .txt")
        if any(b"<!DOCTYPE" in packed.read(name) for name in packed.namelist() if name.endswith(".xml")):
            raise Unreadable("a Word file with a document type, which Word does not write; save it again")


def paragraphs_of(part: Any) -> str:
    """Return the paragraphs of a part of a Word file, a line each."""
    from docx.oxml import parse_xml
    from docx.oxml.ns import qn

    element = part.element if hasattr(part, "element") else parse_xml(part.blob)
    return "\n".join(paragraph_text(paragraph, qn) for paragraph in element.iter(qn("w:p"))).strip("\n")


def paragraph_text(paragraph: Any, qn: Callable[[str], str]) -> str:
    """Return the text of a paragraph, without that of the paragraphs in its text boxes and what was moved away."""
    written = {qn("w:tab"): "\t", qn("w:br"): "\n", qn("w:cr"): "\n"}
    parts = []
    for part in paragraph.iter(qn("w:t"), *written):
        around = [above.tag for above in part.iterancestors(qn("w:p"), qn("w:moveFrom"))]
        is_own = next(part.iterancestors(qn("w:p"))) is paragraph and qn("w:moveFrom") not in around
        if is_own and part.getparent().tag == qn("w:r"):
            parts.append(written.get(part.tag) or part.text or "")
    return "".join(parts)


def pdf_text(data: bytes) -> str:
    """Return the lines of a PDF, with a blank line between pages."""
    import pypdf

    reader = pypdf.PdfReader(io.BytesIO(data))
    if reader.is_encrypted and not reader.decrypt(""):
        raise Unreadable("a PDF under a password; save it without one")
    return "\n\n".join(page.extract_text() for page in reader.pages)


PAGE = DocumentFormat("HTML page", "inscriptis", "inscriptis", html_text)
WORD = DocumentFormat("Word file", "docx", "python-docx", word_text)
PDF = DocumentFormat("PDF", "pypdf", "pypdf", pdf_text)
