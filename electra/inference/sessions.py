"""Sessions, which run a network on arrays: those of ONNX Runtime and OpenVINO. No torch."""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from electra.core.hardware import INT8_PRODUCTS, instructions, usable_cores

Array = NDArray[Any]


class Session(Protocol):
    """Map named arrays to named arrays."""

    outputs: tuple[str, ...]  # names of its outputs

    def __call__(self, inputs: Mapping[str, Array], names: Sequence[str]) -> list[Array]:
        """Return the outputs `names` for named int64 inputs."""


class Format(NamedTuple):
    """One way to run a model."""

    file: str
    library: str
    precision: str


# Fastest first on CPUs with int8 instructions (results/inference_speed.json).
# File names are those of sentence-transformers and transformers.js.
FORMATS = {
    "openvino-int8": Format("openvino/openvino_model_qint8_quantized.xml", "openvino", "f32"),
    "openvino-bf16": Format("openvino/openvino_model.xml", "openvino", "bf16"),
    "onnx-int8": Format("onnx/model_quantized.onnx", "onnxruntime", "f32"),
    "openvino": Format("openvino/openvino_model.xml", "openvino", "f32"),
    "onnx": Format("onnx/model.onnx", "onnxruntime", "f32"),
}

# Fastest first on others (results/inference_speed_without_bf16.json), where OpenVINO runs int8 slower than f32.
WITHOUT_INT8_PRODUCTS = ("onnx-int8", "openvino", "openvino-bf16", "onnx", "openvino-int8")


def fastest_first() -> list[str]:
    """Return the formats, fastest first; assume int8 instructions if the CPU's are unknown."""
    found = instructions()
    return list(WITHOUT_INT8_PRODUCTS if found and not set(found) & set(INT8_PRODUCTS) else FORMATS)


def installed(library: str) -> bool:
    """Return whether a library can be imported."""
    return importlib.util.find_spec(library) is not None


def open_session(folder: Path, format: str, threads: int = 0) -> Session:
    """Open a model file to run on `threads` threads; 0: all that this process may use."""
    if format not in FORMATS:
        raise ValueError(f"unknown format {format!r}; there are {', '.join(FORMATS)}")
    file, library, precision = FORMATS[format]
    if not (folder / file).is_file():
        raise ValueError(
            f"{folder} has no {file}, the file of format {format}; export the model again, or leave the format out"
        )
    if not installed(library):
        raise ValueError(f"the format {format} needs {library}: pip install {library}")
    threads = threads or usable_cores()
    try:
        return SESSIONS[library](folder / file, precision, threads)
    except Exception as error:  # each library has its own errors for a damaged file
        raise ValueError(
            f"{folder / file} cannot be opened: it was cut short or altered ({error}); export it again"
        ) from None


class OnnxSession:
    """An ONNX file in ONNX Runtime."""

    def __init__(self, file: Path, precision: str, threads: int) -> None:
        without_telemetry()
        import onnxruntime

        onnxruntime.disable_telemetry_events()  # in case somebody else has imported it before
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors: it warns of an input with a default, which positions are
        self.session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        self.outputs = tuple(output.name for output in self.session.get_outputs())

    def __call__(self, inputs: Mapping[str, Array], names: Sequence[str]) -> list[Array]:
        found: list[Array] = self.session.run(list(names), dict(inputs))
        return found


class OpenVinoSession:
    """An OpenVINO file; without bf16 instructions, that precision runs as f32."""

    def __init__(self, file: Path, precision: str, threads: int) -> None:
        settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": precision}
        model = openvino_core().compile_model(str(file), "CPU", settings)
        self.request = model.create_infer_request()
        self.outputs = tuple(output.get_any_name() for output in model.outputs)

    def __call__(self, inputs: Mapping[str, Array], names: Sequence[str]) -> list[Array]:
        found = self.request.infer(dict(inputs), share_inputs=True, share_outputs=True)
        return [np.array(found[name]) for name in names]


SESSIONS: dict[str, type[OnnxSession] | type[OpenVinoSession]] = {
    "onnxruntime": OnnxSession,
    "openvino": OpenVinoSession,
}


@functools.cache
def openvino_core() -> Any:
    """Return OpenVINO's core, one for the process.

    A second core that outlives the first would restore the first one's signal stack, which is freed by then: the next
    signal, usually a SIGTERM, would end in a segmentation fault.
    """
    without_telemetry()
    import openvino

    return openvino.Core()


def without_telemetry() -> None:
    """Keep ONNX Runtime, OpenVINO and NNCF from reporting their use over the network; call it before their import."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read once, when ONNX Runtime is imported
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
