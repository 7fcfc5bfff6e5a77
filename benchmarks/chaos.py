"""Kill, fill, tear and storm small runs until they have survived: `make chaos` writes results/chaos.json.

    python benchmarks/chaos.py --kills 300 --out results/chaos.json

A run is started again after every fault, of one process or of two, until it ends. It must then equal the undisturbed
run: weights, moments and metrics bit for bit, no line twice or missing; no fault may cost more than the steps since
the last checkpoint; every end has one of the documented exit codes. Before that, a run is killed inside each system
call that changes a file, from the step before its last save to its end. All faults come from one seed, but where they
strike depends on the machine. Faults that need root, a C compiler or control groups are left out where there are none.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from chaos_faults import possible
from faults import armed
from storm import SAVE, STEPS, Storm
from tiny import Fault, train_as

from electra.core.hardware import provenance
from electra.core.storage import write_json
from electra.training.checkpoint import checkpoints, fault_of

SLOWEST = 15.0  # seconds from a start to the first step that is new


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60.0, help="stop earlier than --kills")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        storm = Storm(Path(folder), options.seed)
        calls = sweep(storm) if storm.built else 0
        faults, result = possible(storm), told(storm, calls)
        while storm.kills < options.kills and time.monotonic() - begun < 60 * options.minutes and not storm.wrong:
            storm.survive(faults)
            seconds = time.monotonic() - begun
            print(f"{seconds:.0f} s, {storm.runs} runs, {storm.kills} kills, {storm.wrong or 'all equal'}", flush=True)
            result = told(storm, calls) | {"minutes": round(seconds / 60, 1)}
            if options.out:
                write_json(options.out, result)
    print(json.dumps(result, indent=2))
    sys.exit(bool(storm.wrong))


def sweep(storm: Storm, every: int = 1) -> int:
    """Kill a run inside each system call of its last save and its end; return the number of calls."""
    halted = storm.config("halted")
    fault = Fault("stopped", 0, STEPS - 2)
    (process,) = storm.begun((train_as, (0, 1, 0, [halted], fault)))
    process.join()
    for call in itertools.count(1, every):
        config = storm.config(f"call-{call}")
        shutil.copytree(halted.out, config.out)
        storm.begin(config)
        codes = storm.end(storm.processes(config, 1, armed(storm.built, storm.out, "kill", call)))
        if codes == [0]:
            storm.compare(config)
            return call - 1
        storm.kills += 1
        storm.faults["kill_9_inside_each_system_call_of_a_save"] += 1
        storm.require(codes == [-signal.SIGKILL], f"call {call}: exit codes {codes}")
        is_whole = any(fault_of(path) is None for path in checkpoints(storm.out / "checkpoints"))
        storm.require(is_whole, f"call {call}: no checkpoint is whole")
        storm.require_end(config, storm.processes(config))
        storm.compare(config)
        if storm.wrong:
            break
    return call


def told(storm: Storm, calls: int) -> dict[str, Any]:
    """What the storm has cost, beside the bars."""
    seconds = {kind: spread(found) for kind, found in storm.seconds.items() if found}
    return {
        "kills": storm.kills,
        "system_calls_of_a_save_and_the_end": calls,
        "faults": dict(sorted(storm.faults.items())),
        "runs": storm.runs,
        "wrong": storm.wrong,
        "save_steps": SAVE,
        "most_steps_lost": max(storm.lost, default=0),
        "seconds_to_a_new_step": seconds | {"bar": SLOWEST},
        "load": os.getloadavg()[1],
        **provenance(),
    }


def spread(found: list[float]) -> dict[str, float]:
    return {"starts": len(found), "median": statistics.median(found), "most": max(found)}


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    main()
