"""Export a model to runtimes without torch, and check every file against torch."""

from __future__ import annotations

import importlib.metadata
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import electra
from electra.checkpoints.huggingface import load_network
from electra.checkpoints.locate import model_folder, network_kind, run_data, stated_architecture
from electra.config import ExportConfig, require
from electra.core.log import logger
from electra.core.storage import read_object, write_json, written_whole
from electra.data.shards import open_examples
from electra.exporting.compact import compact
from electra.exporting.judge import CALIBRATION, LOSSY, PARITY, SHAPES, TOO_LITTLE, Judge, difference, task_of
from electra.exporting.write import quantise_onnx, quantise_openvino, write_onnx, write_openvino
from electra.inference.load import assemble
from electra.inference.model import Model
from electra.inference.sessions import FORMATS, installed, open_session
from electra.inference.torch_session import TorchSession
from electra.models.graph import Graph
from electra.models.kinds import EXPORTABLE
from electra.text.dictionary import copy_dictionary
from electra.text.lines import read_text
from electra.text.tokenizer import load_tokenizer

LIBRARIES = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "openvino": ("onnx", "onnxscript", "openvino", "nncf")}
BF16 = "openvino-bf16"  # the same file as openvino, run in less precision
EXTRAS = {"onnx": "export", "openvino": "export,openvino"}


def export(config: ExportConfig) -> dict[str, Any]:
    """Write and check the files; return the report, which is also in export.json.

    Each file is compared with torch: the largest difference of its outputs, and for lossy ones (int8) the loss of AUC
    or of the task's metric on held-out text. `formats` in the report has these and the size of each file in megabytes.

    Raises:
        ValueError: a library or held-out text is missing, or a file differs or loses more than the tolerance; refused
            files are not in the folder, and export.json names them.
    """
    require(bool(config.model), "which model? name a run or a Hugging Face ELECTRA directory")
    require(bool(config.out), "where to? name a folder with --out")
    out, folder = Path(config.out), model_folder(Path(config.model))
    with written_whole(out) as partial:
        report = export_to(partial, folder, config)
    refused = [each["format"] for each in report["formats"] if not each["kept"]]
    require(not refused, f"refused {', '.join(refused)}: see {out / 'export.json'}; the other files are good")
    logger.info(f"wrote {out}: {', '.join(each['format'] for each in report['formats'])}")
    return report


def export_to(out: Path, folder: Path, config: ExportConfig) -> dict[str, Any]:
    """Write and check the files of the model in `folder`; return the report."""
    formats = wanted(config)
    require_exportable(folder)
    network = load_network(folder)
    session = TorchSession(network)
    graph, reference = session.graph, assemble(folder, network.kind, session, None, "torch")
    lines = heldout_lines(config, folder, reference) if any(f in LOSSY for f in formats) else []
    require(bool(lines) or not config.int8, TOO_LITTLE)
    if not lines and BF16 in formats:
        formats.remove(BF16)
        logger.info(f"{BF16} is left out, as there is no held-out text to judge it on: name a file with --text")
    judge = Judge(reference, lines, config.task)
    write_files(out, folder, graph, reference, formats, lines[:CALIBRATION], config.compact)
    results = [check(out, name, graph.outputs, judge, config) for name in formats]
    if config.compact and all(each["kept"] for each in results):
        compact(out)
        results = [each for each in results if each["format"] == "onnx-int8"]
    report = describe(config, folder, results, len(lines))
    write_json(out / "export.json", report)
    return report


def wanted(config: ExportConfig) -> list[str]:
    """Return the requested formats; raise ValueError if a library that writes them is missing."""
    for runtime in config.to:
        missing = [name for name in LIBRARIES[runtime] if not installed(name)]
        require(not missing, f"--to {runtime} needs {', '.join(missing)}: pip install 'electra[{EXTRAS[runtime]}]'")
    names: list[str] = [name for name in ("onnx", "openvino") if name in config.to]
    names += [BF16] if "openvino" in config.to else []
    return names + [f"{name}-int8" for name in ("onnx", "openvino") if config.int8 and name in config.to]


def require_exportable(folder: Path) -> None:
    """Raise ValueError if a network cannot be exported."""
    content = read_object(folder / "config.json")
    name = stated_architecture(content)
    require(network_kind(content) in EXPORTABLE, f"{folder} holds a {name}, which has no exported form")


def heldout_lines(config: ExportConfig, folder: Path, reference: Model) -> list[str]:
    """Return text to calibrate and judge int8 on: --text, the texts of --task, or the run's held-out text.

    Without int8 it may be none: OpenVINO's bf16 alone is then left out.
    """
    if config.task and not config.text:
        return ["\t".join(example.texts) for example in task_of(reference).read(config.task, "dev")]
    if config.text:
        return [line for line in read_text(config.text).splitlines() if line.strip()]
    data = run_data(folder.parent)
    if data is None:
        needed = "int8 is judged on held-out text: name a file with --text, one text per line"
        require(not config.int8, needed)
        return []
    examples, tokenizer = open_examples(str(data), "heldout"), load_tokenizer(data)
    return [tokenizer.backend.decode(examples[i].tolist()) for i in range(min(len(examples), 2000))]


# -- writing -----------------------------------------------------------------------------------------------------------


def write_files(
    out: Path, folder: Path, graph: Graph, reference: Model, formats: list[str], calibration: list[str],
    compact: bool = False,
) -> None:  # fmt: skip
    """Write all requested files, the tokeniser and the configuration; the generator in full precision.

    The generator has its own tokeniser file, so that other software finds it: it is a model by itself.
    """
    reference.tokenizer.save(out, reference.longest)
    write_json(out / "config.json", read_object(folder / "config.json"))
    copy_dictionary(folder, out)
    write_plain(out, graph, formats)
    if "onnx-int8" in formats:
        quantise_onnx(out / FORMATS["onnx"].file, out / FORMATS["onnx-int8"].file, embeddings=compact)
    if "openvino-int8" in formats:
        batches = [reference.pad(rows) for rows in rows_of(reference, calibration)]
        quantise_openvino(out / FORMATS["openvino"].file, out / FORMATS["openvino-int8"].file, batches)
    if (folder / "generator" / "config.json").exists():
        reference.tokenizer.save(out / "generator", reference.longest)
        write_plain(out / "generator", Graph(load_network(folder / "generator")).eval(), formats)
        shutil.copyfile(folder / "generator" / "config.json", out / "generator" / "config.json")


def write_plain(out: Path, graph: Graph, formats: list[str]) -> None:
    """Write the full-precision files of one network."""
    for name, write in (("onnx", write_onnx), ("openvino", write_openvino)):
        if name in formats:
            (out / FORMATS[name].file).parent.mkdir(parents=True, exist_ok=True)
            write(graph, out / FORMATS[name].file)


def rows_of(model: Model, lines: list[str]) -> list[list[list[int]]]:
    """Return the ids of lines, in batches of four lines."""
    rows = [model.row(model.tokenizer.encode(line).ids[: model.longest - 2]) for line in lines]
    return [rows[i : i + 4] for i in range(0, len(rows), 4)]


# -- checking ----------------------------------------------------------------------------------------------------------


def check(out: Path, name: str, outputs: Sequence[str], judge: Judge, config: ExportConfig) -> dict[str, Any]:
    """Compare one format with torch; remove a file that is not good enough."""
    file = out / FORMATS[name].file
    if not file.exists():  # refused in full precision
        return {"format": name, "file": FORMATS[name].file, "good": False, "kept": False}
    session, reference = open_session(out, name), judge.reference
    worst = difference(reference, session, outputs)
    result = {"format": name, "file": FORMATS[name].file, "megabytes": megabytes(file), "max_difference": worst}
    if name in LOSSY:
        score = judge.score(reference.over(session, name))
        loss = judge.expected - score
        good = loss <= config.tolerance
        result |= {"measure": judge.measure, "torch": round(judge.expected, 5), "score": round(score, 5)}
        logger.info(f"{name}: {judge.measure} {score:.4f}, torch {judge.expected:.4f}")
    else:
        good = worst <= PARITY
        logger.info(f"{name}: differs from torch by {worst:.1e} at most, over {len(SHAPES)} shapes")
    if not good and not config.force:
        logger.warning(
            f"{name} is refused: it differs or loses more than allowed (--tolerance {config.tolerance}, --force)"
        )
        if name != BF16:
            file.unlink()
            file.with_suffix(".bin").unlink(missing_ok=True)
    return result | {"good": good, "kept": good or config.force}


def megabytes(file: Path) -> float:
    """Return the size of a file with its weights beside it."""
    return round(sum(f.stat().st_size for f in {file, file.with_suffix(".bin")} if f.exists()) / 1e6, 2)


def describe(config: ExportConfig, folder: Path, results: list[dict[str, Any]], lines: int) -> dict[str, Any]:
    """Return the content of export.json."""
    libraries = {"torch", *(name for runtime in config.to for name in LIBRARIES[runtime])}
    return {
        "architecture": stated_architecture(read_object(folder / "config.json")),
        "formats": results,
        "tolerance": config.tolerance,
        "parity": PARITY,
        "shapes": SHAPES,
        "heldout_lines": lines,
        "versions": {"electra": electra.__version__}
        | {name: importlib.metadata.version(name) for name in sorted(libraries)},
    }
