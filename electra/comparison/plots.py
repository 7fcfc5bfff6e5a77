"""Plots of a comparison: score against compute, score against size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Curve = tuple[list[float], list[list[float]]]  # x positions, and at each the scores of all seeds


class Sized(NamedTuple):
    """The final scores of a contestant, and its size."""

    method: str  # the contestant without its size
    size: float
    scores: list[float]


def against_flops(title: str, curves: dict[str, Curve]) -> Figure:
    """Plot a score during training against compute, with its spread over seeds."""
    figure, axes = blank(title, "training FLOPs")
    for number, (name, (places, scores)) in enumerate(curves.items()):
        draw(axes, places, scores, name, number)
    name_lines(figure, axes)
    return figure


def against_size(title: str, axis: str, contestants: Sequence[Sized]) -> Figure:
    """Plot the final score against a size, with a line for each method (paper, Figures 3 and 4)."""
    figure, axes = blank(title, axis)
    for number, method in enumerate(dict.fromkeys(c.method for c in contestants)):
        ordered = sorted((c for c in contestants if c.method == method), key=lambda c: c.size)
        draw(axes, [c.size for c in ordered], [c.scores for c in ordered], method, number)
    name_lines(figure, axes)
    return figure


def draw(axes: Axes, places: list[float], scores: list[list[float]], name: str, number: int) -> None:
    """Draw the means as a line, with a band of one standard deviation."""
    means = np.array([np.mean(s) for s in scores])
    colour, style = f"C{number % 10}", ("o-", "s--", "^:")[number // 10 % 3]  # there are ten colours
    axes.plot(places, means, style, label=name, color=colour, markersize=4)
    if min(map(len, scores)) > 1:
        spreads = np.array([np.std(s, ddof=1) for s in scores])
        axes.fill_between(places, means - spreads, means + spreads, color=colour, alpha=0.15)


def name_lines(figure: Figure, axes: Axes) -> None:
    """Add a legend below the axes, where long names hide no lines, and extend the figure for it."""
    figure.legend(loc="outside lower center", fontsize="small")
    figure.set_figheight(4 + 0.2 * len(axes.lines))


def blank(title: str, axis: str) -> tuple[Figure, Axes]:
    """Return an empty figure with one pair of axes."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.set(title=title, xlabel=axis)
    axes.grid(alpha=0.3)
    return figure, axes
