"""Model files of ONNX Runtime and OpenVINO, open and ready to run: no torch."""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from electra.core.hardware import INT8_PRODUCTS, instructions

Array = NDArray[Any]
# Named inputs, names of outputs -> those outputs
Session = Callable[[dict[str, Array], Sequence[str]], list[Array]]


class Format(NamedTuple):
    """One way to run a model."""

    file: str
    library: str
    precision: str


# Fastest first where int8 is multiplied in hardware (results/inference_speed.json).
# File names are those of sentence-transformers and transformers.js.
FORMATS = {
    "openvino-int8": Format("openvino/openvino_model_qint8_quantized.xml", "openvino", "f32"),
    "openvino-bf16": Format("openvino/openvino_model.xml", "openvino", "bf16"),
    "onnx-int8": Format("onnx/model_quantized.onnx", "onnxruntime", "f32"),
    "openvino": Format("openvino/openvino_model.xml", "openvino", "f32"),
    "onnx": Format("onnx/model.onnx", "onnxruntime", "f32"),
}

# Fastest first where it is not (results/inference_speed_without_bf16.json): there OpenVINO runs int8 slower than f32.
WITHOUT_INT8_PRODUCTS = ("onnx-int8", "openvino", "openvino-bf16", "onnx", "openvino-int8")


def fastest_first() -> list[str]:
    """The formats in the order of their speed here; a machine that does not tell what it has counts as a new one."""
    found = instructions()
    return list(WITHOUT_INT8_PRODUCTS if found and not set(found) & set(INT8_PRODUCTS) else FORMATS)


def installed(library: str) -> bool:
    """Whether a library can be imported."""
    return importlib.util.find_spec(library) is not None


def open_session(folder: Path, format: str, threads: int = 0) -> Session:
    """A model file, ready to run on `threads` threads; 0: all that this process may use."""
    if format not in FORMATS:
        raise ValueError(f"unknown format {format!r}; there are {', '.join(FORMATS)}")
    file, library, precision = FORMATS[format]
    if not (folder / file).is_file():
        raise ValueError(f"{folder} holds no {file}, which the format {format} is read from")
    if not installed(library):
        raise ValueError(f"the format {format} needs {library}: pip install {library}")
    threads = threads or len(os.sched_getaffinity(0))
    try:
        return (open_onnx if library == "onnxruntime" else open_openvino)(folder / file, precision, threads)
    except Exception as error:  # each library has errors of its own for a file that is none
        raise ValueError(f"{folder / file} cannot be opened: it was cut short or altered ({error})") from None


def open_onnx(file: Path, precision: str, threads: int) -> Session:
    """An ONNX file in ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return lambda inputs, names: session.run(list(names), inputs)


def open_openvino(file: Path, precision: str, threads: int) -> Session:
    """An OpenVINO file; where the machine has no bf16, that precision is run as f32."""
    settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": precision}
    request = openvino_core().compile_model(str(file), "CPU", settings).create_infer_request()

    def run(inputs: dict[str, Array], names: Sequence[str]) -> list[Array]:
        found = request.infer(inputs, share_inputs=True, share_outputs=True)
        return [np.array(found[name]) for name in names]

    return run


@functools.cache
def openvino_core() -> Any:
    """OpenVINO, once for the process.

    A second core that outlives the first puts back the first one's stack for signals, which is freed by then: the next
    signal, a SIGTERM as a rule, would end in a segmentation fault.
    """
    without_telemetry()
    import openvino

    return openvino.Core()


def without_telemetry() -> None:
    """Keep OpenVINO and NNCF from reporting their use over the network: they do where this module can be imported."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
