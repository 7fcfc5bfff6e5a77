"""What is known of a language's errors, read from a file of data; another language has none, and does without."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from electra.core.storage import read_object

FOLDER = Path(__file__).parent
NOTHING = "-"  # in the data: no letters, as in "- s", by which house becomes houses
Others = dict[str, tuple[str, ...]]  # what may stand wrongly for a word
Pairs = tuple[tuple[str, str], ...]


class Language(NamedTuple):
    """Lists of a language, read in lower case; an empty list plants no errors of its kind."""

    confusable: Others = {}  # noqa: RUF012  words that differ in a letter or two, with which errors are measured
    confused: Others = {}  # noqa: RUF012  these and all other words that are taken for one another
    forms: Others = {}  # noqa: RUF012  irregular forms of a word
    mistakes: dict[str, str] = {}  # noqa: RUF012  words that are never right, and what is meant: dont, don't
    endings: Pairs = ()  # regular forms: one ending and what stands wrongly for it
    articles: tuple[str, ...] = ()
    prepositions: tuple[str, ...] = ()
    little: tuple[str, ...] = ()  # pronouns, auxiliary verbs, conjunctions: other words that are left out or needless
    twice: frozenset[str] = frozenset()  # words that may rightly stand twice in a row: very very, had had
    sounds: Pairs = ()  # letters and others that sound alike
    vowels: str = ""
    keys: dict[str, str] = {}  # noqa: RUF012  a letter and its neighbours on the keyboard

    def inflections(self, word: str, known: Container[str]) -> tuple[str, ...]:
        """Return other forms of a word: those of the list, or known words with another ending.

        An unknown word may be an irregular one with a regular ending: teached, from teach, gets taught as well.
        """
        if word in self.forms:
            return self.forms[word]
        found = [word[: len(word) - len(a)] + b for a, b in self.endings if word[2:].endswith(a)]
        if word not in known:
            found += [form for base in found for form in self.forms.get(base, ())]
        return tuple(dict.fromkeys(form for form in found if form in known and form != word))


def find_language(name: str) -> Language:
    """Return the lists of a language: `english`, `none`, or a file in the form of english.json.

    Raises:
        ValueError: there is no such file, or it holds something else.
    """
    if name == "none":
        return Language()
    path = FOLDER / "english.json" if name == "english" else Path(name).expanduser()
    if not path.is_file():
        raise ValueError(
            f"{name}: no such language; name english, none, or a JSON file like {FOLDER.name}/english.json"
        )
    content = read_object(path)
    if unknown := sorted(content.keys() - set(Language._fields)):
        raise ValueError(f"{path}: unknown list {unknown[0]!r}; name one of {', '.join(Language._fields)}")
    try:
        return language_of(content)
    except (AttributeError, TypeError, ValueError):
        raise ValueError(f"{path} is not a file of lists; write it like {FOLDER.name}/english.json") from None


def language_of(content: dict[str, Any]) -> Language:
    """Return the lists in the content of a file; TypeError where a text stands for a list."""
    for name in ("confusable", "confused", "forms", "mistakes", "endings", "sounds"):
        if not isinstance(content.get(name, []), list):
            raise TypeError(name)
    confusable = content.get("confusable", [])
    return Language(
        others(confusable),
        others([*confusable, *content.get("confused", [])]),
        others(content.get("forms", [])),
        dict(corrected(content.get("mistakes", []))),
        pairs(content.get("endings", [])),
        tuple(content.get("articles", "").lower().split()),
        tuple(content.get("prepositions", "").lower().split()),
        tuple(content.get("little", "").lower().split()),
        frozenset(content.get("twice", "").lower().split()),
        pairs(content.get("sounds", [])),
        str(content.get("vowels", "")),
        {letter: str(near) for letter, near in content.get("keys", {}).items()},
    )


def others(groups: Iterable[str]) -> Others:
    """Return for each word the other words of its groups."""
    found: dict[str, dict[str, None]] = {}
    for group in groups:
        words = group.lower().split()
        for word in words:
            found.setdefault(word, {}).update(dict.fromkeys(w for w in words if w != word))
    return {word: tuple(there) for word, there in found.items()}


def corrected(written: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield mistakes, each with what is meant: all that follows the first word; ValueError where nothing does."""
    for line in written:
        mistake, meant = line.split(maxsplit=1)
        yield mistake.lower(), meant


def pairs(written: Iterable[str]) -> Pairs:
    """Return pairs of letters."""
    found = []
    for pair in written:
        a, b = ("" if part == NOTHING else part for part in pair.split())
        found.append((a, b))
    return tuple(found)
