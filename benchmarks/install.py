"""Install the package as README says, each way in an environment of its own with nothing cached; seconds and megabytes.

    UV_TORCH_BACKEND=cpu python benchmarks/install.py --out results/install.json

The last commit is cloned into a temporary folder. There `pip install .` fills one environment, and the two targets that
`make demo` and `make test` begin with fill another, one after the other. `--tools pip` leaves uv out, `--tools uv`
pip; uv is installed beside them if there is none. Seconds depend on the way to the packages as much as on the machine.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from result_file import add

ROOT = Path(__file__).resolve().parent.parent
WAYS = {
    "pip install .": (
        "package",
        {"uv": "uv pip install --quiet --python {python}", "pip": "{python} -m pip install -q"},
    ),
    "make demo": ("clone/.venv", "make .venv/.trains"),
    "make test": ("clone/.venv", "make .venv/.installed"),  # after `make demo`, so its seconds are those of the rest
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "install.json")
    parser.add_argument("--tools", default="uv,pip")
    asked = parser.parse_args()
    for tool in asked.tools.split(","):
        with tempfile.TemporaryDirectory() as folder:
            measure(tool, Path(folder), asked.out)


def measure(tool: str, folder: Path, out: Path) -> None:
    """Install every way by one tool, and write a row for each."""
    subprocess.run(["git", "clone", "--quiet", ROOT, folder / "clone"], check=True)
    environment = surroundings(tool, folder)
    for way, (place, command) in WAYS.items():
        python = folder / place / "bin" / "python"
        if isinstance(command, dict):
            without = ["--without-pip"] if tool == "uv" else []
            subprocess.run([sys.executable, "-m", "venv", *without, folder / place], check=True)
            links = f" --find-links {where}" if (where := os.environ.get("PIP_FIND_LINKS")) else ""
            command = f"{command[tool].format(python=python)} -c constraints.txt{links} ."
        start = time.perf_counter()
        subprocess.run(command, shell=True, cwd=folder / "clone", env=environment, check=True)
        row = {"megabytes": round(megabytes(folder / place)), "seconds": round(time.perf_counter() - start, 1)}
        row |= {"packages": len(list((folder / place).glob("lib/python*/site-packages/*.dist-info")))}
        add(out, f"{way}, {tool}", row | {"torch": version_of("torch", python), "cpu_load": os.getloadavg()[0]})
        print(way, tool, row, flush=True)


def surroundings(tool: str, folder: Path) -> dict[str, str]:
    """Return an environment in which only the tool is found, with an empty cache."""
    tools, paths = folder / "tools", os.environ["PATH"].split(os.pathsep)
    subprocess.run([sys.executable, "-m", "venv", tools], check=True)
    if tool == "uv" and not shutil.which("uv"):
        subprocess.run([tools / "bin" / "pip", "install", "--quiet", "uv"], check=True)
    if tool == "pip":
        paths = [path for path in paths if not Path(path, "uv").exists()]
    caches = {"UV_CACHE_DIR": str(folder / "cache"), "PIP_NO_CACHE_DIR": "1"}
    path = os.pathsep.join([str(tools / "bin"), *paths])
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | caches | {"PATH": path}


def megabytes(folder: Path) -> float:
    """Return what the files of an environment take on the disk, in millions of bytes; a file under two names once."""
    found = [file.lstat() for file in folder.rglob("*")]
    return sum({stat.st_ino: 512 * stat.st_blocks for stat in found}.values()) / 1e6


def version_of(package: str, python: Path) -> str:
    """Return the version of a package in an environment, or an empty string."""
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    main()
