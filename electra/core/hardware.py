"""The hardware: cores that may be used, peak memory, and the provenance of a measurement."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

# Instruction sets determine the speed of a CPU: without bf16 products training is several times slower, and without
# int8 products a quantised model is no faster than the original.
INT8_PRODUCTS = ("avx_vnni", "avx512_vnni", "amx_int8", "asimddp")
INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16", *INT8_PRODUCTS)
PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "onnxruntime", "openvino")


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def provenance(*packages: str) -> dict[str, Any]:
    """Return the provenance that every published figure includes; `packages` are added to PACKAGES."""
    return {"hardware": hardware(), "versions": versions(*packages), "commit": commit()}


def hardware() -> dict[str, Any]:
    """Describe the machine."""
    models = [line.split(":", 1)[1].strip() for line in cpuinfo() if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    found = {
        "cpu": models[0] if models else platform.processor(),
        "instructions": instructions(),
        "cores": os.cpu_count(),
        "memory_gb": round(memory),
    }
    torch = sys.modules.get("torch")
    return found | ({"gpu": torch.cuda.get_device_name()} if torch and torch.cuda.is_available() else {})


def instructions() -> list[str]:
    """Return the INSTRUCTIONS that the processor has; empty if the system does not list them."""
    flags = next((line.split() for line in cpuinfo() if line.startswith(("flags", "Features"))), [])
    return [name for name in INSTRUCTIONS if name in flags]


@functools.cache
def cpuinfo() -> list[str]:
    """Return the lines of /proc/cpuinfo; empty on systems other than Linux."""
    file = Path("/proc/cpuinfo")
    return file.read_text().splitlines() if file.exists() else []


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of Python and of the installed packages among PACKAGES and `packages`."""
    found = {"python": platform.python_version()}
    for name in (*PACKAGES, *packages):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def commit(root: Path = Path(__file__).parents[2]) -> str:
    """Return the commit of a source tree, with a + after changes; empty outside a clone."""
    if not (root / ".git").exists() or not shutil.which("git"):
        return ""

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "electra", "benchmarks") else "")


def peak_memory() -> float:
    """Return the peak memory of this process, in MB."""
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text().splitlines()
        return int(next(line.split()[1] for line in status if line.startswith("VmHWM"))) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
