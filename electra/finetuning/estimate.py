"""Estimate how long a fine-tuning takes here, from its own first step and a sample of its dev file."""

from __future__ import annotations

import time

from electra.config import FinetuneConfig
from electra.core.log import duration
from electra.finetuning.learner import Learner
from electra.finetuning.material import Material
from electra.inference.task_model import predict_features
from electra.inference.torch_session import TorchSession
from electra.interface import Source
from electra.training.step import move_batch

SAMPLE = 32  # windows of the dev file that are answered


def estimated_time(config: FinetuneConfig, material: Material, learner: Learner, source: Source) -> str:
    """Return the estimated time of training and of an evaluation; the learner only computes gradients."""
    step = seconds_of_step(learner, source, config.micro_batch_size)
    runs = config.seeds + (len(config.learning_rate) - 1 if isinstance(config.learning_rate, tuple) else 0)
    steps = config.train_steps * runs
    found = f"{duration(step * steps)} for {steps:,} steps of {step:.2g} s"
    if not material.dev:
        return found
    sample = material.dev[:: max(1, len(material.dev) // SAMPLE)]
    started = time.perf_counter()
    alone = [feature._replace(example=n) for n, feature in enumerate(sample)]
    examples = [material.dev_examples[feature.example] for feature in sample]
    predict_features(TorchSession(learner.network), material.task, alone, examples, material.tokenizer.pad_id)
    dev = (time.perf_counter() - started) / len(sample) * len(material.dev)
    return found + f", {duration(dev)} for each evaluation on the dev file"


def seconds_of_step(learner: Learner, source: Source, size: int) -> float:
    """Return the time of forward and backward passes over the second batch, as the first pays for warming up."""
    device, seconds = next(learner.parameters()).device, 0.0
    for step in range(2):
        batches = source.micro_batches(step, size, 0.0)
        started = time.perf_counter()
        for batch in batches:
            learner(move_batch(batch, device)).loss.backward()
        seconds = time.perf_counter() - started
    learner.zero_grad()
    return seconds
