"""Models that pre-training starts from: a run, a pair of Hugging Face directories, a frozen generator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from electra.checkpoints.huggingface import load_encoder, load_network
from electra.checkpoints.locate import is_masked_lm, masked_lm_folder, model_folder
from electra.config import PretrainConfig, require
from electra.core.log import logger
from electra.models.encoder import Encoder
from electra.models.heads import Discriminator, MaskedLM
from electra.text.tokenizer import Tokenizer, load_tokenizer


class Start(NamedTuple):
    """The networks named by --init."""

    path: str
    discriminator: Discriminator | None
    generator: MaskedLM | None
    encoder: Encoder  # of the network that pre-training keeps


def load_start(init: str) -> Start:
    """Load `PATH`, with the generator in PATH/generator if there is one, or `DISCRIMINATOR,GENERATOR`.

    Raises:
        ValueError: there is no model, or a discriminator where a generator belongs.
    """
    path, _, beside = init.partition(",")
    folder = model_folder(Path(path))
    generator_folder = model_folder(Path(beside)) if beside else folder / "generator"
    if is_masked_lm(folder):
        require(not beside, f"{path} holds a generator; name the discriminator first: --init DISCRIMINATOR,GENERATOR")
        network = load_network(folder)
        assert isinstance(network, MaskedLM)
        return Start(init, None, network, network.encoder)
    has_generator = (generator_folder / "config.json").exists()
    require(not has_generator or is_masked_lm(generator_folder), f"{generator_folder} holds no generator")
    generator = load_network(generator_folder) if has_generator else None
    assert generator is None or isinstance(generator, MaskedLM)
    discriminator, encoder = None, load_encoder(folder)
    try:
        found = load_network(folder)
    except ValueError:  # a BERT, or a bare encoder
        found = None
    if isinstance(found, Discriminator):
        discriminator, encoder = found, found.encoder
    return Start(init, discriminator, generator, encoder)


def fit_to_start(config: PretrainConfig, start: Start, tokenizer: Tokenizer) -> PretrainConfig:
    """Return the configuration with the sizes of the weights; dropout stays as configured.

    Raises:
        ValueError: the vocabulary is not that of the prepared text, or the generator does not fit the discriminator.
    """
    for path in start.path.split(","):
        require_same_vocabulary(load_tokenizer(model_folder(Path(path))), path, tokenizer)
    model = replace(start.encoder.config.trained_as(config.model), pad_token_id=tokenizer.pad_id)
    if not start.generator or not start.discriminator or config.traits.head != "rtd":
        return replace(config, model=model)
    width = start.generator.encoder.config.hidden_size / model.hidden_size
    depth = start.generator.encoder.config.num_hidden_layers / model.num_hidden_layers
    if (width, depth) != (1, 1) and config.needs_full_size_generator:
        return replace(config, model=model)  # a generator of full size, which starts at random
    fitting = replace(config, model=model, generator_width=width, generator_depth=depth)
    wanted = replace(start.generator.encoder.config.trained_as(fitting.generator), pad_token_id=tokenizer.pad_id)
    require(
        fitting.generator == wanted,
        f"the generator of {start.path} is not its discriminator made narrower: {wanted}, expected {fitting.generator}",
    )
    return fitting


def require_same_vocabulary(theirs: Tokenizer, path: str | Path, of_text: Tokenizer) -> None:
    """Raise ValueError if the text was prepared with another vocabulary than the model's."""
    model, text = (t.backend.get_vocab(with_added_tokens=True) for t in (theirs, of_text))
    differing = sorted(token for token in model.keys() | text.keys() if model.get(token) != text.get(token))
    require(
        not differing,
        f"the text was prepared with another vocabulary than that of {path} ({len(differing)} tokens differ, "
        f"{differing[:3]} among them); prepare it again with --tokenizer {path}",
    )


def load_frozen_generator(path: Path, tokenizer: Tokenizer, seq_length: int) -> MaskedLM:
    """Load a masked language model and freeze it; raise ValueError if it does not fit the text."""
    folder = masked_lm_folder(path)
    network = load_network(folder)
    require(isinstance(network, MaskedLM), f"{folder} holds a discriminator, not a masked language model")
    assert isinstance(network, MaskedLM)
    require_same_vocabulary(load_tokenizer(folder), folder, tokenizer)
    longest = network.encoder.config.max_position_embeddings
    require(longest >= seq_length, f"{folder} reads {longest} tokens, the text has examples of {seq_length}")
    return network.requires_grad_(False)


def take_over(networks: Mapping[str, Discriminator | MaskedLM], start: Start) -> None:
    """Load the weights into the networks, the kept one last: shared weights end up as its own."""
    names = list(networks)
    for name in reversed(names):
        network, found = networks[name], start.discriminator if name == "discriminator" else start.generator
        is_kept = name == names[0]
        if found is not None and fits(found, network) and (is_kept or start.discriminator is not None):
            network.load_state_dict(found.state_dict())
        elif is_kept:
            network.encoder.load_state_dict(start.encoder.state_dict())
            logger.warning(f"{start.path} has no {name}: its encoder is kept, the head starts at random")
        else:
            logger.info(f"{start.path} has no {name} of the configured size: it starts at random")


def fits(found: Discriminator | MaskedLM, network: Discriminator | MaskedLM) -> bool:
    """Return whether two networks have the same class and shapes."""
    shapes = [{name: tensor.shape for name, tensor in each.state_dict().items()} for each in (found, network)]
    return type(found) is type(network) and shapes[0] == shapes[1]
