"""Load test of a served model: throughput and latency at peak, under overload, over time, and beside slow clients.

The server runs in a process of its own. Each round measures
  peak      16 clients, each of which waits for its answer (closed loop);
  overload  requests at ten times the peak rate, whether or not earlier ones are answered (open loop);
  peak      again, because the speed of a shared machine drifts.
Goodput is the number of answers 200 per second; refusals are answers 429. Then the resident memory is watched over many
requests, and one well-behaved client is timed beside sockets that send a byte of a header every second.

Sender and server share the machine's cores. --apart pins the sender to the last core and the server to the others, as
in a load test from another machine. The results are written to --out and printed.

Everything, about 4 minutes and the time of 100,000 requests:
    python benchmarks/serve_load.py runs/mine --out results/serve_load.json
Only goodput and refusals under overload, 100 seconds:
    python benchmarks/serve_load.py runs/mine --requests 0 --sockets 0 --out overload.json
A check that it runs, 10 seconds:
    python benchmarks/serve_load.py runs/mine --seconds 1 --rounds 1 --requests 0 --sockets 0 --out check.json
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import itertools
import json
import operator
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from electra.core.hardware import provenance  # noqa: E402
from electra.core.storage import write_json  # noqa: E402

WORDS = "the of and in to was is for on that by with from his were are which city first century people".split()  # noqa: SIM905
CLIENTS = 16


class Answer(NamedTuple):
    code: int
    seconds: float


class Target:
    """A server and a pool of idle connections to it."""

    def __init__(self, port: int, words: int) -> None:
        self.port, self.idle, rng = port, [], random.Random(0)
        self.requests = itertools.cycle([self.request(rng, words) for _ in range(1000)])

    def request(self, rng: random.Random, words: int) -> bytes:
        body = json.dumps({"inputs": " ".join(rng.choices(WORDS, k=words)), "suggestions": 0}).encode()
        head = (
            f"POST /detect HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    async def ask(self) -> Answer:
        """Send a request on an idle or a new connection; code 0 means that the connection broke."""
        data, start = next(self.requests), time.perf_counter()
        for fresh in (False, True):  # the server may have closed an idle connection
            try:
                reuse = self.idle and not fresh
                reader, writer = self.idle.pop() if reuse else await asyncio.open_connection("127.0.0.1", self.port)
                writer.write(data)
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(re.search(rb"content-length: (\d+)", head)[1]))
                self.idle.append((reader, writer))
                return Answer(int(head[9:12]), time.perf_counter() - start)
            except (OSError, asyncio.IncompleteReadError):
                continue
        return Answer(0, time.perf_counter() - start)


async def closed_loop(target: Target, seconds: float, clients: int) -> list[Answer]:
    """Run clients that each wait for their answer before they send again."""
    end, answers = time.perf_counter() + seconds, []

    async def client() -> None:
        while time.perf_counter() < end:
            answers.append(await target.ask())

    await asyncio.gather(*(client() for _ in range(clients)))
    return answers


async def open_loop(target: Target, seconds: float, rate: float) -> list[Answer]:
    """Send requests at a fixed rate, whether or not earlier ones are answered."""
    tasks, start = [], time.perf_counter()
    while (now := time.perf_counter() - start) < seconds:
        tasks += [asyncio.create_task(target.ask()) for _ in range(int(now * rate) - len(tasks))]
        await asyncio.sleep(0.005)
    return list(await asyncio.gather(*tasks))


async def observed(load: Awaitable[list[Answer]], process: psutil.Process) -> dict[str, Any]:
    """Summarise a load, with the CPU cores that server and sender used."""
    both = {"server_cores": process, "sender_cores": psutil.Process()}
    start, before = time.perf_counter(), {name: cpu_seconds(each) for name, each in both.items()}
    answers = await load
    seconds = time.perf_counter() - start
    return summary(answers, seconds) | {
        name: round((cpu_seconds(each) - before[name]) / seconds, 2) for name, each in both.items()
    }


def cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU time a process has used."""
    times = process.cpu_times()
    return times.user + times.system


def summary(answers: list[Answer], seconds: float) -> dict[str, Any]:
    """Return counts by code, goodput, and the latency of answers and of refusals in milliseconds."""
    row: dict[str, Any] = {
        "requests": len(answers),
        "codes": {str(code): n for code, n in sorted(Counter(a.code for a in answers).items())},
        "server_errors": sum(a.code >= 500 for a in answers),
        "broken": sum(a.code == 0 for a in answers),  # connections
        "goodput_per_second": round(sum(a.code == 200 for a in answers) / seconds, 1),
    }
    for name, code in (("answered", 200), ("refused", 429)):
        times = [1000 * a.seconds for a in answers if a.code == code]
        if times:
            row[name + "_ms"] = {f"p{p}": round(float(np.percentile(times, p)), 1) for p in (50, 99)}
    return row


async def measure(process: psutil.Process, port: int, options: argparse.Namespace) -> dict[str, Any]:
    """Run every part that the options ask for."""
    target = Target(port, options.words)
    await closed_loop(target, 2, CLIENTS)
    alone = await observed(closed_loop(target, options.seconds, 1), process)
    rounds = [await peak_and_overload(target, process, options) for _ in range(options.rounds)]
    return {
        "one_client": alone, "rounds": rounds, "share_of_peak": median(rounds, "share_of_peak"),
        "memory": await memory(target, process, options.requests) if options.requests else None,
        "slow": await slow(target, process, options) if options.sockets else None,
    }  # fmt: skip


async def peak_and_overload(target: Target, process: psutil.Process, options: argparse.Namespace) -> dict[str, Any]:
    """Measure the peak, a multiple of it, and the peak again: a shared machine's speed drifts within seconds."""
    before = await observed(closed_loop(target, options.seconds, CLIENTS), process)
    rate = options.times * before["goodput_per_second"]
    over = await observed(open_loop(target, options.seconds, rate), process)
    after = await observed(closed_loop(target, options.seconds, CLIENTS), process)
    peak = (before["goodput_per_second"] + after["goodput_per_second"]) / 2
    share = round(over["goodput_per_second"] / peak, 3)
    return {
        "before": before,
        "overload": over,
        "after": after,
        "rate_per_second": round(rate, 1),
        "share_of_peak": share,
    }


def median(rounds: list[dict[str, Any]], *path: str) -> float | None:
    """Return the median of a value over the rounds; None if a round lacks it."""
    found = [functools.reduce(lambda part, name: part.get(name, {}), path, each) for each in rounds]
    return None if {} in found else round(float(np.median(found)), 3)


async def memory(target: Target, process: psutil.Process, requests: int) -> dict[str, Any]:
    """Record the server's resident memory after each tenth of the requests."""
    sizes, codes = [], Counter()
    for _ in range(10):
        left = requests // 10

        async def client() -> None:
            nonlocal left
            while left > 0:
                left -= 1
                codes[(await target.ask()).code] += 1

        await asyncio.gather(*(client() for _ in range(CLIENTS)))
        sizes.append(round(process.memory_info().rss / 1e6, 1))
    growth = sizes[-1] / sizes[1] - 1  # the first fifth is warm-up
    return {
        "requests": requests, "codes": {str(code): n for code, n in sorted(codes.items())},
        "server_errors": sum(n for code, n in codes.items() if code >= 500), "resident_mb": sizes,
        "growth": round(growth, 4), "growth_in_10000": round(growth * 10_000 / (0.8 * requests), 4),
    }  # fmt: skip


async def slow(target: Target, process: psutil.Process, options: argparse.Namespace) -> dict[str, Any]:
    """Time one client alone, then beside sockets that never finish a request and reconnect when disconnected."""
    before = await observed(closed_loop(target, options.seconds, 1), process)
    lives: list[float] = []

    async def drip() -> None:
        while True:
            start = time.perf_counter()
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
                writer.write(b"POST /detect HTTP/1.1\r\nhost: a\r\nx: ")
                ended = asyncio.ensure_future(reader.read())
                while not (await asyncio.wait((ended,), timeout=1))[0]:
                    writer.write(b"a")
                ended.exception()  # a reset connection is no error here
            except OSError:
                await asyncio.sleep(0.1)  # disconnected at once
            finally:
                lives.append(time.perf_counter() - start)  # also of a socket that was never disconnected

    drips = [asyncio.create_task(drip()) for _ in range(options.sockets)]
    await asyncio.sleep(1)
    seconds = max(15.0, options.seconds)  # longer than the server lets one live
    beside = await observed(closed_loop(target, seconds, 1), process)
    for task in drips:
        task.cancel()
    await asyncio.gather(*drips, return_exceptions=True)
    return {
        "sockets": options.sockets,
        "alone": before,
        "beside": beside,
        "longest_life_s": round(max(lives, default=0), 1),
    }


def against_bars(found: dict[str, Any]) -> dict[str, Any]:
    """Compare the measured values with their bars; a value that should exist but is None fails."""
    rounds, over_time, beside_slow = found["rounds"], found["memory"], found["slow"]
    parts = [found["one_client"], *(each[part] for each in rounds for part in ("before", "overload", "after"))]
    rows = {
        "share_of_peak_at_overload": (found["share_of_peak"], ">=", 0.9),
        "refused_p50_ms": (median(rounds, "overload", "refused_ms", "p50"), "<=", 50),
        "refused_p99_ms": (median(rounds, "overload", "refused_ms", "p99"), "<=", 50),
    }
    if over_time:
        parts.append(over_time)
        rows["memory_growth_in_10000"] = (over_time["growth_in_10000"], "<=", 0.01)
    if beside_slow:
        parts += [beside_slow["alone"], beside_slow["beside"]]
        rows["slow_sockets_longest_life_s"] = (beside_slow["longest_life_s"], "<=", 12)
        rows["honest_p99_beside_them"] = (ratio(beside_slow["beside"], beside_slow["alone"]), "<=", 2)
    rows["server_errors"] = (sum(part["server_errors"] for part in parts), "<=", 0)
    passes = {">=": operator.ge, "<=": operator.le}
    return {
        name: {"measured": value, "bar": f"{sign} {bar}", "passed": value is not None and passes[sign](value, bar)}
        for name, (value, sign, bar) in rows.items()
    }


def ratio(beside: dict[str, Any], alone: dict[str, Any]) -> float | None:
    """Return the ratio of two loads' p99 latencies."""
    rows = [row.get("answered_ms", {}).get("p99") for row in (beside, alone)]
    return round(rows[0] / rows[1], 2) if all(rows) else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="whatever `electra serve` takes")
    parser.add_argument("--seconds", type=float, default=5, help="length of each load")
    parser.add_argument("--words", type=int, default=90, help="words per text")
    parser.add_argument("--times", type=float, default=10, help="overload as a multiple of the peak")
    parser.add_argument("--requests", type=int, default=100_000, help="requests over which memory is watched; 0: skip")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of peak, overload, peak; medians are reported")
    parser.add_argument("--sockets", type=int, default=500, help="slow sockets; 0: skip")
    parser.add_argument("--apart", action="store_true", help="pin sender and server to separate cores")
    parser.add_argument("--out", required=True, type=Path)
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    if options.apart:
        os.sched_setaffinity(0, cores[:-1])  # the server inherits this
    command = [sys.executable, "-m", "electra", "serve", options.model, "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as server:
        if options.apart:
            os.sched_setaffinity(0, cores[-1:])
        try:
            port = int(re.search(r":(\d+)$", server.stderr.readline().strip())[1])
            found = asyncio.run(measure(psutil.Process(server.pid), port, options))
        finally:
            server.terminate()
    found["bars"] = against_bars(found)
    settings = {name: getattr(options, name) for name in ("model", "seconds", "words", "times", "apart")}
    write_json(options.out, found | settings | provenance("fastapi", "uvicorn", "torch"))
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
