"""What stands on an encoder after fine-tuning: a label for a text, a label for each token, an answer in a text.

Examples are encoded packed, B rows of L slots; heads see them one a line: N examples, T slots, D hidden size, C labels.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from electra.interface import Packed
from electra.models.electra.encoder import Encoder, Linear

BEAM = 20  # starts for which the joint head looks for an end
JOINT_SIZE = 512  # width of the joint head's hidden layers, as released
OUTSIDE = -1000.0  # added to the logit of a token where no answer may start or end


class LinearHead(nn.Module):
    """Dropout and one matrix, as in the original: [N, D] -> [N, C]."""

    def __init__(self, hidden_size: int, num_labels: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.out_proj = Linear(hidden_size, num_labels)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.out_proj(F.dropout(x, self.dropout, self.training))
        return logits.float()


class DenseHead(nn.Module):
    """Hugging Face's ElectraClassificationHead, with a layer more: [N, D] -> [N, C]."""

    def __init__(self, hidden_size: int, num_labels: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.dense = Linear(hidden_size, hidden_size)
        self.out_proj = Linear(hidden_size, num_labels)

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.dense(F.dropout(x, self.dropout, self.training)))
        logits: Tensor = self.out_proj(F.dropout(x, self.dropout, self.training))
        return logits.float()

    @torch.no_grad()
    def become(self, linear: LinearHead) -> None:
        """Take over a linear head's outputs exactly, for gelu(x) - gelu(-x) = x; wants 2 C <= D."""
        C = linear.out_proj.out_features
        for theirs, mine in zip(linear.out_proj.parameters(), self.dense.parameters(), strict=True):
            mine.zero_()
            mine[:C], mine[C : 2 * C] = theirs, -theirs
        self.out_proj.weight.zero_()
        self.out_proj.weight[:, : 2 * C] = torch.cat([torch.eye(C), -torch.eye(C)], 1)
        self.out_proj.bias.zero_()


class Classifier(nn.Module):
    """Label whole examples: Packed -> logits [N, C], from the hidden state of [CLS]."""

    def __init__(self, encoder: Encoder, num_labels: int, head: Literal["linear", "dense"] = "linear") -> None:
        super().__init__()
        self.encoder = encoder
        kind = {"linear": LinearHead, "dense": DenseHead}[head]
        self.head = kind(encoder.config.hidden_size, num_labels, encoder.config.hidden_dropout_prob)

    def forward(self, packed: Packed) -> Tensor:
        hidden = self.encoder(*packed[:4])
        logits: Tensor = self.head(hidden.flatten(0, 1)[packed.tokens[:, 0]])
        return logits


class Tagger(nn.Module):
    """Label every token: Packed -> logits [N, T, C]; those at slots where tokens is -1 mean nothing."""

    def __init__(self, encoder: Encoder, num_labels: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = LinearHead(encoder.config.hidden_size, num_labels, encoder.config.hidden_dropout_prob)

    def forward(self, packed: Packed) -> Tensor:
        hidden = self.encoder(*packed[:4])
        logits: Tensor = self.head(one_a_line(hidden, packed.tokens))
        return logits


class Answers(NamedTuple):
    """Where an answer starts and ends, as logits."""

    start: Tensor  # [N, T]
    end: Tensor  # [N, K, T], given each of `starts`; K is 1 where the end does not depend on the start
    starts: Tensor  # [N, K] the starts the ends are given for
    unanswerable: Tensor  # [N] above 0 where the text holds no answer; 0 for the linear head, which has no opinion


class Answerer(nn.Module):
    """Find a span of the second text that answers the first: Packed -> Answers.

    linear: Hugging Face's ElectraForQuestionAnswering. joint: the original's, whose end is conditioned on the start
    (the gold `starts` [N] in training, the best ones otherwise), with a head for "no answer".
    """

    def __init__(self, encoder: Encoder, head: Literal["linear", "joint"] = "linear") -> None:
        super().__init__()
        self.encoder = encoder
        kind = {"linear": SpanHead, "joint": JointSpanHead}[head]
        self.head = kind(encoder.config.hidden_size)

    def forward(self, packed: Packed, starts: Tensor | None = None) -> Answers:
        hidden = one_a_line(self.encoder(*packed[:4]), packed.tokens)
        answers: Answers = self.head(hidden, may_answer(packed), starts)
        return answers


class SpanHead(nn.Module):
    """Start and end, each on its own: hidden states [N, T, D] -> Answers."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.outputs = Linear(hidden_size, 2)

    def forward(self, hidden: Tensor, allowed: Tensor, starts: Tensor | None) -> Answers:
        start, end = self.outputs(hidden).float().unbind(-1)
        none = torch.zeros_like(start[:, 0])
        return Answers(start, end[:, None], start.argmax(-1, keepdim=True), none)


class JointSpanHead(nn.Module):
    """The original's head (finetune/qa/qa_tasks.py): hidden states [N, T, D] -> Answers."""

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

    def ends(self, hidden: Tensor, starts: Tensor) -> Tensor:
        """Logits of the end given each start: [N, T, D], [N, K] -> [N, K, T]."""
        D = hidden.shape[-1]
        at_start = hidden.gather(1, starts[..., None].expand(-1, -1, D))
        # A product with the joined vectors is a sum of two products: no [N, K, T, 2 D] is made.
        of_start = F.linear(at_start, self.end_dense.weight[:, :D].to(hidden.dtype))[:, :, None]
        of_token = F.linear(hidden, self.end_dense.weight[:, D:].to(hidden.dtype))[:, None]
        features = F.gelu(of_start + of_token + self.end_dense.bias.to(hidden.dtype))
        logits: Tensor = self.end(features).squeeze(-1).float()
        return logits


def one_a_line(values: Tensor, tokens: Tensor) -> Tensor:
    """What belongs to each example's tokens: [B, L, ...], [N, T] -> [N, T, ...]; slots without a token hold noise."""
    return values.flatten(0, 1)[tokens.clamp_min(0)]


def may_answer(packed: Packed) -> Tensor:
    """Where an answer may start or end: the second text and [CLS], which stands for none, [N, T]."""
    allowed = (one_a_line(packed.token_type_ids, packed.tokens) > 0) & (packed.tokens >= 0)
    allowed[:, 0] = True
    return allowed
