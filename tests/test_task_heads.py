"""The networks of fine-tuning: equal to Hugging Face's, alone in a row or packed, and as they were after saving."""

from dataclasses import replace

import pytest
import torch
from tiny import MODEL, tiny_tokenizer

from electra.checkpoints.huggingface import load_encoder, load_network, save_network
from electra.interface import Packed
from electra.models.electra.backbone import to_transformers_form
from electra.models.electra.encoder import Encoder
from electra.models.electra.initialisation import initialise_randomly
from electra.models.graph import Graph
from electra.models.task_heads import Answerer, Classifier, DenseHead, LinearHead, Tagger

LENGTHS = (7, 12, 4)


def build(kind, *args):
    torch.manual_seed(0)
    tokenizer = tiny_tokenizer()
    network = kind(Encoder(replace(MODEL, vocab_size=tokenizer.vocab_size)), *args)
    initialise_randomly(network, 0.2)
    for p in network.head.parameters():
        torch.nn.init.normal_(p, std=0.3)
    return network.eval(), tokenizer


def one_a_row(vocab_size):
    """Three examples, each in a row of its own."""
    generator = torch.Generator().manual_seed(1)
    N, L = len(LENGTHS), max(LENGTHS)
    ids = torch.randint(5, vocab_size, (N, L), generator=generator)
    places = torch.arange(L).expand(N, L)
    real = places < torch.tensor(LENGTHS)[:, None]
    second = (places >= 3) & real
    tokens = torch.where(real, torch.arange(N * L).view(N, L), -1)
    return Packed(ids * real, real.long(), second.long(), places * real, tokens)


def in_one_row(rows):
    """The same examples one after the other in a row."""
    real = rows.example_ids.bool()
    numbers = (torch.arange(len(real))[:, None] + 1).expand_as(real)
    line = [t[real][None] for t in (rows.input_ids, numbers, rows.token_type_ids, rows.position_ids)]
    tokens = torch.full_like(rows.tokens, -1)
    tokens[real] = torch.arange(int(real.sum()))
    return Packed(*line, tokens)


def leaves(outputs):
    return [outputs] if isinstance(outputs, torch.Tensor) else list(outputs)


KINDS = {
    "linear": (Classifier, 3, "linear"), "dense": (Classifier, 3, "dense"), "many": (Classifier, 20, "linear"),
    "tagger": (Tagger, 5), "span": (Answerer, "linear"), "joint": (Answerer, "joint"),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_packed_examples_get_what_they_get_alone(name):
    network, tokenizer = build(*KINDS[name])
    rows = one_a_row(tokenizer.vocab_size)
    alone, packed = leaves(network(rows)), leaves(network(in_one_row(rows)))
    for n, length in enumerate(LENGTHS):
        for a, b in zip(alone, packed):
            if name in ("tagger", "span") and a.dim() > 1 and a.shape[1] == max(LENGTHS):
                a, b = a[:, :length], b[:, :length]
            if name == "span" and (a.dim() == 3 or a.dtype == torch.long):
                continue  # the ends, checked below by transformers, and best starts, which may lie in noise
            torch.testing.assert_close(a[n], b[n], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", KINDS)
def test_saved_networks_come_back(name, tmp_path):
    network, tokenizer = build(*KINDS[name])
    rows = one_a_row(tokenizer.vocab_size)
    labels = {str(n): str(n) for n in range(KINDS[name][1])} if KINDS[name][0] is not Answerer else {}
    save_network(tmp_path, network, tokenizer, 24, **({"id2label": labels} if labels else {}))
    for a, b in zip(leaves(network(rows)), leaves(load_network(tmp_path)(rows))):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
    for a, b in zip(network.encoder.parameters(), load_encoder(tmp_path).parameters()):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    "name, theirs",
    [("linear", "SequenceClassification"), ("dense", "SequenceClassification"), ("tagger", "TokenClassification"),
     ("span", "QuestionAnswering")],
)  # fmt: skip
def test_transformers_gives_the_same(name, theirs, tmp_path):
    import transformers

    network, tokenizer = build(*KINDS[name])
    labels = {str(n): str(n) for n in range(KINDS[name][1])} if name != "span" else {}
    save_network(tmp_path, network, tokenizer, 24, **({"id2label": labels} if labels else {}))
    peer = getattr(transformers, "ElectraFor" + theirs).from_pretrained(tmp_path).eval()
    rows = one_a_row(tokenizer.vocab_size)
    with torch.no_grad():
        output = peer(*rows[:3])
        ours = network(rows)
    real = rows.example_ids.bool()
    if name == "span":
        torch.testing.assert_close(ours.start[real], output.start_logits[real], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(ours.end[:, 0][real], output.end_logits[real], atol=1e-5, rtol=1e-5)
    elif name == "tagger":
        torch.testing.assert_close(ours[real], output.logits[real], atol=1e-5, rtol=1e-5)
    else:
        torch.testing.assert_close(ours, output.logits, atol=1e-5, rtol=1e-5)


def test_a_linear_head_becomes_a_dense_one_where_it_fits():
    assert isinstance(to_transformers_form(build(Classifier, 16, "linear")[0]).head, DenseHead)
    assert isinstance(to_transformers_form(build(Classifier, 17, "linear")[0]).head, LinearHead)


def test_the_joint_head_equals_its_literal_form():
    """The end given the start, from joined vectors as released, not from a sum of two products."""
    network, tokenizer = build(Answerer, "joint")
    rows, gold = one_a_row(tokenizer.vocab_size), torch.tensor([4, 5, 3])
    answers, hidden, head = network(rows, gold), network.encoder(*rows[:4]), network.head
    at_start = hidden[torch.arange(3), gold]
    joined = torch.cat([at_start[:, None].expand_as(hidden), hidden], -1)
    end = head.end(torch.nn.functional.gelu(head.end_dense(joined))).squeeze(-1)
    inside = rows.token_type_ids.bool()
    torch.testing.assert_close(answers.end[:, 0][inside], end[inside], atol=1e-5, rtol=1e-5)
    outside = ~inside
    outside[:, 0] = False  # [CLS] stands for no answer
    assert (answers.start[outside] < -900).all()


def as_graph(name):
    """A network's answers to examples, and its named outputs for the same rows."""
    network, tokenizer = build(*KINDS[name])
    rows, graph = one_a_row(tokenizer.vocab_size), Graph(network)
    assert graph.inputs == ("input_ids", "attention_mask", "token_type_ids")
    return network(rows), dict(zip(graph.outputs, graph(*rows[:3]), strict=True)), rows.example_ids.bool()


def test_a_graph_of_labels_gives_those_of_the_network():
    labels, found, _ = as_graph("dense")
    assert torch.equal(found["logits"], labels)
    tags, found, real = as_graph("tagger")
    assert torch.equal(found["logits"][real], tags[real])


def test_a_graph_of_answers_gives_those_of_the_network():
    answers, found, real = as_graph("span")
    assert list(found) == ["start_logits", "end_logits"]
    assert torch.equal(found["start_logits"][real], answers.start[real])
    assert torch.equal(found["end_logits"][real], answers.end[:, 0][real])
    answers, found, real = as_graph("joint")
    assert list(found) == ["start_logits", "end_logits", "starts", "unanswerable"]
    assert torch.equal(found["start_logits"][real], answers.start[real])
    torch.testing.assert_close(found["unanswerable"], answers.unanswerable)
    for n, length in enumerate(LENGTHS):
        possible = length - 3 + 1  # starts in the second text and [CLS]; the order of others is noise
        assert torch.equal(found["starts"][n, :possible], answers.starts[n, :possible])
        torch.testing.assert_close(found["end_logits"][n, :possible, :length], answers.end[n, :possible, :length])


def test_a_bert_directory_gives_its_encoder(tmp_path):
    import transformers

    config = transformers.BertConfig(vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                                     intermediate_size=64, max_position_embeddings=32)  # fmt: skip
    peer = transformers.BertForMaskedLM(config).eval()
    peer.save_pretrained(tmp_path)
    rows = one_a_row(50)
    with torch.no_grad():
        theirs = peer.bert(*rows[:3]).last_hidden_state
    real = rows.example_ids.bool()
    ours = load_encoder(tmp_path).eval()(*rows[:4])
    torch.testing.assert_close(ours[real], theirs[real], atol=1e-5, rtol=1e-5)
