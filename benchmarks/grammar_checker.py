"""A grammar checker made of rules, for comparison: Harper, which comes from npm with its dictionary and asks nobody.

    npm install harper.js        # in any folder; its node_modules is what detection_quality.py --grammar-checker takes

Texts have no capitals and stop in mid-sentence, so what it says of capitals and of spaces is left out.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

WORKER = """
import { readFileSync } from 'node:fs';
const { LocalLinter } = await import(process.argv[1] + '/index.js');
const { binaryInlined } = await import(process.argv[1] + '/binaryInlined.js');
const linter = new LocalLinter({ binary: binaryInlined }), found = [];
for (const text of JSON.parse(readFileSync(0, 'utf8'))) {
  const lints = await linter.lint(text, { language: 'plaintext' });
  const meant = lints.filter(lint => !['Capitalization', 'Formatting'].includes(lint.lint_kind()));
  found.push(meant.map(lint => [lint.span().start, lint.span().end]));
}
console.log(JSON.stringify(found));
"""


def grammar_scores(node_modules: Path, texts: Sequence[Sequence[str]]) -> list[list[float]]:
    """1 for each word of a text that a rule objects to, else 0; ValueError where the checker is not there."""
    package = node_modules.resolve() / "harper.js" / "dist"
    if not package.is_dir():
        raise ValueError(f"{node_modules} holds no harper.js; npm install harper.js, and name its node_modules")
    command = ["node", "--input-type=module", "-e", WORKER, package.as_uri()]
    sent = json.dumps([" ".join(words) for words in texts])
    done = subprocess.run(command, input=sent, stdout=subprocess.PIPE, text=True, check=True)
    return [covered(words, spans) for words, spans in zip(texts, json.loads(done.stdout), strict=True)]


def covered(words: Sequence[str], spans: Sequence[tuple[int, int]]) -> list[float]:
    """1 for each word that a span touches; words have one space between them, spans count UTF-16 units."""
    scores, start = [], 0
    for word in words:
        end = start + len(word.encode("utf-16-le")) // 2
        scores.append(float(any(first < end and start < last for first, last in spans)))
        start = end + 1
    return scores
