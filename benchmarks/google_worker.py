"""google-research/electra as a worker of pretrain_speed.py: its own model and optimizer as one TensorFlow 2.15 graph.

Run by pretrain_speed.py with the Python that has TensorFlow; needs nothing of this package.
"""

import argparse
import json
import sys
import tempfile
import time
import types

BATCHES = 8
TINY = {"hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 512}


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--google", "--batches", "--case"):
        parser.add_argument(name)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=2)
    options, _ = parser.parse_known_args()
    answers, sys.stdout = sys.stdout, sys.stderr
    run, about = build(options)
    run(2)
    print(json.dumps(about), file=answers, flush=True)
    for _ in sys.stdin:
        print(json.dumps({"seconds": run(options.steps)}), file=answers, flush=True)
    print(json.dumps({"peak_memory_mb": peak_memory()}), file=answers, flush=True)


def build(options):
    """A function that runs steps and returns the seconds of one, and what it is."""
    import numpy as np
    import tensorflow.compat.v1 as tf

    stand_in_for_contrib(tf)
    tf.disable_v2_behavior()
    sys.path.insert(0, options.google)
    import configure_pretraining
    import run_pretraining
    from model import optimization

    with np.load(options.batches) as arrays:
        ids, mask = arrays["padded_input_ids"], (arrays["padded_attention_mask"] > 0).astype(np.int32)
    rows, length = ids.shape[1:]
    tiny = options.case.startswith("tiny")
    overrides = {"model_hparam_overrides": TINY, "vocab_size": 8192, "generator_hidden_size": 0.5} if tiny else {}
    folder = tempfile.mkdtemp()
    with open(f"{folder}/vocab.txt", "w") as file:  # it asks which ids it must not mask
        special = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]"}
        file.writelines(f"{special.get(i, f'w{i}')}\n" for i in range(8192 if tiny else 30522))
    config = configure_pretraining.PretrainingConfig(
        "speed", folder, max_seq_length=length, train_batch_size=rows, **overrides
    )
    features = {name: tf.placeholder(tf.int32, (rows, length)) for name in ("input_ids", "input_mask", "segment_ids")}
    model = run_pretraining.PretrainingModel(config, features, True)
    train = optimization.create_optimizer(
        model.total_loss, config.learning_rate, config.num_train_steps, config.weight_decay_rate, False,
        config.num_warmup_steps,
    )  # fmt: skip
    session = tf.Session(
        config=tf.ConfigProto(intra_op_parallelism_threads=options.threads, inter_op_parallelism_threads=1)
    )
    session.run(tf.global_variables_initializer())
    steps = 0

    def run(count):
        nonlocal steps
        start = time.perf_counter()
        for _ in range(count):
            i = steps % BATCHES
            steps += 1
            fed = {"input_ids": ids[i], "input_mask": mask[i], "segment_ids": np.zeros_like(ids[i])}
            session.run([train, model.total_loss], {features[name]: value for name, value in fed.items()})
        return (time.perf_counter() - start) / count

    parameters = int(sum(np.prod(v.shape.as_list()) for v in tf.trainable_variables()))
    how = f"float32, TensorFlow {tf.VERSION} graph, padded"
    return run, {"how": how, "parameters": parameters, "tokens": int(mask.sum()) / BATCHES}


def stand_in_for_contrib(tf) -> None:
    """TensorFlow 2 has no contrib; of it the released code uses the layer norm and, on import, a few names."""

    def layer_norm(inputs, begin_norm_axis=-1, begin_params_axis=-1, scope=None):
        with tf.variable_scope(scope or "LayerNorm", reuse=tf.AUTO_REUSE):
            width = inputs.shape[-1]
            beta = tf.get_variable("beta", [width], initializer=tf.zeros_initializer())
            gamma = tf.get_variable("gamma", [width], initializer=tf.ones_initializer())
        mean, variance = tf.nn.moments(inputs, [-1], keepdims=True)
        return tf.nn.batch_normalization(inputs, mean, variance, beta, gamma, 1e-12)

    contrib = types.ModuleType("tensorflow.contrib")
    layers = types.ModuleType("tensorflow.contrib.layers")
    layers.layer_norm = layer_norm
    contrib.layers = layers
    sys.modules["tensorflow.contrib"] = contrib
    sys.modules["tensorflow.contrib.layers"] = layers


def peak_memory() -> float:
    with open("/proc/self/status") as file:
        return int(next(line.split()[1] for line in file if line.startswith("VmHWM"))) * 1024 / 1e6


if __name__ == "__main__":
    main()
