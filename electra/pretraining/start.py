"""Models that pre-training starts from: a run, a pair of Hugging Face directories, a frozen generator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from electra.checkpoints.huggingface import load_encoder, load_network
from electra.checkpoints.locate import is_masked_lm, masked_lm_folder, model_folder, stated_backbone
from electra.config import EncoderConfig, PretrainConfig, require
from electra.core.log import logger
from electra.core.storage import read_object
from electra.models.heads import Discriminator, Headless, MaskedLM, Network
from electra.text.tokenizer import Tokenizer, load_tokenizer


class Start(NamedTuple):
    """The networks named by --init."""

    path: str
    main: Network  # its encoder is kept, and its head if the objective's network has the same
    generator: MaskedLM | None
    seeds_generator: bool  # a generator that is missing starts from the first layers of `main`


def start_of(config: PretrainConfig) -> Start | None:
    """Load the networks that a run starts from; None if its first weights are its own."""
    return load_start(config.init) if config.starts_from_model else None


def load_start(init: str) -> Start:
    """Load `PATH`, with the generator in PATH/generator if there is one, or `DISCRIMINATOR,GENERATOR`.

    Raises:
        ValueError: there is no model, or a discriminator where a generator belongs, or the reverse.
    """
    path, _, beside = init.partition(",")
    folder = model_folder(Path(path))
    generator_folder = model_folder(Path(beside)) if beside else folder / "generator"
    is_whole = stated_backbone(read_object(folder / "config.json"), folder).whole_masked_lm
    require(
        not beside or is_whole or not is_masked_lm(folder),
        f"{path} holds a generator; name the discriminator first: --init DISCRIMINATOR,GENERATOR",
    )
    has_generator = (generator_folder / "config.json").exists()
    require(
        not has_generator or is_masked_lm(generator_folder),
        f"{generator_folder} holds no generator; name another: --init DISCRIMINATOR,GENERATOR",
    )
    generator = load_network(generator_folder) if has_generator else None
    assert generator is None or isinstance(generator, MaskedLM)
    return Start(init, load_main(folder), generator, is_whole)


def load_main(folder: Path) -> Network:
    """Load the network in a folder, or its encoder alone if the head is not one of ours."""
    if is_masked_lm(folder):
        return load_network(folder)
    encoder = load_encoder(folder)
    try:
        return load_network(folder)
    except ValueError:  # a BERT that predicts no tokens
        return Headless(encoder)


def fit_to_start(config: PretrainConfig, start: Start, tokenizer: Tokenizer) -> PretrainConfig:
    """Return the configuration with the sizes of the weights; dropout stays as configured.

    The vocabulary of the prepared text may have entries beyond the model's (pretraining/extension.py).

    Raises:
        ValueError: the vocabulary is another one, or the generator does not fit the discriminator.
    """
    for path in start.path.split(","):
        require_known_entries(load_tokenizer(model_folder(Path(path))), path, tokenizer)
    model = start.main.encoder.config.trained_as(config.model)
    vocab_size = max(model.vocab_size, tokenizer.vocab_size)
    model = replace(model, vocab_size=vocab_size, pad_token_id=tokenizer.pad_id)
    if not start.generator or config.traits.head != "rtd":
        return replace(config, model=model)
    width = start.generator.encoder.config.hidden_size / model.hidden_size
    depth = start.generator.encoder.config.num_hidden_layers / model.num_hidden_layers
    if (width, depth) != (1, 1) and config.needs_full_size_generator:
        return replace(config, model=model)  # a generator of full size, which starts at random
    fitting = replace(config, model=model, generator_width=width, generator_depth=depth)
    wanted = replace(alike(start.generator.encoder.config, fitting.generator), vocab_size=vocab_size)
    require(
        fitting.generator == wanted,
        f"the generator of {start.path} is not its discriminator made narrower: {wanted}, expected {fitting.generator}",
    )
    return fitting


def require_known_entries(theirs: Tokenizer, path: str | Path, of_text: Tokenizer) -> None:
    """Raise ValueError unless the text's vocabulary has all entries of the model's, with the same ids."""
    model, text = (t.backend.get_vocab(with_added_tokens=True) for t in (theirs, of_text))
    differing = sorted(token for token in model if model[token] != text.get(token))
    require(
        not differing,
        f"the text was prepared with another vocabulary than that of {path} ({len(differing)} tokens differ, "
        f"{differing[:3]} among them); prepare it again with --tokenizer {path}",
    )


def require_same_vocabulary(theirs: Tokenizer, path: str | Path, of_text: Tokenizer) -> None:
    """Raise ValueError if the text was prepared with another vocabulary than the model's, or one with more entries."""
    require_known_entries(theirs, path, of_text)
    more = of_text.vocab_size - theirs.vocab_size
    require(
        more <= 0,
        f"the vocabulary of the text has {more} entries beyond that of {path}, which is not trained; prepare the text "
        f"with --tokenizer {path} and without --extend",
    )


def load_frozen_generator(path: Path, tokenizer: Tokenizer, seq_length: int) -> MaskedLM:
    """Load a masked language model and freeze it; raise ValueError if it does not fit the text."""
    folder = masked_lm_folder(path)
    network = load_network(folder)
    require(
        isinstance(network, MaskedLM),
        f"{folder} holds a discriminator, not a masked language model; name a generator's folder",
    )
    assert isinstance(network, MaskedLM)
    require_same_vocabulary(load_tokenizer(folder), folder, tokenizer)
    longest = network.encoder.config.max_position_embeddings
    require(
        longest >= seq_length,
        f"{folder} reads {longest} tokens, the text has examples of {seq_length}; prepare with --seq-length {longest}",
    )
    return network.requires_grad_(False)


def take_over(networks: Mapping[str, Discriminator | MaskedLM], start: Start) -> None:
    """Load the weights into the networks, the kept one last: shared weights end up as its own."""
    kept, *others = networks
    for name in others:
        take_over_generator(name, networks[name], start)
    network = networks[kept]
    for found in (start.main, start.generator):
        if found is not None and fits(found, network):
            network.load_state_dict(found.state_dict())
            return
    network.encoder.load_state_dict(start.main.encoder.state_dict())
    logger.warning(f"{start.path} has no {kept}: its encoder is kept, the head starts at random")


def take_over_generator(name: str, network: Discriminator | MaskedLM, start: Start) -> None:
    """Load the generator, or the first layers of the main network in its place."""
    if start.generator is not None and fits(start.generator, network):
        network.load_state_dict(start.generator.state_dict())
        return
    parts: list[tuple[nn.Module, nn.Module]] = [(network.encoder, start.main.encoder)]
    if isinstance(start.main, MaskedLM):
        parts.append((network.head, start.main.head))
    if not start.seeds_generator or not all(shapes(mine).items() <= shapes(theirs).items() for mine, theirs in parts):
        logger.info(f"{start.path} has no {name} of the configured size: it starts at random")
        return
    for mine, theirs in parts:
        state = theirs.state_dict()
        mine.load_state_dict({tensor: state[tensor] for tensor in mine.state_dict()})
    head = "their head" if len(parts) > 1 else "a random head"
    logger.info(f"{start.path} has no {name}: it starts from the first {len(network.encoder.layers)} layers and {head}")


def fits(found: Network, network: Network) -> bool:
    """Return whether two networks have the same class and compute the same from the same weights."""
    return (
        type(found) is type(network) and alike(found.encoder.config, network.encoder.config) == network.encoder.config
    )


def alike(config: EncoderConfig, other: EncoderConfig) -> EncoderConfig:
    """Return a shape with the settings of another that do not change what weights compute."""
    return replace(config.trained_as(other), pad_token_id=other.pad_token_id)


def shapes(module: nn.Module) -> dict[str, torch.Size]:
    """Return the shape of each tensor by its name."""
    return {name: tensor.shape for name, tensor in module.state_dict().items()}
