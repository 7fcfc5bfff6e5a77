"""A network as a session runs it: padded rows in, named outputs out."""

from __future__ import annotations

from torch import Tensor, nn

from electra.models.heads import Network


class Graph(nn.Module):
    """Map the int64 tensors named by `inputs` to the tensors named by `outputs`.

    Rows hold one example each, so that the mask of the usual runtimes, 1 at tokens and 0 at padding, serves as the
    numbers of examples. A masked language model also takes `positions` [B, K], and gives logits [B * K, V] there only.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.inputs, self.outputs = network.input_names, network.output_names

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor, positions: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        rows = input_ids, attention_mask, token_type_ids
        return self.network.named_outputs(*rows) if positions is None else self.network.named_outputs(*rows, positions)
