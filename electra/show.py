"""Show: words with their marks as JSON, in a terminal, in a page that needs nothing else."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from electra.detect import Word


def print_json(name: str, words: list[Word], threshold: float) -> None:
    """One line of JSON for one file."""
    content = [
        word._asdict() | {"replaced": round(word.replaced, 4), "marked": word.is_marked(threshold)} for word in words
    ]
    print(json.dumps({"file": name, "threshold": threshold, "words": content}, ensure_ascii=False))


def coloured(text: str, words: list[Word], threshold: float) -> Text:
    """The text with marked words in red, and what would fit behind them."""
    shown, end = Text(), 0
    for word in words:
        if not word.is_marked(threshold):
            continue
        shown.append(text[end : word.start])
        shown.append(word.text, style="bold red underline")
        shown.append(f" [{'|'.join(word.suggestions) or '?'}]", style="green")  # also seen where there is no colour
        end = word.end
    return shown.append(text[end:])


def marked_html(text: str, words: list[Word], threshold: float, wrong: frozenset[int] = frozenset()) -> str:
    """The text as a paragraph, each word shaded by its probability; words whose start is in `wrong` are outlined."""
    parts, end = [], 0
    for word in words:
        parts.append(escape(text[end : word.start]))
        names = [n for n, yes in (("marked", word.is_marked(threshold)), ("wrong", word.start in wrong)) if yes]
        title = f"{word.replaced:.2f}" + (f", rather: {', '.join(word.suggestions)}" if word.suggestions else "")
        parts.append(
            f'<span class="{" ".join(names)}" style="--p:{word.replaced:.3f}" title="{escape(title)}">'
            f"{escape(word.text)}</span>"
        )
        end = word.end
    return f'<p class="text">{"".join(parts)}{escape(text[end:])}</p>'


def escape(text: str) -> str:
    """Make text safe inside a page."""
    return html.escape(text)


def page(title: str, body: str) -> str:
    """A self-contained page: no script, nothing from elsewhere."""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title><style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.6 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
.text {{ white-space: pre-wrap; }}
.text span {{ background: rgb(220 40 40 / calc(var(--p) * 0.8)); border-radius: 3px; }}
.text .marked {{ text-decoration: underline wavy crimson; }}
.text .wrong {{ outline: 2px solid royalblue; }}
table {{ border-collapse: collapse; }}
td, th {{ padding: .2rem .8rem; text-align: right; border-bottom: 1px solid #8886; }}
td:first-child, th:first-child {{ text-align: left; }} svg {{ max-width: 100%; height: auto; background: white; }}
</style></head><body><h1>{escape(title)}</h1>
{body}
</body></html>
"""
