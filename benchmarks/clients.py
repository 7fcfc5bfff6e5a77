"""Ask a running server through the public clients that people use, and run the test suite of LanguageTool's.

    python -m venv clients
    clients/bin/pip install openai langchain-openai huggingface_hub numpy language_tool_python pytest
    git clone --branch 3.4.0 https://github.com/jxmorris12/language_tool_python suite
    python benchmarks/clients.py clients/bin/python --suite suite --json results/clients.json

The suite was written for LanguageTool's own server, a Java program that it starts. A plug-in of pytest sends it to ours
instead. So tests of LanguageTool's rules, its process and its downloads fail; every failure is listed.
`--transformers-js FOLDER --exported FOLDER` (after `npm install @huggingface/transformers` in the first) fills a mask
by an exported generator.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from result_file import add

TEXTS = ["The chef cooked the meal.", "A dog sleeps."]
CLIENTS = {
    "openai": """
from openai import BadRequestError, OpenAI
client = OpenAI(base_url=f"{address}/v1", api_key="any")
found = client.embeddings.create(model="box", input=texts)
plain = client.embeddings.create(model="box", input=texts, encoding_format="float", dimensions=64)
try:
    client.embeddings.create(model="box", input="word " * 500)
except BadRequestError as error:
    said = error.body["message"]
cut = client.embeddings.create(model="box", input="word " * 500, extra_body={"truncate": True})
many = client.embeddings.create(model="box", input=[f"text {n}" for n in range(2048)])
answer = {"models": [each.id for each in client.models.list()], "dimensions": len(found.data[0].embedding),
          "length": sum(x * x for x in found.data[0].embedding), "asked_for_64": len(plain.data[0].embedding),
          "too_long": said, "truncated": cut.data[0].truncated, "of_2048": len(many.data)}
""",
    "langchain_openai": """
from langchain_openai import OpenAIEmbeddings
client = OpenAIEmbeddings(base_url=f"{address}/v1", api_key="any", check_embedding_ctx_length=False)
found = client.embed_documents(texts * 1000)
answer = {"vectors": len(found), "dimensions": len(found[0])}
""",
    "huggingface_hub": """
from huggingface_hub import InferenceClient
client = InferenceClient(model=f"{address}/embed")
found = client.feature_extraction(texts[0], normalize=True, truncate=True, truncation_direction="left")
answer = {"shape": list(found.shape), "length": float((found[0] ** 2).sum())}
""",
    "language_tool_python": """
from language_tool_python import LanguageTool
answer = {}
for tag in ("en-US", "en", "auto"):
    tool, text = LanguageTool(tag, remote_server=address), "😀 I am writting to teh hotel."
    answer[tag] = [[text[m.offset : m.offset + m.error_length], m.replacements[0]] for m in tool.check(text)]
    tool.disabled_categories = {"GRAMMAR"}
    answer[f"{tag} without grammar"] = len(tool.check("I am writting."))
""",
}
REDIRECT = """
import language_tool_python.server as server
start = server.LanguageTool.__init__
def remote(self, *args, **kwargs):
    kwargs["remote_server"] = kwargs.get("remote_server") or ADDRESS
    start(self, *args, **kwargs)
server.LanguageTool.__init__ = remote
"""
MASK = """
import { pipeline, env } from "@huggingface/transformers";
env.allowRemoteModels = false;
env.localModelPath = process.argv[2] + "/";
const fill = await pipeline("fill-mask", "generator", { dtype: "fp32" });
console.log(JSON.stringify((await fill("The river flows through the [MASK].")).map((each) => each.token_str)));
"""


@contextmanager
def serving() -> Iterator[str]:
    """Serve the model in the box and yield its address."""
    command = [sys.executable, "-m", "electra", "serve", "--port", "0", "--threads", "1"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr
        yield re.search(r"http://\S+", process.stderr.readline())[0]
    finally:
        process.terminate()
        process.wait(60)


def ask(python: str, name: str, address: str) -> dict[str, object]:
    """Run a client; return its version and what it got."""
    package = name.replace("_", "-") if name == "langchain_openai" else name
    code = f"import importlib.metadata, json\naddress, texts = {address!r}, {TEXTS!r}{CLIENTS[name]}"
    code += f"\nprint(json.dumps([importlib.metadata.version({package!r}), answer]))"
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "HF_HUB_OFFLINE")}
    done = subprocess.run([python, "-c", code], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": done.stderr.strip().splitlines()[-1]}
    version, answer = json.loads(done.stdout.strip().splitlines()[-1])
    return {"version": version, "answer": answer}


def run_suite(python: str, suite: Path, address: str) -> dict[str, object]:
    """Run the public test suite of language_tool_python against the server."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "redirect.py").write_text(REDIRECT.replace("ADDRESS", repr(address)))
        report = Path(folder) / "report.xml"
        command = [python, "-m", "pytest", "-q", "-p", "redirect", "-p", "no:cacheprovider", "-o", "addopts=",
                   f"--junitxml={report}", "--deselect", "tests/test_api_public.py", "tests"]  # fmt: skip
        subprocess.run(command, cwd=suite, env=os.environ | {"PYTHONPATH": folder}, capture_output=True, check=False)
        cases = list(ET.parse(report).getroot().iter("testcase"))
    failures = {
        f"{case.get('classname')}::{case.get('name')}": first_line(problem.get("message") or "")
        for case in cases for problem in (*case.findall("failure"), *case.findall("error"))
    }  # fmt: skip
    return {"passed": len(cases) - len(failures), "failed": len(failures), "failures": dict(sorted(failures.items()))}


def first_line(message: str) -> str:
    """The beginning of a message, without the home folder of this machine."""
    return message.replace(str(Path.home()), "~").splitlines()[0][:120]


def fill_mask(node_folder: Path, model: Path) -> list[str]:
    """Return what transformers.js puts in place of a mask, by the generator of an exported folder."""
    script = node_folder / "fill_mask.mjs"
    script.write_text(MASK)
    command = ["node", script.name, str(model.resolve())]
    done = subprocess.run(command, cwd=node_folder, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("python", help="interpreter of an environment with the clients")
    parser.add_argument("--suite", type=Path, help="checkout of language_tool_python")
    parser.add_argument("--transformers-js", type=Path, help="folder in which npm installed it")
    parser.add_argument("--exported", type=Path, help="folder that electra export wrote, for transformers.js")
    parser.add_argument("--json", type=Path, help="file of results")
    given = parser.parse_args()
    with serving() as address:
        found = {name: ask(given.python, name, address) for name in CLIENTS}
        if given.suite:
            found["suite of language_tool_python"] = run_suite(given.python, given.suite, address)
    if given.transformers_js and given.exported:
        found["transformers.js"] = {"fill-mask": fill_mask(given.transformers_js, given.exported)}
    for name, row in found.items():
        print(name, json.dumps(row, ensure_ascii=False, indent=1))
        if given.json:
            add(given.json, name, row)


if __name__ == "__main__":
    main()
