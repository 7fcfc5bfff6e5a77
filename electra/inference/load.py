"""Load any run, Hugging Face directory or exported folder as a Python object."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from electra.checkpoints.locate import is_exported, model_folder, network_kind
from electra.config.base import require
from electra.config.model import ElectraConfig
from electra.core.log import logger
from electra.core.storage import read_json, read_object
from electra.inference.box import BOX
from electra.inference.detector import Detector
from electra.inference.embedder import Embedder
from electra.inference.sessions import FORMATS, Session, fastest_first, installed, open_session
from electra.inference.task_model import TaskModel
from electra.models.kinds import Kind
from electra.tasks import Task, find_task, guess_task
from electra.text.dictionary import FILE, Dictionary, read_dictionary
from electra.text.evidence import Evidence, read_weights
from electra.text.tokenizer import load_tokenizer, require_room, stated_length

POOLING = Path("1_Pooling", "config.json")
UNNAMED = {"0": "LABEL_0", "1": "LABEL_1"}  # Hugging Face's labels if config.json names none
POSITIONS, VOCABULARY = ElectraConfig().max_position_embeddings, ElectraConfig().vocab_size  # defaults


def load(
    path: str | Path = BOX, device: str = "cpu", threads: int = 0, format: str = "auto"
) -> Detector | TaskModel | Embedder:
    """Load a run, a Hugging Face directory or an exported folder; by default the model in the box.

    A pre-trained discriminator becomes a Detector, with its generator if it has one; a fine-tuned network a TaskModel;
    a bare encoder an Embedder. An exported folder runs on the CPU without torch, by default in the fastest format that
    was kept and can run here.

    device: cpu, cuda, cuda:1 ...; of exported folders cpu alone. threads: CPU threads; 0: the library's default.
    format: of an exported folder, as export.json names them (onnx, onnx-int8, openvino ...). Nothing is ever
    unpickled.

    Raises:
        ValueError: there is no model at `path`, it is not one that this package reads, or a library is missing.
        OSError: a file is missing, torn or unreadable.
    """
    if is_exported(path):
        require(device == "cpu", f"{path} is exported and runs on the CPU; leave the device {device!r} out")
        return load_exported(Path(path), format, threads)
    require(format == "auto", f"{path} holds no exported model; electra export writes one")
    folder = model_folder(Path(path))
    require(installed("torch"), f"{path} needs torch: pip install 'electra[train]'; an exported folder does not")
    import torch

    if threads:
        torch.set_num_threads(threads)
    return load_in_torch(folder, device)


def load_in_torch(folder: Path, device: str) -> Detector | TaskModel | Embedder:
    """Load a Hugging Face directory."""
    from electra.checkpoints.huggingface import load_network
    from electra.inference.torch_session import TorchSession

    network, generator = load_network(folder), folder / "generator"
    has_generator = (generator / "config.json").exists()
    proposing = TorchSession(load_network(generator).to(device)) if has_generator else None
    return assemble(folder, network.kind, TorchSession(network.to(device)), proposing, "torch")


def load_exported(folder: Path, format: str, threads: int) -> Detector | TaskModel | Embedder:
    """Load an exported folder in a format; auto: the fastest."""
    chosen = choose_format(folder) if format == "auto" else format
    session = open_session(folder, chosen, threads)
    kind = network_kind(read_object(folder / "config.json"))
    require(kind is not None, f"{folder}: config.json names no known architecture; export the model again")
    assert kind is not None
    return assemble(folder, kind, session, open_generator(folder / "generator", chosen, threads), chosen)


def choose_format(folder: Path) -> str:
    """Return the fastest format that export kept and this machine can run."""
    try:
        kept = [f["format"] for f in read_json(folder / "export.json")["formats"] if f["kept"]]
    except (KeyError, TypeError):
        raise ValueError(
            f"{folder / 'export.json'} is not what electra export writes; export the model again"
        ) from None
    usable = [name for name in fastest_first() if name in kept and installed(FORMATS[name].library)]
    if not usable:
        raise ValueError(f"{folder} holds {', '.join(kept) or 'no format'}; install onnxruntime or openvino to run it")
    return usable[0]


def open_generator(folder: Path, chosen: str, threads: int) -> Session | None:
    """Open the exported generator, in full precision if it is there, preferably with the chosen format's library."""
    plain = "openvino" if FORMATS[chosen].library == "openvino" else "onnx"
    for format in dict.fromkeys((plain, "openvino", "onnx", "onnx-int8")):
        if (folder / FORMATS[format].file).exists() and installed(FORMATS[format].library):
            return open_session(folder, format, threads)
    return None


def assemble(
    folder: Path, kind: Kind, session: Session, generator: Session | None, format: str
) -> Detector | TaskModel | Embedder:
    """Build a Detector, TaskModel or Embedder from a session and the settings in its folder."""
    content, tokenizer = read_object(folder / "config.json"), load_tokenizer(folder)
    require_room(tokenizer, int(content.get("vocab_size", VOCABULARY)), folder)
    longest = min(int(content.get("max_position_embeddings", POSITIONS)), stated_length(folder))
    if kind is Kind.DISCRIMINATOR:
        threshold, dictionary = saved_threshold(content, folder), read_dictionary(folder)
        evidence = saved_evidence(content, dictionary, folder)
        return Detector(session, tokenizer, longest, generator, threshold, format, dictionary, evidence)
    if kind is Kind.HEADLESS:
        warn_of_pooling(folder)
        return Embedder(session, tokenizer, longest, format)
    name = content.get("task") or guess_task(kind, content)
    require(
        bool(name),
        f"{folder} holds neither a discriminator nor a fine-tuned model; a masked language model alone is neither: "
        "fine-tune it (electra finetune), or name a discriminator",
    )
    return TaskModel(session, saved_task(name, content), name, tokenizer, longest, format)


def warn_of_pooling(folder: Path) -> None:
    """Warn if SentenceTransformer saved the encoder with another pooling than the mean, which `Embedder` takes."""
    file = next((f for f in (folder / POOLING, folder.parent / POOLING) if f.is_file()), None)
    stated = read_object(file) if file else {}
    modes = {name.removeprefix("pooling_mode_") for name, value in stated.items() if value is True}
    modes |= {str(stated["pooling_mode"])} if "pooling_mode" in stated else set()
    if other := {mode for mode in modes if mode.startswith(("cls", "max", "mean_sqrt", "weighted", "last"))}:
        logger.warning(f"{file} pools by {', '.join(sorted(other))}; vectors here are the mean over the tokens")


def saved_threshold(content: Mapping[str, Any], folder: Path) -> float:
    """Return the detection threshold in config.json, 0.5 by default."""
    threshold = content.get("detection_threshold", 0.5)
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 <= threshold <= 1:
        raise ValueError(f"{folder}: detection_threshold in config.json must be a number from 0 to 1; correct it")
    return threshold


def saved_evidence(content: Mapping[str, Any], dictionary: Dictionary | None, folder: Path) -> Evidence | None:
    """Return the dictionary with its weights in config.json, None if there are none."""
    if "dictionary_weights" not in content:
        return None
    require(dictionary is not None, f"{folder} has no {FILE}, whose words its detector weighs; copy it from the model")
    assert dictionary is not None
    try:
        return Evidence(dictionary, read_weights(content["dictionary_weights"]))
    except ValueError as error:
        raise ValueError(f"{folder}: {error} in config.json; restore the file") from None


def saved_task(name: str, content: Mapping[str, Any]) -> Task:
    """Return a task with its settings, or at least its labels, from config.json."""
    names = content.get("id2label") or UNNAMED
    return find_task(name)(**content.get("task_settings") or {"labels": [names[key] for key in sorted(names, key=int)]})
