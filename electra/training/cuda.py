"""A function on a GPU as one CUDA graph: launching its thousand kernels one by one would take longer than they do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._pytree import tree_leaves, tree_map_only

NOT_CAPTURED = (
    "a step could not be captured as a CUDA graph; an objective that reads a tensor's value on the way must be run "
    "with --compile off"
)


class Captured:
    """Calls `function` with tensors, in tuples or not: as it is until `ready`, then captured and replayed.

    The first calls compile, and allocate what lives longer than a call. Inputs must keep their shapes, and the function
    must not read a tensor's value. Graphs of one `pool`, replayed in the order of their capture, share memory. Replayed
    or not, the function draws the same numbers from a generator that was seeded before.
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
        """Run the graph on these inputs."""
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
