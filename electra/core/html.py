"""Self-contained HTML pages."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


# A text whose words are shaded by a probability; electra/inference/marked_text.py writes it.
MARKS = """.text { white-space: pre-wrap; }
.text span { background: rgb(220 40 40 / calc(var(--p) * 0.8)); border-radius: 3px; }
.text .marked { text-decoration: underline wavy crimson; }
.text .wrong { outline: 2px solid royalblue; }"""


def page(title: str, body: str) -> str:
    """Return a page without scripts or external resources."""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title><style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.6 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
{MARKS}
table {{ border-collapse: collapse; display: block; overflow-x: auto; }}
td, th {{ padding: .2rem .8rem; text-align: right; border-bottom: 1px solid #8886; }}
td:first-child, th:first-child {{ text-align: left; }} svg {{ max-width: 100%; height: auto; background: white; }}
@media (prefers-color-scheme: dark) {{ svg {{ filter: invert(.93) hue-rotate(180deg); }} }}
</style></head><body><h1>{escape(title)}</h1>
{body}
</body></html>
"""


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; cells are escaped."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def svg_of(figure: Figure) -> str:
    """Return a figure as an SVG element."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg")
    svg = buffer.getvalue()
    return svg[svg.index("<svg") :]
