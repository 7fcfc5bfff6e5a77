"""Several processes that train one model, started by torchrun or srun (docs/howto/many_gpus.md).

The micro-batch is the unit of randomness, not the process: process r of W takes micro-batches r, r + W, ... of a step,
and each is seeded by its number. So rows, masks, samples and dropout do not depend on W.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import PrefixStore  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous

from electra.config import require
from electra.core.errors import Interrupted, Lost, exit_code
from electra.core.log import logger
from electra.training.roll_call import RollCall

SHARED_STORE = (
    "after a restart on several hosts torchrun hands out the addresses of dead processes (pytorch #135712); set "
    "TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 on every host, or --max-restarts 0"
)


class World:
    """The processes of a run. The first alone reads, writes and reports; with a single one, no method costs time."""

    def __init__(self, rank: int = 0, size: int = 1, roll_call: RollCall | None = None) -> None:
        self.rank, self.size, self.roll_call = rank, size, roll_call
        self.is_first = rank == 0
        self.agent = os.getppid() if "TORCHELASTIC_RUN_ID" in os.environ else 0
        self.share = slice(rank, None, size)  # of the micro-batches of a step
        self.step = 0  # for messages

    def is_orphan(self) -> bool:
        """Return whether the agent of torchrun, which would start this process again, has died."""
        return bool(self.agent) and os.getppid() != self.agent

    def all_reduce(self, *tensors: Tensor) -> None:
        """Replace tensors of one type and device by their sums over all processes, in place."""
        if self.size > 1 and tensors:
            flat = torch.cat([tensor.flatten() for tensor in tensors])
            with self.waiting():
                dist.all_reduce(flat)
            for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
                tensor.copy_(part.view_as(tensor))

    def all_gather(self, tensor: Tensor) -> Tensor:
        """Return the tensors [n, ...] of all processes, whose n differ, joined in order of rank."""
        if self.size == 1:
            return tensor
        counts = torch.zeros(self.size, dtype=torch.long)
        counts[self.rank] = len(tensor)
        self.all_reduce(counts)
        padded = [tensor.new_zeros(int(counts.max()), *tensor.shape[1:]) for _ in range(self.size + 1)]
        padded[-1][: len(tensor)] = tensor
        with self.waiting():
            dist.all_gather(padded[:-1], padded[-1])
        return torch.cat([part[:count] for part, count in zip(padded, counts.tolist(), strict=False)])

    def broadcast(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors by those of the first process, in place."""
        if self.size > 1:
            with self.waiting(), torch.no_grad():
                for tensor in tensors:
                    dist.broadcast(tensor, 0)

    def from_first(self, make: Callable[[], Any]) -> Any:
        """Call `make` on the first process and return its result, which JSON can hold, on all.

        If it fails, its error is raised on the first process, and the others end in silence with the same exit code.
        """
        if self.size == 1:
            return make()
        error, content = None, b""
        try:
            content = json.dumps([make()]).encode() if self.is_first else b""
        except (ValueError, OSError) as raised:
            error = raised
        head = torch.tensor([len(content), exit_code(error) or 1 if error else 0])
        self.broadcast([head])
        if error:
            raise error
        if head[1]:
            raise SystemExit(int(head[1]))
        body = torch.frombuffer(bytearray(content), dtype=torch.uint8) if content else torch.empty(int(head[0])).byte()
        self.broadcast([body])
        return json.loads(body.numpy().tobytes())[0]

    @contextlib.contextmanager
    def speaks_once(self) -> Iterator[None]:
        """Let the first process alone report what all know: a stop, or a loss that is not finite."""
        try:
            yield
        except (Interrupted, FloatingPointError) as error:
            if self.is_first:
                raise
            raise SystemExit(exit_code(error)) from None

    def waiting(self) -> contextlib.AbstractContextManager[None]:
        """Return the context of a collective operation: if it fails, the error names the process to blame."""
        assert self.roll_call
        return self.roll_call.naming_missing(self.step)


@functools.cache  # a process joins once, for all its runs
def join(on_gpu: bool, minutes: float) -> World:
    """Join the processes that torchrun or srun started with this one; alone, return a world of one.

    Raises:
        ValueError: torchrun would restart the processes in a way that cannot work.
        Lost: the others did not come in time.
    """
    environment = os.environ
    if int(environment.get("WORLD_SIZE", 1)) == 1:
        return World()
    shared = environment.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    restarts, hosts = (int(environment.get(name, 0)) for name in ("TORCHELASTIC_MAX_RESTARTS", "GROUP_WORLD_SIZE"))
    require(not (shared and restarts and hosts > 1), SHARED_STORE)
    try:
        # A store that outlives its processes holds the addresses of dead ones, so each restart has a name of its own.
        # Several hosts could not agree on it, as each counts its own restarts.
        return meet(environment.get("TORCHELASTIC_RESTART_COUNT", "0") if shared else "0", on_gpu, minutes)
    except RuntimeError as error:
        raise Lost(
            f"not all of {environment['WORLD_SIZE']} processes met at {environment['MASTER_ADDR']} within {minutes:g} "
            f"minutes ({str(error).splitlines()[0]}); nothing is lost; run the same command again to continue"
        ) from error


def meet(name: str, on_gpu: bool, minutes: float) -> World:
    """Connect to the other processes, by addresses in a store under a name."""
    timeout = timedelta(minutes=minutes)
    store, rank, size = next(rendezvous("env://", timeout=timeout))
    store = PrefixStore(name, store)
    backend = "cpu:gloo,cuda:nccl" if on_gpu else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=timeout)
    logger.disabled = rank > 0
    return World(rank, size, RollCall(store, rank, size, minutes))
