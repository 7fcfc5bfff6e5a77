"""Write a network for ONNX Runtime and OpenVINO, in full precision and in int8."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from electra.core.storage import write_atomically
from electra.exporting.positions import make_positions_optional
from electra.inference.sessions import openvino_core, without_telemetry
from electra.models.graph import Graph

OPSET = 18
PRODUCTS = ("MatMul", "Gemm")
EXAMPLE = (2, 9)  # the shape a network is traced with; files accept any


def write_onnx(graph: Graph, file: Path, optional_positions: bool = True) -> None:
    """Write a network for any number of rows and tokens; see `make_positions_optional`."""
    rows, length = torch.export.Dim("batch"), torch.export.Dim("length", max=longest(graph))
    example = tuple(
        torch.ones(EXAMPLE, dtype=torch.int64) for _ in graph.inputs
    )  # not one tensor: it would be one input
    shapes = {name: {0: rows, 1: length} for name in graph.inputs}
    if "positions" in graph.inputs:
        shapes["positions"] = {0: rows, 1: torch.export.Dim("positions")}
    with quiet():
        program = torch.onnx.export(
            graph, example, dynamo=True, dynamic_shapes=shapes, opset_version=OPSET,
            input_names=list(graph.inputs), output_names=list(graph.outputs), external_data=False, verbose=False,
        )  # fmt: skip
    assert program is not None
    for node in program.model.graph.all_nodes():  # stack traces, which name folders of this machine
        node.metadata_props.clear()
        node.doc_string = None
    model = program.model_proto
    if "positions" in graph.inputs and optional_positions:
        make_positions_optional(model)
    with write_atomically(file) as out:
        out.write(model.SerializeToString())


def longest(graph: Graph) -> int:
    """Return the maximum number of tokens of a network."""
    network: Any = graph.network
    return int(network.encoder.config.max_position_embeddings)


def write_openvino(graph: Graph, file: Path) -> None:
    """Write a network for OpenVINO by way of ONNX, from which OpenVINO fuses attention and GELU."""
    without_telemetry()
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        # OpenVINO takes an input that has a default for a constant.
        write_onnx(graph, Path(folder) / "model.onnx", optional_positions=False)
        model = openvino.convert_model(Path(folder) / "model.onnx")
        openvino.save_model(model, file, compress_to_fp16=False)


def quantise_onnx(file: Path, quantised: Path, embeddings: bool = False) -> None:
    """Quantise to int8 the weights of matrix products, whose activations follow at run time, and a memory's tables.

    embeddings: word embeddings too, which otherwise stay as they are.
    """
    without_telemetry()
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    nodes = onnx.load(file).graph.node
    wanted = "embedding" if embeddings else ".memory.table."
    tables = [node for node in nodes if node.op_type == "Gather" and wanted in node.input[0]]
    chosen = [node.name for node in (*tables, *(node for node in nodes if node.op_type in PRODUCTS))]
    chosen += [f"{node.name}_MatMul" for node in nodes if node.op_type == "Gemm"]  # what the library makes of it
    with quiet():
        quantize_dynamic(
            file, quantised, weight_type=QuantType.QInt8, per_channel=True, op_types_to_quantize=[*PRODUCTS, "Gather"],
            nodes_to_quantize=chosen,
        )  # fmt: skip


def quantise_openvino(file: Path, quantised: Path, batches: list[dict[str, Any]]) -> None:
    """Quantise weights and activations to int8, activations by the ranges they take in `batches`."""
    without_telemetry()
    import nncf
    import openvino

    with quiet():
        model = nncf.quantize(
            openvino_core().read_model(file),
            nncf.Dataset(batches),
            model_type=nncf.ModelType.TRANSFORMER,
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(batches),
        )
    openvino.save_model(model, quantised)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence the libraries' warnings and progress bars."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
