"""ModernBERT's networks."""

from __future__ import annotations

from electra.models.backbone import Backbone
from electra.models.modernbert.embeddings import DisentangledEmbeddings, Embeddings
from electra.models.modernbert.encoder import Encoder
from electra.models.modernbert.initialisation import initialise_from_corpus, initialise_randomly, vector_width
from electra.models.modernbert.names import NAMES, REDUNDANT, respell

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
    to_transformers_form=lambda network: network,
)
