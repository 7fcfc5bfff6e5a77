"""Make the positions that a masked language model predicts an optional input of its ONNX file.

Other software gives a masked language model no positions and expects logits for all tokens, [B, L, V]: `fill-mask` of
transformers.js. Detection asks for one position of each row, and would pay for the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx

NAME, CHOSEN = "positions", "chosen_positions"


def make_positions_optional(model: onnx.ModelProto) -> None:
    """Give the input `positions` [B, K] a default, which is empty, and read an empty one as all tokens of each row."""
    import onnx

    graph = model.graph
    for node in graph.node:
        node.input[:] = [CHOSEN if name == NAME else name for name in node.input]
    for place, node in enumerate(chosen_positions()):
        graph.node.insert(place, node)
    shape = next(each for each in graph.input if each.name == NAME).type.tensor_type.shape
    shape.dim[0].dim_param = "position_rows"  # 0 in the default, whatever the number of rows
    graph.initializer.append(onnx.numpy_helper.from_array(np.zeros((0, 0), np.int64), NAME))
    onnx.checker.check_model(model)


def chosen_positions() -> list[onnx.NodeProto]:
    """Return nodes that compute the chosen positions: [0 .. L) in each row if none are given."""
    from onnx.helper import make_node, make_tensor

    def constant(name: str, value: int, dims: tuple[int, ...] = ()) -> onnx.NodeProto:
        return make_node("Constant", [], [name], value=make_tensor(name, 7, dims, [value]))  # 7: int64

    return [
        constant("at_zero", 0), constant("at_one", 1), constant("at_first", 0, (1,)), constant("at_rest", -1, (1,)),
        make_node("Size", [NAME], ["at_given"]),
        make_node("Equal", ["at_given", "at_zero"], ["at_none"]),
        make_node("Cast", ["at_none"], ["at_all"], to=7),
        make_node("Shape", ["input_ids"], ["at_shape"]),
        make_node("Gather", ["at_shape", "at_one"], ["at_length"]),
        make_node("Mul", ["at_length", "at_all"], ["at_end"]),  # 0 if positions are given
        make_node("Range", ["at_zero", "at_end", "at_one"], ["at_row"]),
        make_node("Gather", ["at_shape", "at_first"], ["at_rows"]),
        make_node("Reshape", ["at_end", "at_rest"], ["at_ends"]),
        make_node("Concat", ["at_rows", "at_ends"], ["at_expanded"], axis=0),
        make_node("Expand", ["at_row", "at_expanded"], ["at_every"]),
        make_node("Reshape", ["at_every", "at_rest"], ["at_every_flat"]),
        make_node("Reshape", [NAME, "at_rest"], ["at_given_flat"]),
        make_node("Concat", ["at_given_flat", "at_every_flat"], ["at_flat"], axis=0),
        make_node("Concat", ["at_rows", "at_rest"], ["at_table"], axis=0),
        make_node("Reshape", ["at_flat", "at_table"], [CHOSEN]),
    ]  # fmt: skip
