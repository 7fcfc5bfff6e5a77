"""The training loop. It knows no objective and no task: only batches, losses, steps and files.

A step is a pure function of (seed, step): weights, optimizer and step are the whole state.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from electra.config import FinetuneConfig, PretrainConfig
from electra.core.errors import Interrupted
from electra.core.log import logger
from electra.data.loader import Loader
from electra.interface import Output, Source, Trainable
from electra.training.checkpoint import load_checkpoint, newest_checkpoint, save_checkpoint, truncate_metrics
from electra.training.cuda import Captured
from electra.training.log import Log, Window
from electra.training.optimizer import set_rate
from electra.training.schedule import learning_rate, progress
from electra.training.seed import seed_all
from electra.training.signals import handled_by
from electra.training.unchecked import Unchecked

WARM_UP = 3  # steps that run as they are before they are captured
EVALUATION = 1  # second word of the seed: keeps the draws of evaluation apart from those of training


class Trainer:
    """Trains `module` on `loader`, saving to `folder`; continues from the newest whole checkpoint there.

    captured: a step runs as a CUDA graph; the batches of a stage then have the same shape.
    """

    def __init__(
        self,
        module: Trainable,
        optimizer: torch.optim.Optimizer,
        loader: Source,
        heldout: Loader | None,
        config: PretrainConfig | FinetuneConfig,
        folder: Path,
        device: torch.device,
        micro_batch_size: int,
        captured: bool = False,
    ) -> None:
        self.module, self.optimizer, self.loader, self.heldout = module, optimizer, loader, heldout
        self.config, self.folder, self.device, self.micro_batch_size = config, folder, device, micro_batch_size
        self.captured = captured
        self.captured_for: tuple[Any, ...] = ()
        self.graphs: StepParts | None = None
        self.step, self.tokens, self.seconds = 0, 0, 0.0
        self.unchecked: list[Unchecked] = []
        self.saved_step = -1
        self.window = Window()
        self.log = Log(folder / "metrics.jsonl", config.warmup_steps)
        self.stop_requested = False
        if device.type == "cuda" and device.index is not None:
            torch.cuda.set_device(device)  # streams, events and graphs are made on the current one
        self.module.settle = taken_back
        self.on_step: Callable[[Trainer], None] = lambda trainer: None

    def fit(self) -> None:
        """Train to the end of the budget; Interrupted when a signal came first."""
        self.resume()
        if self.done() == 1:
            return
        with handled_by(self.note_signal):
            self.line_start = (time.perf_counter(), self.tokens)
            while self.done() < 1 and not self.stop_requested:
                self.train_step()
                self.after_step()
            if self.done() == 1:
                if self.window.times:  # the steps since the last line
                    self.write_line()
                self.evaluate()
            self.save()
        self.optimizer.zero_grad()
        self.graphs = None  # it holds the trainer: the next seed needs the memory
        if self.done() < 1:
            raise Interrupted(f"stopped at step {self.step:,}; run the same command again to go on")

    def done(self) -> float:
        """The share of the budget that is spent."""
        return progress(self.config, self.step, self.tokens, self.seconds)

    def train_step(self) -> None:
        """One optimizer step: losses over the tokens of the whole batch, joint clip, update."""
        start = time.perf_counter()
        done = self.done()
        self.module.begin_step(self.step, done)
        self.module.train()
        self.rate = learning_rate(self.config, self.step, done)
        set_rate(self.optimizer, self.rate)
        batches = self.loader.micro_batches(self.step, self.micro_batch_size, done)
        if self.captured:
            self.capture(batches[0])
        counts = total([self.module.count(batch) for batch in batches])
        self.tokens += int(counts.tokens)
        counts = to_device(counts, self.device)
        parts, losses = self.graphs or self.parts(), []
        for number, batch in enumerate(batches):
            seed_all(self.config.seed, 0, self.step, number)
            backward = parts.add_gradient if number else parts.take_gradient
            output = backward(to_device(batch, self.device), counts)
            self.window.add(output.metrics)
            losses.append(output.loss)
        norm = parts.clip()
        self.unchecked.append(Unchecked.of(self.step, torch.stack([torch.stack(losses).sum(), norm])))
        self.require_finite(behind=1 if self.device.type == "cuda" else 0)
        parts.move_weights()
        self.step += 1
        self.seconds += time.perf_counter() - start

    def take_gradient(self, batch: Any, counts: Any) -> Output:
        """The gradient of a step's first micro-batch, in the place of the last step's."""
        self.optimizer.zero_grad()
        return self.add_gradient(batch, counts)

    def add_gradient(self, batch: Any, counts: Any) -> Output:
        """Add the gradient of a micro-batch to that of those before it."""
        output: Output = self.module(batch, counts)
        output.loss.backward()
        return output._replace(loss=output.loss.detach())

    def clip(self) -> torch.Tensor:
        """Clip the joint gradient to a norm; the norm it had."""
        return nn.utils.clip_grad_norm_(self.module.parameters(), self.config.max_grad_norm, foreach=True)

    def move_weights(self) -> None:
        """Move the weights by the gradient."""
        self.optimizer.step()

    def parts(self) -> StepParts:
        """What a step is made of, as it is."""
        return StepParts(self.take_gradient, self.add_gradient, self.clip, self.move_weights)

    def capture(self, batch: Any) -> None:
        """Have a step's parts captured, anew in each stage: all in one step, as they share the gradient's memory."""
        captured_for = (self.module.stage, *(tensor.shape for tensor in tree_leaves(batch)))
        if self.captured_for == captured_for:
            return
        self.captured_for, began = captured_for, self.step
        stream, pool = torch.cuda.Stream(), torch.cuda.graph_pool_handle()

        def ready() -> bool:
            return self.step >= began + WARM_UP

        self.graphs = StepParts(*(Captured(part, stream, pool, ready) for part in self.parts()))

    def require_finite(self, behind: int = 0) -> None:
        """Stop before an update would spoil the weights; on a GPU, which may be `behind`, before they are saved."""
        while len(self.unchecked) > behind:
            step, loss, norm = self.unchecked.pop(0).read()
            if not math.isfinite(loss + norm):
                raise FloatingPointError(
                    f"step {step}: loss {loss}, gradient norm {norm}. Nothing of it was saved; the last checkpoint in "
                    f"{self.folder / 'checkpoints'} is good. Lower --learning-rate or use --precision fp32"
                )

    def after_step(self) -> None:
        """Log, evaluate and save when it is time."""
        c = self.config
        if self.step % c.log_steps == 0:
            self.write_line()
        if c.eval_steps and self.step % c.eval_steps == 0 and self.done() < 1:
            self.evaluate()
        self.on_step(self)  # before the checkpoint: a run killed between both takes the step, and its hook, again
        if c.save_steps and self.step % c.save_steps == 0 and self.done() < 1:
            self.save()

    def write_line(self) -> None:
        """One line of metrics: the means since the last."""
        self.require_finite()
        now, (then, tokens) = time.perf_counter(), self.line_start
        left = self.seconds * (1 / self.done() - 1) if self.done() else None
        fields = {"lr": self.rate, "tokens": self.tokens, "seconds": round(self.seconds, 3)}
        self.log.train(self.step, self.window.mean(), (self.tokens - tokens) / (now - then), left, **fields)
        self.window = Window()
        self.line_start = (now, self.tokens)

    def evaluate(self) -> dict[str, float]:
        """Measure, and write a line about it."""
        self.require_finite()
        metrics = self.measure()
        if metrics:
            self.log.write(kind="eval", step=self.step, **metrics, tokens=self.tokens, seconds=round(self.seconds, 3))
        return metrics

    @torch.no_grad()
    @torch.compiler.set_stance("force_eager")  # a second graph would take longer to compile than evaluation takes
    def measure(self) -> dict[str, float]:
        """The means over held-out text, with the same masks and samples each time."""
        if self.heldout is None:
            return {}
        assert isinstance(self.config, PretrainConfig)
        self.module.eval()
        window = Window()
        batches = min(self.config.eval_batches, -(-self.heldout.num_rows // self.heldout.batch_size))
        for number in range(batches):
            seed_all(self.config.seed, EVALUATION, number, 0)
            (batch,) = self.heldout.micro_batches(number, self.heldout.batch_size)
            window.add(self.module(to_device(batch, self.device)).metrics)
        return window.mean()

    def save(self) -> None:
        """Write a checkpoint, unless this step has one."""
        if self.saved_step == self.step:
            return
        self.require_finite()
        state = {"step": self.step, "tokens": self.tokens, "seconds": self.seconds, "window": self.window.state()}
        folder = self.folder / "checkpoints"
        save_checkpoint(folder, self.step, self.module, self.optimizer, state, self.config.save_total_limit)
        self.saved_step = self.step

    def resume(self) -> None:
        """Continue from the newest whole checkpoint, if there is one."""
        path = newest_checkpoint(self.folder / "checkpoints")
        state: dict[str, Any] = {"step": 0, "tokens": 0, "seconds": 0.0, "window": {}}
        if path:
            state = load_checkpoint(path, self.module, self.optimizer)
            self.saved_step = state["step"]
            logger.info(f"continuing from step {state['step']:,}")
        self.step, self.tokens, self.seconds = state["step"], state["tokens"], state["seconds"]
        self.window = Window(**state["window"])
        truncate_metrics(self.log.path, self.step)

    def note_signal(self, number: int, frame: object) -> None:
        """Turn the first signal into a stop after the current step; a second one ends at once."""
        if self.stop_requested:
            raise KeyboardInterrupt
        self.stop_requested = True
        # Not logged: the signal may have come in the middle of a message, and a handler need not allow a second one.
        os.write(2, b"\nfinishing the step and saving; once more to leave at once\n")


class StepParts(NamedTuple):
    """What a step is made of."""

    take_gradient: Callable[[Any, Any], Output]
    add_gradient: Callable[[Any, Any], Output]
    clip: Callable[[], torch.Tensor]
    move_weights: Callable[[], None]


def taken_back(loss: torch.Tensor) -> torch.Tensor:
    """Take the gradient of a part of the loss now; its value."""
    if loss.requires_grad:
        loss.backward()
    return loss.detach()


def total(counts: list[Any]) -> Any:
    """The sum of the micro-batches' counts."""
    return type(counts[0])(*(torch.stack(list(values)).sum() for values in zip(*counts, strict=True)))


def to_device(batch: Any, device: torch.device) -> Any:
    """Move a batch: a tensor, or a tuple of such."""
    if isinstance(batch, torch.Tensor):  # from memory that is not pinned, a copy waits until the GPU is idle
        return batch.contiguous().pin_memory().to(device, non_blocking=True) if device.type == "cuda" else batch
    return type(batch)(*(to_device(part, device) for part in batch))
