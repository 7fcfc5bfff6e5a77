"""Configuration of `electra compare`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import NamedTuple

from electra.config.base import arg, part_of, require, require_at_least, require_local, require_not_negative

UNITS = {"": ("FLOPs", 1), "tok": ("tokens", 1), "ktok": ("tokens", 1e3), "Mtok": ("tokens", 1e6),
         "Gtok": ("tokens", 1e9), "s": ("minutes", 1 / 60), "m": ("minutes", 1), "h": ("minutes", 60)}  # fmt: skip


class Budget(NamedTuple):
    """The budget of every contestant."""

    amount: float
    unit: str  # FLOPs; or tokens or minutes of the first contestant


def read_budget(text: str) -> Budget:
    """Parse a budget: 3e15, 20Mtok, 20m; raise ValueError for anything else."""
    found = re.fullmatch(r"(\d+\.?\d*(?:e\+?\d+)?)\s*([A-Za-z]*)", text.strip())
    if not found or found[2] not in UNITS or not 0 < float(found[1]) < math.inf:
        raise ValueError(f"invalid budget {text!r}: write FLOPs as 3e15, tokens as 20Mtok (or ktok, Gtok), time as 20m")
    unit, factor = UNITS[found[2]]
    return Budget(float(found[1]) * factor, unit)


@dataclass(frozen=True)
class CompareConfig:
    """Race objectives, sharing modes or sizes at equal compute."""

    data: str = arg("data/prepared", "folder that `electra prepare` wrote, with held-out text")
    out: str = arg("runs/compare", "folder of the race; the same command again continues it")
    runs: str = arg("", "folder of the runs, which several races may share; default: in --out")
    preset: str = arg("tiny", "defaults of all contestants: tiny, mini, small, small++, base or large")
    settings: tuple[str, ...] = arg((), "FIELD=VALUE for every contestant, instead of the preset's")
    contestants: tuple[str, ...] = arg(
        (),
        "OBJECTIVE[:FIELD=VALUE,...] each; the others are tested against the first. Fields are those of "
        "`electra pretrain`, architecture=electra or modernbert, width=0.5 (a network of half the width), times=4 "
        "(four times the budget)",
    )
    objectives: tuple[str, ...] = arg((), "shorthand for contestants without fields: electra,mlm")
    budget: str = arg("20m", "budget of each: FLOPs (3e15), or tokens (20Mtok) or time (20m) of the first")
    seeds: int = arg(1, "runs of each contestant; 2 or more give a spread and a paired test")
    part: str = arg(
        "",
        "i/n: train only every n-th run, from the i-th (0/4 ... 3/4, each on its own machine, with one folder); the "
        "same command without it collects. Not with a budget of time",
    )
    points: int = arg(4, "evaluations of each run, evenly spaced, beside one before it is trained")
    task: tuple[str, ...] = arg(
        (), "tasks to fine-tune on: FOLDER with a train and a dev file, or KIND=FOLDER, as in mnli=glue/MNLI"
    )
    task_points: int = arg(0, "how many of the last points to fine-tune on the tasks; 0: all")
    threads: int = arg(0, "CPU threads; 0: torch's choice")
    generator: str = arg("", "run or masked language model that corrupts the evaluation text; default: unigrams")

    def __post_init__(self) -> None:
        for name in ("settings", "contestants", "objectives", "task"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        require(
            not self.part or read_budget(self.budget).unit != "minutes",
            f"budget {self.budget} with --part: the speed of a machine sets a budget of time, so give all parts the "
            "same FLOPs (3e15) or tokens (20Mtok)",
        )
        part_of(self.part)
        require_local(self)
        read_budget(self.budget)
        require_at_least(self, 1, "seeds", "points")
        require_not_negative(self, "threads")
        require(
            0 <= self.task_points <= self.points,
            f"task_points must be between 0 and points ({self.points}), got {self.task_points}",
        )
        require(
            bool(self.contestants) or bool(self.objectives),
            "no contestants: name some, as in --contestants electra mlm electra:share=none",
        )
