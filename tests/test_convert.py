"""Models in and out: the same logits as transformers both ways; TensorFlow's checkpoints without TensorFlow."""

import os
import subprocess

import numpy as np
import pytest
import tiny
import torch
import transformers
from bundle import masked, write_bundle

import electra
from electra.checkpoints.convert import convert
from electra.checkpoints.huggingface import load_network
from electra.checkpoints.tf1.bundle import TensorBundle, checksum_of
from electra.checkpoints.tf1.names import size_name
from electra.config import ConvertConfig
from electra.core.storage import read_json, write_json

VOCAB = tiny.tiny_tokenizer().vocab_size


def shape(width: int = 64) -> transformers.ElectraConfig:
    return transformers.ElectraConfig(
        vocab_size=VOCAB, embedding_size=16, hidden_size=width, num_hidden_layers=2, num_attention_heads=width // 64,
        intermediate_size=96, max_position_embeddings=40,
    )  # fmt: skip


def peers(generator_width: int = 64):
    """A discriminator and a generator of transformers that share their embeddings, with weights that matter."""
    torch.manual_seed(0)
    discriminator = transformers.ElectraForPreTraining(shape(128)).eval()
    generator = transformers.ElectraForMaskedLM(shape(generator_width)).eval()
    for parameter in [*discriminator.parameters(), *generator.parameters()]:
        torch.nn.init.normal_(parameter, std=0.2)
    generator.electra.embeddings.load_state_dict(discriminator.electra.embeddings.state_dict())
    return discriminator, generator


def tf1_tensors(discriminator, generator) -> dict[str, np.ndarray]:
    """The names google-research's code gives to the weights of both, written out anew."""
    named = {}
    for model, scope in ((discriminator, "electra"), (generator, "generator")):
        for name, tensor in model.state_dict().items():
            array = tensor.numpy()
            if "position_ids" in name or name == "generator_lm_head.weight":
                continue
            if name == "generator_lm_head.bias":
                named["generator_predictions/output_bias"] = array
                continue
            module, kind = name.replace("electra.", scope + ".", 1).rsplit(".", 1)
            module = module.replace("generator.embeddings.", "electra.embeddings.").replace(".layer.", ".layer_")
            module = module.replace("dense_prediction", "dense_1").replace(".", "/")
            if module.endswith("_embeddings"):
                named[module] = array
            elif "LayerNorm" in module:
                named[f"{module}/{'gamma' if kind == 'weight' else 'beta'}"] = array
            else:
                named[f"{module}/{'kernel' if kind == 'weight' else 'bias'}"] = array.T if kind == "weight" else array
    named = {name: np.ascontiguousarray(array) for name, array in named.items()}
    slots = {f"{name}/adam_{slot}": 0 * array for name, array in named.items() for slot in "mv"}
    return named | slots | {"global_step": np.array(1000, np.int64)}


@pytest.fixture
def checkpoint(tmp_path):
    folder = tmp_path / "tf1"
    folder.mkdir()
    pair = peers()
    write_bundle(folder / "model.ckpt-1000", tf1_tensors(*pair), shards=2)
    tiny.tiny_tokenizer().save(folder)
    for extra in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (folder / extra).unlink()
    return folder, pair


def batch():
    ids = torch.randint(5, VOCAB, (3, 17), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[1, 9:] = 0
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": (torch.arange(17) > 8).long().expand(3, 17)}


def assert_same_logits(expected, found):
    inputs = batch()
    kept = inputs["attention_mask"].bool()
    with torch.no_grad():
        torch.testing.assert_close(
            expected(**inputs).logits[kept], found(**inputs).logits[kept], atol=1e-5, rtol=0, check_dtype=False
        )


def assert_same_as_ours(expected, folder):
    inputs, network = batch(), load_network(folder)
    positions = (torch.arange(17).expand(3, 17),) if "MaskedLM" in type(expected).__name__ else ()
    with torch.no_grad():
        ours = network(*positions, inputs["input_ids"], inputs["attention_mask"], inputs["token_type_ids"])
        kept = inputs["attention_mask"].bool()
        theirs = expected(**inputs).logits
        torch.testing.assert_close(ours.view_as(theirs)[kept], theirs[kept], atol=1e-5, rtol=0)


def test_a_tensorflow_checkpoint_gives_both_networks(checkpoint, tmp_path, capsys):
    folder, pair = checkpoint
    convert(ConvertConfig(str(folder), str(tmp_path / "out"), num_attention_heads=2))
    said = capsys.readouterr().err
    assert "tensors of the optimizer" in said and "has a place" not in said
    for peer, place in zip(pair, (tmp_path / "out", tmp_path / "out" / "generator")):
        assert_same_logits(peer, type(peer).from_pretrained(place))
        assert_same_as_ours(peer, place)
        assert "Converted from model.ckpt-1000" in (place / "README.md").read_text()
    words = electra.load(tmp_path / "out").detect("the quick fox", threshold=0.0)
    assert len(words) == 3 and words[0].suggestions


def test_sizes_are_told_from_shapes():
    from electra.config import PRESETS, find_preset

    for name in ("small", "small++", "base", "large"):
        preset = PRESETS[name]
        generator = preset.model.generator(preset.generator_width, preset.generator_depth)
        assert size_name(preset.model, generator) == name
    assert size_name(find_preset("tiny", "electra").model.generator(0.5, 1), None) == ""


def test_missing_and_unexpected_tensors_are_listed(checkpoint, tmp_path, capsys):
    folder, pair = checkpoint
    tensors = tf1_tensors(*pair)
    bias = tensors.pop("electra/encoder/layer_1/output/dense/bias")
    write_bundle(folder / "model.ckpt-1000", tensors)
    with pytest.raises(ValueError, match=r"missing encoder.layers.1.output.bias"):
        convert(ConvertConfig(str(folder), str(tmp_path / "out"), num_attention_heads=2))
    assert not (tmp_path / "out").exists()
    tensors |= {"electra/encoder/layer_1/output/dense/bias": bias, "task_specific/sst/kernel": bias}
    write_bundle(folder / "model.ckpt-1000", tensors)
    convert(ConvertConfig(str(folder), str(tmp_path / "out"), num_attention_heads=2))
    assert "has a place for them: task_specific/sst/kernel" in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.parametrize("snappy", [False, True])
@pytest.mark.parametrize("shards", [1, 3])
def test_the_bundle_is_read_as_it_was_written(tmp_path, snappy, shards):
    rng = np.random.default_rng(0)
    tensors = {f"layer_{i}/kernel": rng.normal(size=(i, 7)).astype(np.float32) for i in range(40)}
    tensors |= {"global_step": np.array(7, np.int64), "flags": np.arange(3, dtype=np.int32)}
    write_bundle(tmp_path / "m", tensors, shards, snappy)
    bundle = TensorBundle(tmp_path / "m")
    assert bundle.entries.keys() == tensors.keys()
    for name, array in tensors.items():
        np.testing.assert_array_equal(bundle.read(name), array)
        assert bundle.read(name).dtype == array.dtype


def test_an_altered_bundle_is_refused(tmp_path):
    write_bundle(tmp_path / "m", {f"w{i}": np.arange(50, dtype=np.float32) for i in range(9)})
    index, data = tmp_path / "m.index", tmp_path / "m.data-00000-of-00001"
    whole_index, whole_data = index.read_bytes(), data.read_bytes()
    for place in range(0, len(whole_data), 97):
        data.write_bytes(whole_data[:place] + bytes([whole_data[place] ^ 16]) + whole_data[place + 1 :])
        with pytest.raises(ValueError, match="altered"):
            [TensorBundle(tmp_path / "m").read(f"w{i}") for i in range(9)]
    data.write_bytes(whole_data[:-1])
    with pytest.raises(ValueError, match="cut short"):
        TensorBundle(tmp_path / "m").read("w8")
    used = len(whole_index) - 48  # the footer's padding means nothing
    for place in [*range(0, used, 11), len(whole_index) - 1]:
        index.write_bytes(whole_index[:place] + bytes([whole_index[place] ^ 1]) + whole_index[place + 1 :])
        data.write_bytes(whole_data)
        try:
            read = [TensorBundle(tmp_path / "m").read(f"w{i}") for i in range(9)]
        except ValueError:
            continue
        assert all((array == np.arange(50)).all() for array in read), "only what nothing reads may change unseen"
    index.write_bytes(whole_index[:100])
    with pytest.raises(ValueError, match="cut short"):
        TensorBundle(tmp_path / "m")
    with pytest.raises(ValueError, match="no such file"):
        TensorBundle(tmp_path / "nothing")


@pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 5, 4095, 4096, 4097, 30_000])
def test_the_checksum_is_castagnolis(length):
    data = np.random.default_rng(length).bytes(length)
    assert checksum_of(data) == masked(data)


def test_hugging_face_in_and_out(tmp_path):
    discriminator, _ = peers()
    discriminator.save_pretrained(tmp_path / "theirs")
    tiny.tiny_tokenizer().save(tmp_path / "theirs", 30)
    content = read_json(tmp_path / "theirs" / "config.json") | {"detection_threshold": 0.25}
    write_json(tmp_path / "theirs" / "config.json", content)
    convert(ConvertConfig(str(tmp_path / "theirs"), str(tmp_path / "out")))
    assert_same_logits(discriminator, transformers.ElectraForPreTraining.from_pretrained(tmp_path / "out"))
    model = electra.load(tmp_path / "out")
    assert model.threshold == 0.25 and model.longest == 30


@pytest.mark.parametrize(
    "name", ["SequenceClassification", "TokenClassification", "QuestionAnswering", "MultipleChoice", "CausalLM", ""]
)
def test_every_head_of_transformers_comes_in_and_goes_out(name, tmp_path, capsys):
    torch.manual_seed(0)
    kind = getattr(transformers, f"ElectraFor{name}" if name else "ElectraModel")
    config = shape(128)
    config.is_decoder, config.num_labels = name == "CausalLM", 2 if name == "QuestionAnswering" else 3
    peer = kind(config).eval()
    for parameter in peer.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    peer.save_pretrained(tmp_path / "theirs")
    tiny.tiny_tokenizer().save(tmp_path / "theirs", 30)
    convert(ConvertConfig(str(tmp_path / "theirs"), str(tmp_path / "out")))
    assert "left out" not in capsys.readouterr().err
    inputs = batch() if name != "MultipleChoice" else {key: value[:, None] for key, value in batch().items()}
    with torch.no_grad():
        pairs = zip(peer(**inputs).to_tuple(), kind.from_pretrained(tmp_path / "out").eval()(**inputs).to_tuple())
        for expected, found in [pair for pair in pairs if isinstance(pair[0], torch.Tensor)]:
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_weights_in_several_files_are_read(tmp_path):
    discriminator, _ = peers()
    discriminator.save_pretrained(tmp_path, max_shard_size="20KB")
    tiny.tiny_tokenizer().save(tmp_path)
    assert len(list(tmp_path.glob("model-*-of-*.safetensors"))) > 1 and not (tmp_path / "model.safetensors").exists()
    network = load_network(tmp_path)
    with torch.no_grad():
        tokens = batch()["attention_mask"] > 0
        expected = discriminator.eval()(**batch()).logits[tokens]
        torch.testing.assert_close(network(*batch().values())[tokens], expected, atol=1e-5, rtol=0)


def test_a_pickle_is_refused(tmp_path):
    discriminator, _ = peers()
    discriminator.save_pretrained(tmp_path)
    tiny.tiny_tokenizer().save(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match="convert pytorch_model.bin to safetensors first"):
        convert(ConvertConfig(str(tmp_path), str(tmp_path / "out")))


def test_a_runs_cards_say_what_was_measured(tmp_path):
    data = tiny.write_data(tmp_path / "data")
    electra.pretrain(tiny.tiny_config(data, tmp_path / "run"))
    convert(ConvertConfig(str(tmp_path / "run"), str(tmp_path / "out")))
    for folder in (tmp_path / "out", tmp_path / "out" / "generator"):
        card = (folder / "README.md").read_text()
        assert "Held-out text, after step" in card and "| disc_auc |" in card and "| train_batch_size | 8 |" in card
    with pytest.raises(ValueError, match="not empty"):
        convert(ConvertConfig(str(tmp_path / "run"), str(tmp_path / "out")))


@pytest.mark.parametrize(
    ("source", "out", "message"),
    [("", "out", "nothing to convert"), ("x", "", "no output folder"), ("x", "out", "no such folder")],
)
def test_what_is_missing_is_said(source, out, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        convert(ConvertConfig(source, out))


# -- real TensorFlow ---------------------------------------------------------------------------------------------------

WRITE_WITH_TENSORFLOW = """
import sys
import numpy as np
import tensorflow.compat.v1 as tf
tf.disable_eager_execution()
weights = np.load(sys.argv[1])
with tf.Graph().as_default(), tf.Session() as session:
    for name in weights.files:
        tf.get_variable(name, initializer=weights[name])
    session.run(tf.global_variables_initializer())
    tf.train.Saver(sharded=sys.argv[3] == "sharded").save(session, sys.argv[2], global_step=1000)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["whole", "sharded"])
@pytest.mark.parametrize("generator_width", [64, 128])
def test_a_checkpoint_of_real_tensorflow(tmp_path, kind, generator_width):
    python = os.environ.get("TENSORFLOW_PYTHON")
    if not python:
        pytest.skip("TENSORFLOW_PYTHON names no interpreter with tensorflow-cpu 2.15")
    pair = peers(generator_width)
    np.savez(tmp_path / "weights.npz", **tf1_tensors(*pair))
    (tmp_path / "tf1").mkdir()
    command = [python, "-c", WRITE_WITH_TENSORFLOW, tmp_path / "weights.npz", tmp_path / "tf1" / "model.ckpt", kind]
    subprocess.run(command, check=True, capture_output=True)
    tiny.tiny_tokenizer().save(tmp_path)
    heads = ConvertConfig(
        str(tmp_path / "tf1"), str(tmp_path / "out"), vocab=str(tmp_path / "vocab.txt"), num_attention_heads=2
    )
    convert(heads)
    for peer, place in zip(pair, (tmp_path / "out", tmp_path / "out" / "generator")):
        assert_same_logits(peer, type(peer).from_pretrained(place))


def test_a_masked_bert_is_a_generator(tmp_path):
    """So that it can corrupt text, frozen (Fast-ELECTRA), or go on as `--objective mlm`."""
    torch.manual_seed(0)
    size = dict(vocab_size=VOCAB, hidden_size=64, num_hidden_layers=2, num_attention_heads=1, intermediate_size=96)
    bert = transformers.BertForMaskedLM(transformers.BertConfig(**size, max_position_embeddings=40)).eval()
    for parameter in bert.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    bert.save_pretrained(tmp_path)
    network = load_network(tmp_path)
    ids = torch.randint(5, VOCAB, (2, 9))
    mask, places = torch.ones_like(ids), torch.arange(9).expand(2, 9)
    with torch.no_grad():
        mine = network(places, ids, mask, torch.zeros_like(ids), places)
        assert torch.allclose(mine.view(2, 9, -1), bert(ids).logits, atol=1e-4)
    tiny.tiny_tokenizer().save(tmp_path)
    convert(ConvertConfig(str(tmp_path), str(tmp_path / "out")))
    assert_same_logits(bert, transformers.AutoModelForMaskedLM.from_pretrained(tmp_path / "out").eval())
    (tmp_path / "config.json").write_text(
        (tmp_path / "config.json").read_text().replace("ForMaskedLM", "ForPreTraining")
    )
    with pytest.raises(ValueError, match="of bert only its encoder and masked language model load"):
        load_network(tmp_path)
