"""The networks of fine-tuning and their heads: a label for a text, a label for each token, an answer in a text.

The encoder reads packed rows, heads one example per row: B rows, L slots; N examples, T slots; D hidden size, C labels.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from electra.config import EncoderConfig
from electra.interface import Packed
from electra.models.encoder import Encoder
from electra.models.heads import Network
from electra.models.kinds import Kind
from electra.models.layers import Linear

BEAM = 20  # starts for which the joint head predicts an end
JOINT_SIZE = 512  # width of the joint head's hidden layers, as released
OUTSIDE = -1000.0  # added to the logit of a token at which no answer may start or end


class LinearHead(nn.Module):
    """Dropout and one matrix, as in the original: [N, D] -> [N, C]."""

    def __init__(self, config: EncoderConfig, num_labels: int) -> None:
        super().__init__()
        self.dropout = config.head_dropout
        self.out_proj = Linear(config.hidden_size, num_labels)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.out_proj(F.dropout(x, self.dropout, self.training))
        return logits.float()


class DenseHead(nn.Module):
    """Two matrices, as Hugging Face's ElectraClassificationHead: [N, D] -> [N, C]."""

    def __init__(self, config: EncoderConfig, num_labels: int) -> None:
        super().__init__()
        self.dropout = config.head_dropout
        self.dense = Linear(config.hidden_size, config.hidden_size)
        self.out_proj = Linear(config.hidden_size, num_labels)

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.dense(F.dropout(x, self.dropout, self.training)))
        logits: Tensor = self.out_proj(F.dropout(x, self.dropout, self.training))
        return logits.float()

    @torch.no_grad()
    def become(self, linear: LinearHead) -> None:
        """Compute the same function as a linear head, by gelu(x) - gelu(-x) = x; requires 2 C <= D."""
        C = linear.out_proj.out_features
        for theirs, mine in zip(linear.out_proj.parameters(), self.dense.parameters(), strict=True):
            mine.zero_()
            mine[:C], mine[C : 2 * C] = theirs, -theirs
        self.out_proj.weight.zero_()
        self.out_proj.weight[:, : 2 * C] = torch.cat([torch.eye(C), -torch.eye(C)], 1)
        self.out_proj.bias.zero_()


class Classifier(Network):
    """Label whole examples: Packed -> logits [N, C], from the hidden state of [CLS], or the mean of all."""

    def __init__(self, encoder: Encoder, num_labels: int, head: Literal["linear", "dense"]) -> None:
        super().__init__(encoder)
        self.kind = {"linear": Kind.LINEAR_CLASSIFIER, "dense": Kind.CLASSIFIER}[head]
        self.head = encoder.head(self.kind, num_labels)

    def forward(self, packed: Packed) -> Tensor:
        hidden = self.encoder(*packed[:4])
        if self.encoder.pools_mean:
            pooled = mean_of(unpacked(hidden, packed.tokens), packed.tokens >= 0)
        else:
            pooled = hidden.flatten(0, 1)[packed.tokens[:, 0]]
        logits: Tensor = self.head(pooled)
        return logits

    def named_outputs(self, *rows: Tensor) -> tuple[Tensor, ...]:
        hidden = self.encoder(*rows)
        return (self.head(mean_of(hidden, rows[1]) if self.encoder.pools_mean else hidden[:, 0]),)


class Tagger(Network):
    """Label every token: Packed -> logits [N, T, C]; noise where `tokens` is -1."""

    kind = Kind.TAGGER

    def __init__(self, encoder: Encoder, num_labels: int) -> None:
        super().__init__(encoder)
        self.head = encoder.head(self.kind, num_labels)

    def forward(self, packed: Packed) -> Tensor:
        hidden = self.encoder(*packed[:4])
        logits: Tensor = self.head(unpacked(hidden, packed.tokens))
        return logits

    def named_outputs(self, *rows: Tensor) -> tuple[Tensor, ...]:
        return (self.head(self.encoder(*rows)),)


class Answers(NamedTuple):
    """Logits of the start and the end of an answer."""

    start: Tensor  # [N, T]
    end: Tensor  # [N, K, T], given each of `starts`; K is 1 if the end does not depend on the start
    starts: Tensor  # [N, K]
    unanswerable: Tensor  # [N], positive if the text holds no answer; always 0 from the linear head


class Answerer(Network):
    """Find the span of the second text that answers the first: Packed -> Answers.

    linear: as Hugging Face's ElectraForQuestionAnswering. joint: as in the original, with the end conditioned on the
    start (the gold `starts` [N] in training, the best ones otherwise) and a logit for "no answer".
    """

    head: SpanHead | JointSpanHead

    def __init__(self, encoder: Encoder, head: Literal["linear", "joint"]) -> None:
        super().__init__(encoder)
        self.kind = {"linear": Kind.ANSWERER, "joint": Kind.JOINT_ANSWERER}[head]
        self.head = cast(Any, encoder.head(self.kind))
        self.output_names = self.head.output_names

    def forward(self, packed: Packed, starts: Tensor | None = None) -> Answers:
        hidden = unpacked(self.encoder(*packed[:4]), packed.tokens)
        types = unpacked(packed.token_type_ids, packed.tokens)
        answers: Answers = self.head(hidden, may_answer(types, packed.tokens >= 0), starts)
        return answers

    def named_outputs(self, *rows: Tensor) -> tuple[Tensor, ...]:
        _, mask, types = rows
        return self.head.named(self.head(self.encoder(*rows), may_answer(types, mask > 0), None))


class SpanHead(nn.Module):
    """Predict start and end independently: hidden states [N, T, D] -> Answers."""

    output_names: tuple[str, ...] = ("start_logits", "end_logits")

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.outputs: nn.Module = Linear(hidden_size, 2)

    def forward(self, hidden: Tensor, allowed: Tensor, starts: Tensor | None) -> Answers:
        start, end = self.outputs(hidden).float().unbind(-1)
        none = torch.zeros_like(start[:, 0])
        return Answers(start, end[:, None], start.argmax(-1, keepdim=True), none)

    def named(self, answers: Answers) -> tuple[Tensor, ...]:
        """Return the tensors of `output_names`, [N, T] each."""
        return answers.start, answers.end[:, 0]


class JointSpanHead(nn.Module):
    """The original's head (finetune/qa/qa_tasks.py): hidden states [N, T, D] -> Answers."""

    output_names: tuple[str, ...] = ("start_logits", "end_logits", "starts", "unanswerable")

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.start = Linear(hidden_size, 1)
        self.end_dense = Linear(2 * hidden_size, JOINT_SIZE)
        self.end = Linear(JOINT_SIZE, 1)
        self.answerable_dense = Linear(2 * hidden_size, JOINT_SIZE)
        self.answerable = Linear(JOINT_SIZE, 1)

    def forward(self, hidden: Tensor, allowed: Tensor, starts: Tensor | None) -> Answers:
        outside = OUTSIDE * (~allowed).float()
        start = self.start(hidden).squeeze(-1).float() + outside
        starts = start.topk(min(BEAM, start.shape[1])).indices if starts is None else starts[:, None]
        end = self.ends(hidden, starts) + outside[:, None]
        expected = (start.softmax(-1)[..., None].to(hidden.dtype) * hidden).sum(1)
        features = F.gelu(self.answerable_dense(torch.cat([hidden[:, 0], expected], -1)))
        return Answers(start, end, starts, self.answerable(features).squeeze(-1).float())

    def named(self, answers: Answers) -> tuple[Tensor, ...]:
        """Return the tensors of `output_names`: [N, T], [N, K, T], [N, K], [N]."""
        return tuple(answers)

    def ends(self, hidden: Tensor, starts: Tensor) -> Tensor:
        """Return logits of the end given each start: [N, T, D], [N, K] -> [N, K, T]."""
        D = hidden.shape[-1]
        at_start = hidden.gather(1, starts[..., None].expand(-1, -1, D))
        # The product with concatenated vectors is the sum of two products, which need no tensor [N, K, T, 2 D].
        of_start = F.linear(at_start, self.end_dense.weight[:, :D].to(hidden.dtype))[:, :, None]
        of_token = F.linear(hidden, self.end_dense.weight[:, D:].to(hidden.dtype))[:, None]
        features = F.gelu(of_start + of_token + self.end_dense.bias.to(hidden.dtype))
        logits: Tensor = self.end(features).squeeze(-1).float()
        return logits


def unpacked(values: Tensor, tokens: Tensor) -> Tensor:
    """Unpack rows to one example per row: [B, L, ...], [N, T] -> [N, T, ...]; empty slots hold noise."""
    return values.flatten(0, 1)[tokens.clamp_min(0)]


def mean_of(hidden: Tensor, is_token: Tensor) -> Tensor:
    """Return the mean of the hidden states of an example's tokens: [N, T, D], [N, T] -> [N, D]."""
    weights = is_token.to(hidden.dtype)[..., None]
    return (hidden * weights).sum(1) / weights.sum(1)


def may_answer(token_type_ids: Tensor, is_token: Tensor) -> Tensor:
    """Mark the tokens at which an answer may start or end, [N, T]: the second text, and [CLS] for "no answer"."""
    allowed = (token_type_ids > 0) & is_token
    allowed[:, 0] = True
    return allowed
