"""CUDA graphs: launching the thousand kernels of a step one by one takes longer than running them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._pytree import tree_leaves, tree_map_only

NOT_CAPTURED = (
    "a step could not be captured as a CUDA graph; an objective that reads a tensor's value during a step needs "
    "--compile off"
)


class Captured:
    """Call `function` normally until `ready()`, then capture it once as a CUDA graph and replay that.

    The function takes and returns tensors, in tuples or not. The normal calls compile it and allocate whatever outlives
    a call. Inputs must keep their shapes, and the function must not read a tensor's value. Graphs that share a `pool`
    must be replayed in the order of their capture. With a seed set before, a replayed call draws the same random
    numbers as a normal one.
    """

    def __init__(
        self, function: Callable[..., Any], stream: torch.cuda.Stream, pool: Any, ready: Callable[[], bool]
    ) -> None:
        self.function, self.stream, self.pool, self.ready = function, stream, pool, ready
        self.inputs: Any = None
        self.outputs: Any = None
        self.graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, *inputs: Any) -> Any:
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            outputs = self.replay(inputs) if self.ready() else self.function(*inputs)
        torch.cuda.current_stream().wait_stream(self.stream)
        return outputs

    def replay(self, inputs: Any) -> Any:
        """Run the graph on these inputs, capturing it first if necessary."""
        if self.graph is None:
            self.inputs = tree_map_only(torch.Tensor, torch.clone, inputs)
            self.graph = torch.cuda.CUDAGraph()
            try:
                with torch.cuda.graph(self.graph, self.pool, self.stream):
                    self.outputs = self.function(*self.inputs)
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:
                raise ValueError(f"{NOT_CAPTURED} ({error})") from error
        for mine, given in zip(tree_leaves(self.inputs), tree_leaves(inputs), strict=True):
            mine.copy_(given)
        self.graph.replay()
        return tree_map_only(torch.Tensor, torch.clone, self.outputs)
