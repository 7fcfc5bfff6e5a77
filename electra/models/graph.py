"""A network as runtimes without torch see it: padded rows in, named outputs out.

B rows, L slots, D hidden size, K asked positions, V vocabulary, C labels. Every input is int64.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from electra.models.heads import Discriminator, MaskedLM
from electra.models.task_heads import Answerer, Classifier, JointSpanHead, Tagger

INPUTS = ("input_ids", "attention_mask", "token_type_ids")


class Graph(nn.Module):
    """`forward(input_ids, attention_mask, token_type_ids)`, each [B, L], gives the tensors that `outputs` names.

    One example a row, so that the mask of the usual runtimes, 1 at tokens and 0 at padding, means what it does there.
    A masked language model also takes `positions` [B, K] and gives logits [B * K, V] at those only.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.inputs = (*INPUTS, "positions") if isinstance(network, MaskedLM) else INPUTS
        self.outputs = output_names(network)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor, positions: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        network: Any = self.network
        rows = input_ids, attention_mask, token_type_ids
        if isinstance(network, MaskedLM):
            return (network(positions, *rows),)
        hidden = network.encoder(*rows)
        head: Any = getattr(network, "head", None)
        if isinstance(network, Discriminator):
            return head(hidden), hidden
        if isinstance(network, Classifier):
            return (head(hidden[:, 0]),)
        if isinstance(network, Tagger):
            return (head(hidden),)
        if isinstance(head, JointSpanHead):
            allowed = (token_type_ids > 0) & (attention_mask > 0)
            allowed[:, 0] = True  # [CLS] stands for no answer
            return tuple(head(hidden, allowed, None))
        if isinstance(network, Answerer):
            start, end = head.outputs(hidden).unbind(-1)
            return start, end
        return (hidden,)


def output_names(network: nn.Module) -> tuple[str, ...]:
    """The outputs of a network, as Hugging Face calls them."""
    if isinstance(network, Discriminator):
        return "logits", "last_hidden_state"
    if isinstance(network, Answerer):
        joint = ("starts", "unanswerable") if isinstance(network.head, JointSpanHead) else ()
        return "start_logits", "end_logits", *joint
    return ("logits",) if isinstance(network, Classifier | Tagger | MaskedLM) else ("last_hidden_state",)
