"""The scale, or us? Train the plain Hugging Face loop on the rows that a run of ours has read, as many steps.

The run is made with `electra pretrain --recipe paper --init corpus --adam-beta2 0.98 --no-packed --train-steps N`:
from random weights a tiny model learns nothing so soon, and with a second decay of .999 the paper's Adam, having no
bias correction, takes steps up to three times as long as the peer's for a thousand steps. The peer takes the
configuration, first weights, rows and learning rates, and does the rest as `transformers` and torch do (both networks,
AdamW with bias correction, masks drawn token by token, the losses' means). Both are Hugging Face directories in the
end, to be fine-tuned alike.

    PYTHONPATH=. python benchmarks/peer_quality.py --run runs/ours --out runs/theirs
    PYTHONPATH=. python benchmarks/tasks.py --model runs/ours --others theirs=runs/theirs --tasks tasks/ --list NAMES
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch
from hugging_face_loop import HuggingFaceLoop

from electra.checkpoints.huggingface import save_network
from electra.comparison.examination import examine, set_examination
from electra.config import PretrainConfig, pretrain_config_from_dict
from electra.core.hardware import provenance
from electra.core.storage import read_json, write_json
from electra.data.loader import Loader
from electra.data.shards import open_examples
from electra.pretraining.first_weights import build_objective
from electra.text.tokenizer import Tokenizer, load_tokenizer
from electra.training.schedule import learning_rate, progress

SAID = 50  # steps between two lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", required=True, type=Path, help="of ours: electra or mlm, with AdamW, not packed")
    parser.add_argument("--out", required=True, type=Path, help="folder of the peer's model")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0: torch's choice")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    config = pretrain_config_from_dict(read_json(options.run / "config.json"), str(options.run))
    fast = config.optimizer != "adamw" or config.short_stage or config.random_sample_prob
    if fast or config.generator_lr_scale != 1 or config.packed or config.objective not in ("electra", "mlm"):
        raise SystemExit(
            f"{options.run}: make it with --recipe paper --init corpus --no-packed, objective electra or mlm"
        )
    tokenizer = load_tokenizer(config.data)
    began = time.perf_counter()
    save(train(config, tokenizer), tokenizer, options.out, config.model.max_position_embeddings)
    examination, device = set_examination(config, ""), torch.device("cpu")
    scores = {
        "ours": examine(options.run / "model", examination, device),
        "hugging face": examine(options.out, examination, device),
    }
    about = {"minutes": round((time.perf_counter() - began) / 60, 1), "steps": config.train_steps}
    write_json(options.out / "scores.json", {"scores": scores} | about | provenance())
    print(scores)


def train(config: PretrainConfig, tokenizer: Tokenizer) -> HuggingFaceLoop:
    """The peer's networks after all steps; a row is one example, padded."""
    torch.manual_seed(config.seed)
    examples = open_examples(config.data, "train")
    loader = Loader(
        examples, config.train_batch_size, config.seed, tokenizer.sep_id, tokenizer.pad_id, tokenizer.special_ids, False
    )
    with tempfile.TemporaryDirectory() as start:
        kept, *others = build_objective(config, examples, tokenizer).networks().items()
        for name, network in others:
            save_network(Path(start) / name, network, tokenizer, examples.seq_length)
        save_network(Path(start), kept[1], tokenizer, examples.seq_length)
        loop = HuggingFaceLoop(config, tokenizer.mask_id, torch.device("cpu"), start=Path(start))
    for step in range(config.train_steps):
        for group in loop.optimizer.param_groups:
            group["lr"] = learning_rate(config, step, progress(config, step, 0, 0))
        (batch,) = loader.micro_batches(step, config.train_batch_size)
        inputs = {"attention_mask": (batch.example_ids > 0).long(), "token_type_ids": batch.token_type_ids}
        loop.step(batch.input_ids, batch.maskable, **inputs)
        if step % SAID == 0:
            print(f"step {step:,} of {config.train_steps:,}", flush=True)
    return loop


def save(loop: HuggingFaceLoop, tokenizer: Tokenizer, folder: Path, max_length: int) -> None:
    """The network that is kept, and ELECTRA's generator beside it, with the tokeniser."""
    kept = [network for network in (loop.discriminator, loop.generator) if network is not None]
    for network, place in zip(kept, (folder, folder / "generator"), strict=False):
        network.save_pretrained(place)
        tokenizer.save(place, max_length)


if __name__ == "__main__":
    main()
