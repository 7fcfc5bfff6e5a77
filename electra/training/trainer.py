"""The training loop, independent of objectives and tasks: batches, losses, steps and files.

A step is a pure function of (seed, step): weights, optimizer state and step number are the whole state.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

from electra.config import TrainConfig
from electra.core.errors import Interrupted, Lost
from electra.core.log import logger
from electra.interface import Output, Source, Trainable
from electra.training.checkpoint import load_checkpoint, moments, newest_checkpoint, save_checkpoint, truncate_metrics
from electra.training.cuda import Captured
from electra.training.distributed import World
from electra.training.divergence import DivergenceCheck
from electra.training.gradient_sum import SUMS
from electra.training.log import Log, RunningMeans
from electra.training.optimizer import clip
from electra.training.pace import Pace
from electra.training.schedule import learning_rate, progress, set_rate, warmup
from electra.training.seed import seed_all
from electra.training.signals import end_by, handled_by
from electra.training.step import StepParts, backpropagate, move_batch, total
from electra.training.trackers import reported

WARM_UP = 3  # steps that run normally before a step is captured


class Trainer:
    """Train `module` on batches of `source` and save to `folder`; continue from its newest valid checkpoint.

    evaluation: return held-out metrics by name; an empty dictionary is not logged.
    on_step: called after every step, before its checkpoint.
    is_over: asked after each evaluation whether to end before the budget does; must follow from the run's files.
    captured: run steps as CUDA graphs; all batches of a stage must then have the same shape.
    world: the processes that train together, in step: what one decides by is the same on all.
    """

    def __init__(
        self,
        module: Trainable,
        optimizer: torch.optim.Optimizer,
        source: Source,
        config: TrainConfig,
        folder: Path,
        device: torch.device,
        micro_batch_size: int,
        evaluation: Callable[[Trainer], dict[str, float]] | None = None,
        on_step: Callable[[Trainer], None] | None = None,
        captured: bool = False,
        is_over: Callable[[], bool] = lambda: False,
        world: World | None = None,
    ) -> None:
        self.module, self.optimizer, self.source, self.config = module, optimizer, source, config
        self.folder, self.device, self.micro_batch_size = folder, device, micro_batch_size
        self.evaluation, self.on_step, self.captured = evaluation, on_step, captured
        self.is_over, self.ended = is_over, False
        self.world = world or World()
        self.captured_for: tuple[Any, ...] = ()
        self.graphs: StepParts | None = None
        self.step, self.tokens, self.seconds = 0, 0, 0.0
        self.peak = 0.0  # the highest learning rate so far
        self.saved_step, self.evaluated_step = -1, -1
        self.resumed_at = 0  # the step that `fit` continued from
        self.means = RunningMeans()
        self.log, self.pace = Log(folder / "metrics.jsonl"), Pace(config)
        self.divergence = DivergenceCheck(folder / "checkpoints")
        self.stop_requested = self.stop_agreed = False
        if device.type == "cuda" and device.index is not None:
            torch.cuda.set_device(device)  # streams, events and graphs are created on the current device
        self.module.backpropagate_early = backpropagate

    def fit(self) -> None:
        """Train to the end of the budget; raise Interrupted if a signal came first."""
        self.resume()
        if self.done() == 1:
            return
        tracked = reported(self.log, self.config, self.folder, self.step) if self.world.is_first else nullcontext()
        with handled_by(self.note_signal), tracked:
            self.line_start = (time.perf_counter(), self.tokens)
            while self.done() < 1 and not self.is_stopping():
                with self.stopped_compiler():
                    self.train_step()
                self.agree()
                self.after_step()
            if self.done() == 1:
                if self.means.times:  # steps since the last line
                    self.write_line()
                self.evaluate()
            self.save()
        self.optimizer.zero_grad()
        self.graphs = None  # they refer to the trainer, whose memory the next seed needs
        if self.done() < 1:
            raise Interrupted(f"stopped at step {self.step:,}; run the same command again to continue")

    def done(self) -> float:
        """Return the share of the budget that is spent; 1 for a run that has ended before."""
        return 1.0 if self.ended else progress(self.config, self.step, self.tokens, self.seconds)

    def agree(self) -> None:
        """Give all processes the clock of the first, and let all stop if one was asked to."""
        if self.world.size > 1:
            is_asked = self.stop_requested or self.world.is_orphan()
            votes = torch.tensor([self.seconds * self.world.is_first, is_asked], dtype=torch.float64)
            self.world.all_reduce(votes)
            self.seconds, self.stop_agreed = float(votes[0]), bool(votes[1])

    def is_stopping(self) -> bool:
        """Return whether to stop before the next step; the same on every process."""
        return self.stop_agreed if self.world.size > 1 else self.stop_requested

    def train_step(self) -> None:
        """Take one optimizer step: losses averaged over the whole batch, joint clipping, update."""
        start = time.perf_counter()
        done = self.done()
        self.module.begin_step(self.step, done)
        self.module.train()
        self.rate = learning_rate(self.config, self.step, done)
        self.peak = max(self.peak, self.rate)
        set_rate(self.optimizer, self.rate)
        self.world.step = self.step
        batches = self.source.micro_batches(self.step, self.micro_batch_size, done, self.world.share)
        if self.captured:
            self.capture(batches[0])
        counts = total([self.module.count(batch) for batch in batches])
        self.world.all_reduce(*counts)
        self.tokens += int(counts.tokens)
        counts = move_batch(counts, self.device)
        parts, gradients, weights = self.graphs or self.parts(), SUMS[self.config.sum](), list(self.module.parameters())
        losses: list[torch.Tensor] = []
        for number, batch in zip(itertools.count(self.world.rank, self.world.size), batches, strict=False):
            seed_all(self.config.seed, 0, self.step, number)
            backward = parts.add_gradient if losses and gradients.adds_up else parts.take_gradient
            output = backward(move_batch(batch, self.device), counts)
            gradients.add(weights)
            self.means.add(output.metrics)
            losses.append(output.loss)
        loss = gradients.finish(self.world, weights, torch.stack(losses).sum())
        self.divergence.add(self.step, loss, parts.clip())
        # On a GPU a step is checked during the next one, which is still before anything of it is saved.
        self.divergence.require_finite(behind=1 if self.device.type == "cuda" else 0)
        parts.move_weights()
        self.step += 1
        self.seconds += time.perf_counter() - start

    def take_gradient(self, batch: Any, counts: Any) -> Output:
        """Replace the gradient of the last step by that of the first micro-batch."""
        self.optimizer.zero_grad()
        return self.add_gradient(batch, counts)

    def add_gradient(self, batch: Any, counts: Any) -> Output:
        """Add the gradient of a further micro-batch."""
        output: Output = self.module(batch, counts)
        output.loss.backward()
        return output._replace(loss=output.loss.detach())

    def clip(self) -> torch.Tensor:
        """Clip the gradient of all weights to `max_grad_norm`; return its norm before."""
        return clip(list(self.module.parameters()), self.config.max_grad_norm)

    def move_weights(self) -> None:
        """Update the weights by their gradient."""
        self.optimizer.step()

    def parts(self) -> StepParts:
        """Return the functions a step consists of, not captured."""
        return StepParts(self.take_gradient, self.add_gradient, self.clip, self.move_weights)

    def capture(self, batch: Any) -> None:
        """Capture the parts of a step, again in each stage; all together, as they share the gradient's memory."""
        captured_for = (self.module.stage, *(tensor.shape for tensor in tree_leaves(batch)))
        if self.captured_for == captured_for:
            return
        self.captured_for, began = captured_for, self.step
        stream, pool = torch.cuda.Stream(), torch.cuda.graph_pool_handle()

        def ready() -> bool:
            return self.step >= began + WARM_UP

        self.graphs = StepParts(*(Captured(part, stream, pool, ready) for part in self.parts()))

    def require_finite(self) -> None:
        """Raise FloatingPointError if the loss or gradient of a step so far was not finite."""
        self.divergence.require_finite()

    def after_step(self) -> None:
        """Log, evaluate and save if it is time."""
        c = self.config
        self.pace.note(self.step, self.tokens, self.seconds)
        if self.step % c.log_steps == 0:
            self.write_line()
        elif self.log.is_due():
            self.log.show(self.step, self.means.values(), self.speed(), self.pace.left())
        if c.eval_steps and self.step % c.eval_steps == 0 and self.done() < 1:
            self.evaluate()
        if self.on_step:  # before the checkpoint: a run killed between both repeats the step and the call
            self.on_step(self)
        if c.save_steps and self.step % c.save_steps == 0 and self.done() < 1:
            self.save()

    def write_line(self) -> None:
        """Log the means since the last line."""
        self.require_finite()
        self.means.gather(self.world)
        if self.world.is_first:
            fields = {"lr": self.rate, "tokens": self.tokens, "seconds": round(self.seconds, 3)}
            is_warm = warmup(self.config, self.step, self.done()) == 1
            self.log.train(self.step, self.means.values(), self.speed(), self.pace.left(), is_warm, **fields)
        self.means = RunningMeans()
        self.line_start = (time.perf_counter(), self.tokens)

    def speed(self) -> float:
        """Return the tokens per second since the last line."""
        then, tokens = self.line_start
        return (self.tokens - tokens) / (time.perf_counter() - then)

    def evaluate(self) -> None:
        """Evaluate and log the metrics, unless that has been done at this step."""
        if self.evaluated_step == self.step:
            return
        self.evaluated_step = self.step
        self.require_finite()
        metrics = self.evaluation(self) if self.evaluation else {}
        if metrics:
            self.log.write(kind="eval", step=self.step, **metrics, tokens=self.tokens, seconds=round(self.seconds, 3))
        self.ended = self.is_over()

    def save(self) -> None:
        """Write a checkpoint, unless this step already has one."""
        if self.saved_step == self.step:
            return
        self.require_finite()
        self.means.gather(self.world)
        state: dict[str, Any] = {"step": self.step, "tokens": self.tokens, "seconds": self.seconds, "peak": self.peak}
        state |= {"window": self.means.state()}
        folder = self.folder / "checkpoints"
        if self.world.is_first:
            save_checkpoint(folder, self.step, self.module, self.optimizer, state, self.config.save_total_limit)
        self.saved_step = self.step

    def resume(self) -> None:
        """Continue from the newest valid checkpoint, if there is one; all take the state of the first process."""
        state = self.world.from_first(self.restore)
        tensors = [*self.module.parameters(), *self.module.buffers(), *moments(self.module, self.optimizer).values()]
        self.world.broadcast(tensors)
        self.step, self.tokens, self.seconds = state["step"], state["tokens"], state["seconds"]
        self.resumed_at, self.saved_step = self.step, self.step or -1
        self.peak = state.get("peak", self.config.learning_rate)  # not in the checkpoints of older versions
        self.means = RunningMeans(**state["window"] if self.world.is_first else {})
        self.ended = self.is_over()

    def restore(self) -> dict[str, Any]:
        """Restore the newest valid checkpoint, and the metrics up to it; return its state, or that of a new run."""
        path = newest_checkpoint(self.folder / "checkpoints")
        state: dict[str, Any] = {"step": 0, "tokens": 0, "seconds": 0.0, "peak": 0.0, "window": {}}
        if path:
            state = load_checkpoint(path, self.module, self.optimizer)
            logger.info(f"continuing from step {state['step']:,}")
        truncate_metrics(self.log.path, state["step"])
        return state

    @contextmanager
    def stopped_compiler(self) -> Iterator[None]:
        """Raise Interrupted if a signal to the whole group of processes has ended the compiler of a later stage too."""
        try:
            yield
        except RuntimeError as error:
            if isinstance(error, Lost) or not self.stop_requested:
                raise
            raise Interrupted(
                f"stopped at step {self.step:,}, while compiling; run the same command again to continue from the last "
                "checkpoint"
            ) from None

    def note_signal(self, number: int, frame: object) -> None:
        """Stop after the current step on the first signal; at once on the second, or before a step has been taken."""
        if self.stop_requested or self.step == self.resumed_at:  # the first step may compile for a minute
            end_by(number)
        self.stop_requested = True
        # Not logged: the signal may have interrupted a log call, which a handler must not enter again.
        if self.world.is_first:
            os.write(2, b"\nfinishing the step and saving; press Ctrl-C again to quit immediately\n")
