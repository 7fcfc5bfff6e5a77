"""Make an exported folder small: int8 throughout, and nothing in full precision beside it."""

from __future__ import annotations

from pathlib import Path

from electra.exporting.write import quantise_onnx
from electra.inference.sessions import FORMATS

PLAIN, SMALL = FORMATS["onnx"].file, FORMATS["onnx-int8"].file


def compact(out: Path) -> None:
    """Quantise the generator too, and remove the files in full precision."""
    generator = out / "generator"
    if (generator / PLAIN).exists():
        quantise_onnx(generator / PLAIN, generator / SMALL, embeddings=True)
    for plain in (out / PLAIN, generator / PLAIN):
        plain.unlink(missing_ok=True)
