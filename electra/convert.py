"""Networks in and out as Hugging Face directories: config.json, model.safetensors, tokenizer files."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from electra.config import ElectraConfig
from electra.data.tokenizer import Tokenizer
from electra.model.encoder import Encoder
from electra.model.heads import Discriminator, MaskedLM
from electra.model.names import DISCRIMINATOR_NAMES, GENERATOR_NAMES, from_huggingface, to_huggingface
from electra.storage import read_json, write_json, write_tensors

ARCHITECTURES = {"ElectraForPreTraining": Discriminator, "ElectraForMaskedLM": MaskedLM}


def save_network(
    folder: Path, network: Discriminator | MaskedLM, tokenizer: Tokenizer, max_length: int, **extra: Any
) -> None:
    """Write a directory that `transformers` loads with the same outputs; `extra` goes into config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    is_discriminator = isinstance(network, Discriminator)
    names = DISCRIMINATOR_NAMES if is_discriminator else GENERATOR_NAMES
    weights = to_huggingface({name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}, names)
    write_tensors(folder / "model.safetensors", weights, {"format": "pt"})
    tokenizer.save(folder, max_length)
    write_json(
        folder / "config.json",
        {
            "architectures": ["ElectraForPreTraining" if is_discriminator else "ElectraForMaskedLM"],
            "model_type": "electra",
            "hidden_act": "gelu",
            "dtype": "float32",
            "tie_word_embeddings": True,
            **asdict(network.encoder.config),
            **extra,
        },
    )


def load_network(folder: Path) -> Discriminator | MaskedLM:
    """Read a Hugging Face ELECTRA directory; which network it is, its config.json says."""
    content = read_json(folder / "config.json")
    if content.get("model_type") != "electra":
        raise ValueError(f"{folder} holds a {content.get('model_type')!r} model, not an ELECTRA")
    for name, known in (("hidden_act", "gelu"), ("position_embedding_type", "absolute")):
        if content.get(name, known) != known:
            raise ValueError(f"{folder} has {name} {content[name]!r}; only {known!r} is known here")
    config = ElectraConfig(**{f.name: content[f.name] for f in fields(ElectraConfig) if f.name in content})
    kind = ARCHITECTURES.get(next(iter(content.get("architectures") or ["ElectraForPreTraining"])), Discriminator)
    network = Discriminator(Encoder(config)) if kind is Discriminator else MaskedLM(Encoder(config))
    ours, unknown = from_huggingface(
        read_weights(folder), DISCRIMINATOR_NAMES if kind is Discriminator else GENERATOR_NAMES
    )
    wanted = {name: tensor.shape for name, tensor in network.state_dict().items()}
    missing = sorted(wanted.keys() - ours.keys())
    wrong = sorted(name for name in wanted.keys() & ours.keys() if wanted[name] != ours[name].shape)
    if missing or wrong:
        raise ValueError(
            f"{folder}: the weights do not fit config.json; missing {missing[:4]}, "
            f"of another shape {wrong[:4]}, unknown {unknown[:4]}"
        )
    network.load_state_dict({name: ours[name] for name in wanted})
    network.eval()
    return network


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """The tensors of a model folder; safetensors only, as loading a pickle runs what is in it."""
    path = folder / "model.safetensors"
    if not path.exists():
        hint = "; convert pytorch_model.bin to safetensors first" if (folder / "pytorch_model.bin").exists() else ""
        raise ValueError(f"{folder} has no model.safetensors{hint}")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} was cut short or altered ({error})") from None
