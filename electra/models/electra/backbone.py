"""ELECTRA's networks."""

from __future__ import annotations

from copy import deepcopy

from electra.models.backbone import Backbone
from electra.models.electra.embeddings import DisentangledEmbeddings, Embeddings
from electra.models.electra.encoder import Encoder
from electra.models.electra.initialisation import initialise_from_corpus, initialise_randomly, vector_width
from electra.models.electra.names import NAMES, REDUNDANT, respell
from electra.models.heads import Network
from electra.models.task_heads import Classifier, DenseHead, LinearHead


def to_transformers_form(network: Network) -> Network:
    """Return a classifier with a linear head as the equivalent one with a dense head, if it has few enough labels."""
    if not isinstance(network, Classifier) or not isinstance(network.head, LinearHead):
        return network
    labels = network.head.out_proj.out_features
    if network.encoder.config.hidden_size < 2 * labels:
        return network
    dense = Classifier(network.encoder, labels, "dense")
    assert isinstance(dense.head, DenseHead)
    dense.head.become(deepcopy(network.head).cpu())
    return dense


BACKBONE = Backbone(
    encoder=Encoder,
    embeddings=Embeddings,
    disentangled=DisentangledEmbeddings,
    initialise_randomly=initialise_randomly,
    initialise_from_corpus=initialise_from_corpus,
    vector_width=vector_width,
    names=NAMES,
    respell=respell,
    redundant=REDUNDANT,
    to_transformers_form=to_transformers_form,
)
