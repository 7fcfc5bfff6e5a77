"""The released pre-training algorithm, one example and one token at a time: slow, obvious, and the judge of ours.

Written from the description of google-research/electra (run_pretraining.py, pretrain_helpers.py, optimization.py).
Every random choice is taken from the arguments, so that both implementations can be given the same.
"""

import math


def num_to_predict(num_tokens, seq_length, mask_prob):
    """Positions to mask in one example; Python's round is half-to-even, as tf.round."""
    longest = int((mask_prob + 0.005) * seq_length)
    return max(1, min(longest, round(num_tokens * mask_prob)))


def scatter_update(sequence, updates, positions):
    """Updates at position 0 are ignored; a position updated twice gets the mean, rounded down."""
    result = list(sequence)
    for target in range(1, len(sequence)):
        values = [u for u, p in zip(updates, positions) if p == target]
        if values:
            result[target] = sum(values) // len(values)
    return result


def masked_input(sequence, positions, keep, mask_id):
    """Each slot independently: [MASK], or (with 15 %) the original."""
    return scatter_update(sequence, [mask_id] * len(positions), [0 if k else p for p, k in zip(positions, keep)])


def fake_data(sequence, positions, samples):
    """The discriminator's input and its labels: replaced and different."""
    corrupted = scatter_update(sequence, samples, positions)
    masked = scatter_update([0] * len(sequence), [1] * len(positions), positions)
    return corrupted, [int(m == 1 and c != o) for m, c, o in zip(masked, corrupted, sequence)]


def mlm_loss(logits, labels, weights):
    """Sum of weighted negative log-likelihoods over the sum of weights; logits are lists of floats."""
    total = 0.0
    for row, label, weight in zip(logits, labels, weights):
        top = max(row)
        total += weight * (top + math.log(sum(math.exp(x - top) for x in row)) - row[label])
    return total / (sum(weights) + 1e-6)


def disc_loss(logits, labels, input_mask):
    """Sigmoid cross-entropy over every token that is not padding, averaged over the batch's tokens."""
    total = 0.0
    for row, row_labels, row_mask in zip(logits, labels, input_mask):
        for z, y, m in zip(row, row_labels, row_mask):
            total += m * (max(z, 0) - z * y + math.log1p(math.exp(-abs(z))))
    return total / (sum(map(sum, input_mask)) + 1e-6)


def learning_rate(step, peak, total, warmup):
    """Polynomial decay of power 1 times warm-up, both from step 0."""
    return peak * (1 - step / total) * min(1.0, step / warmup)


def adam_step(p, m, v, g, lr, decay, beta1=0.9, beta2=0.999, epsilon=1e-6):
    """No bias correction; decay added to the update."""
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    return p - lr * (m / (v**0.5 + epsilon) + decay * p), m, v
