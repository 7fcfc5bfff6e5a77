"""A second backbone, made here, trains, is saved, loaded, fine-tuned and counted: nothing else names a backbone."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest
import tiny
import torch
from tiny import tiny_config, write_data

import electra
from electra.checkpoints.convert import convert
from electra.checkpoints.huggingface import load_encoder, load_network, save_network
from electra.checkpoints.locate import network_kind
from electra.config import ConvertConfig, ElectraConfig, FinetuneConfig
from electra.core.storage import read_json
from electra.cost.operations import flops_per_token, memory_bytes, parameter_counts
from electra.finetuning.layerwise_decay import layerwise
from electra.finetuning.run import finetune
from electra.models.architecture import Architecture, read_fields
from electra.models.electra import encoder as electra_encoder
from electra.models.electra.architecture import ELECTRA
from electra.models.electra.backbone import BACKBONE
from electra.models.electra.matrices import sizes
from electra.models.heads import Discriminator, Headless, MaskedLM
from electra.models.kinds import Kind
from electra.models.layers import LayerNorm, Linear
from electra.models.matrices import Attention, Part
from electra.models.networks import NETWORKS
from electra.models.registry import ARCHITECTURES, architecture_of
from electra.objectives import find_objective
from electra.objectives.generators import build_encoder
from electra.pretraining.run import pretrain

BLOCK = 4


@dataclass(frozen=True)
class OtherConfig(ElectraConfig):
    model_type: ClassVar[str] = "other"


class OtherHead(torch.nn.Module):
    """Another head than ELECTRA's: it normalises, and predicts with one matrix."""

    def __init__(self, hidden_size):
        super().__init__()
        self.norm, self.prediction = LayerNorm(hidden_size), Linear(hidden_size, 1)

    def forward(self, hidden):
        return self.prediction(self.norm(hidden)).squeeze(-1).float()


class OtherEncoder(electra_encoder.Encoder):
    """Layers with one more norm on top, and a discriminator's head of its own."""

    def __init__(self, config, embeddings=None):
        super().__init__(config, embeddings)
        self.final_norm = LayerNorm(config.hidden_size)

    def forward(self, *inputs, **options):
        return self.final_norm(super().forward(*inputs, **options))

    def head(self, kind, count=1):
        return OtherHead(self.config.hidden_size) if kind is Kind.DISCRIMINATOR else super().head(kind, count)


def renamed(names):
    swapped = {
        ours: tuple(t.replace("electra.", "other.") for t in theirs)
        if isinstance(theirs, tuple)
        else theirs.replace("electra.", "other.")
        for ours, theirs in names.items()
    }
    return swapped | {"encoder.final_norm": "other.final_norm"}


class OtherArchitecture(Architecture):
    """A discriminator is a tagger of one label of this name, as with ModernBERT."""

    def kind(self, name, labels):
        found = super().kind(name, labels)
        return Kind.DISCRIMINATOR if found is Kind.TAGGER and list(labels) == ["replaced"] else found

    def class_of(self, kind):
        return super().class_of(Kind.TAGGER if kind is Kind.DISCRIMINATOR else kind)

    def depth(self, name, num_layers):
        return num_layers if "final_norm" in name else super().depth(name, num_layers)


def other_sizes(config, towers=1):
    found, h = sizes(config, towers), config.hidden_size
    layers = found.layers._replace(others=found.layers.others + 2 * h)
    attention = tuple(a._replace(block=lambda length: BLOCK if length > 3 * BLOCK else 0) for a in found.attention)
    return found._replace(layers=layers, attention=attention, rtd_head=Part(found.rtd_head.matrices[1:], 2 * h + 1))


def write_config(config, kind):
    one_label = {"id2label": {"0": "replaced"}} if kind is Kind.DISCRIMINATOR else {}
    return {"model_type": "other", **{f"other_{name}": value for name, value in asdict(config).items()}, **one_label}


def read_config(content, where):
    ours = {key.removeprefix("other_"): value for key, value in content.items() if key.startswith("other_")}
    return OtherConfig(**read_fields(OtherConfig, ours, where))


OTHER = OtherArchitecture(
    model_type="other",
    name="an Other",
    paper="nobody, 2020",
    classes={
        name.replace("Electra", "Other"): kind
        for name, kind in ELECTRA.classes.items()
        if name.startswith("Electra") and kind is not Kind.DISCRIMINATOR
    },
    read_config=read_config,
    write_config=write_config,
    sizes=other_sizes,
    backbone=lambda: replace(
        BACKBONE,
        encoder=OtherEncoder,
        names={kind: renamed(names) for kind, names in BACKBONE.names.items()}
        | {Kind.DISCRIMINATOR: renamed(BACKBONE.names[Kind.HEADLESS]) | {
            "head.norm": "head.norm", "head.prediction": "classifier"}},
        respell=lambda name: name,
        redundant=frozenset(),
        to_transformers_form=lambda network: network,
    ),
    fused=ELECTRA.fused,
)  # fmt: skip


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "other", OTHER)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


def other_config(data, out, **changes):
    """A tiny run of the other backbone."""
    config = tiny_config(data, out, **changes)
    return replace(config, model=OtherConfig(**asdict(config.model)))


def fill(network):
    torch.manual_seed(0)
    for p in network.parameters():
        torch.nn.init.normal_(p, std=0.2)
    return network.eval()


@pytest.mark.parametrize("changes", [{}, {"optimizer": "muon", "share": "gdes"}, {"objective": "electric"}])
def test_it_trains_and_its_run_is_read(data, tmp_path, changes):
    pretrain(other_config(data, tmp_path / "run", train_steps=3, **changes))
    folder = tmp_path / "run" / "model"
    content = read_json(folder / "config.json")
    assert content["model_type"] == "other" and content["architectures"] == ["OtherForTokenClassification"]
    assert network_kind(content) is Kind.DISCRIMINATOR
    network = load_network(folder)
    assert isinstance(network, Discriminator) and isinstance(network.encoder, OtherEncoder)
    assert isinstance(network.encoder.config, OtherConfig)
    if "objective" not in changes:
        generator = load_network(folder / "generator")
        assert isinstance(generator, MaskedLM) and isinstance(generator.encoder, OtherEncoder)


def test_its_run_is_converted(data, tmp_path):
    pretrain(other_config(data, tmp_path / "run", train_steps=1))
    convert(ConvertConfig(str(tmp_path / "run"), str(tmp_path / "out")))
    one, two = (load_network(tmp_path / place).state_dict() for place in ("run/model", "out"))
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
    assert "An Other (nobody, 2020)." in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.MULTIPLE_CHOICE])
def test_every_kind_of_network_comes_back(kind, tmp_path):
    tokenizer = tiny.tiny_tokenizer()
    config = OtherConfig(**asdict(replace(tiny.MODEL, vocab_size=tokenizer.vocab_size)))
    network = fill(NETWORKS[kind](OtherEncoder(config), 3))
    labels = {"id2label": {str(n): str(n) for n in range(3)}} if "classifier" in kind or kind is Kind.TAGGER else {}
    save_network(tmp_path, network, tokenizer, 24, **labels)
    found = load_network(tmp_path)
    assert found.kind is kind
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), found.parameters(), strict=True))
    encoder = load_encoder(tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(network.encoder.parameters(), encoder.parameters(), strict=True))


def test_its_run_is_fine_tuned(data, tmp_path):
    pretrain(other_config(data, tmp_path / "run", train_steps=1))
    lines = [{"text": f"the {animal} jumps", "label": animal} for animal in ("fox", "dog") * 8]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    finetune(
        FinetuneConfig(
            model=str(tmp_path / "run"), train=str(tmp_path / "train.jsonl"), out=str(tmp_path / "out"),
            task="classification", train_steps=2, device="cpu",
        )
    )  # fmt: skip
    content = read_json(tmp_path / "out" / "config.json")
    assert content["architectures"] == ["OtherLinearClassifier"] and network_kind(content) is Kind.LINEAR_CLASSIFIER
    assert electra.load(tmp_path / "out").predict(["the fox"])[0]["label"] in ("fox", "dog")


@pytest.mark.parametrize("objective", ["electra", "mlm", "all_tokens_mlm"])
def test_it_is_counted(data, objective):
    config = other_config(data, "unused", objective=objective)
    theirs = replace(config, model=tiny_config(data, "unused").model)
    built = find_objective(objective)(config, 4)
    assert parameter_counts(config)["total"] == sum(p.numel() for p in built.parameters())
    assert flops_per_token(config, 12)["encoder"] == flops_per_token(theirs, 12)["encoder"]
    far, near, long = (flops_per_token(c, n)["encoder"] for c, n in ((theirs, 24), (config, 24), (config, 48)))
    assert near == long < far
    memory = [memory_bytes(c, 12, 8)["activations_estimate"] for c in (config, theirs)]
    assert memory[0] == memory[1]
    few, many = (memory_bytes(config, n, 8)["activations_estimate"] for n in (24, 48))
    assert many == pytest.approx(2 * few)


def test_depth_and_matrices_are_its_own(data):
    config = other_config(data, "unused").model
    network = Headless(OtherEncoder(config))
    scale = layerwise(0.5, config, False)
    rates = {name: scale(name) for name, _ in network.named_parameters()}
    last = config.num_hidden_layers - 1
    assert rates["encoder.final_norm.weight"] == rates[f"encoder.layers.{last}.output.weight"] == 0.5
    assert rates["encoder.embeddings.word.weight"] == 0.5 ** (config.num_hidden_layers + 1)
    assert architecture_of(config).matrices_in("generator.encoder.layers.0.attention.qkv.weight") == 3
    assert architecture_of(config).matrices_in("encoder.final_norm.weight") == 0


def test_what_a_backbone_shares_is_built_from_its_record(data):
    encoder, embeddings = build_encoder(other_config(data, "unused", share="gdes"))
    assert isinstance(encoder, OtherEncoder) and encoder.embeddings is not embeddings


def test_blocks_bound_what_is_attended():
    assert Attention(8, 2, 3, 1).attended(100) == 100
    local = Attention(8, 2, 3, 1, block=lambda length: 4 if length > 20 else 0)
    assert local.products(20) == (1, 20, 20) and local.products(22) == (6, 4, 12)
    assert local.attended(20) == 20 and local.attended(24) == 12
    assert local.passes(0.5, 20) == 2.5 and local.passes(0.5, 24) == 3  # the last layer attends everywhere in blocks


def test_only_the_registry_knows_the_folder_of_a_backbone():
    package = Path(electra.__file__).parent
    named = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if "models/electra/" not in path.as_posix() and "electra.models.electra" in path.read_text()
    }
    assert named == {"models/registry.py", "checkpoints/tf1/networks.py"}, "the second reads ELECTRA's checkpoints only"
