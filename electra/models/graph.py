"""Wrap a network for inference: padded rows in, named outputs out."""

from __future__ import annotations

from torch import Tensor, nn

from electra.models.heads import Network


class Graph(nn.Module):
    """Map the int64 tensors named by `inputs` to the tensors named by `outputs`.

    Each row holds one example, so the usual attention mask (1 token, 0 padding) doubles as `example_ids`. A masked
    language model also takes `positions` [B, K] and returns logits [B, K, V] for these only.
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
