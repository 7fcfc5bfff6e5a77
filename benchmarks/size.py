"""Size of the package: lines, longest function and file, import time. Prints one JSON object."""

import ast
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from electra.core.hardware import provenance

PACKAGE = Path(__file__).parent.parent / "electra"


def main() -> None:
    files = {str(path.relative_to(PACKAGE)): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
    lines = {name: text.count("\n") for name, text in files.items()}
    functions = {
        f"{name}:{node.name}": node.end_lineno - node.lineno + 1
        for name, text in files.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    longest = max(functions, key=functions.__getitem__)
    file = max(lines, key=lines.__getitem__)
    print(
        json.dumps(
            {
                "files": len(files),
                "lines": sum(lines.values()),
                "longest_file": [file, lines[file]],
                "functions": len(functions),
                "median_function": statistics.median(functions.values()),
                "longest_function": [longest, functions[longest]],
                "import_seconds": seconds("import electra"),
                "help_seconds": seconds("from electra.cli import main; main(['--help'])"),
                **provenance(),
            },
            indent=2,
        )
    )


def seconds(code: str) -> float:
    """The median time of a fresh interpreter over five runs."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return round(statistics.median(times), 3)


if __name__ == "__main__":
    main()
