# %% [markdown]
# # Fine-tune a model, and see whether it was worth it
#
# The model is the one of `own_model.py`. The task: from which chapter of the language reference is a paragraph?

# %%
import json
import random
from pathlib import Path
from pydoc_data.topics import topics

import electra

EPOCHS = 10.0
MODEL = "runs/example/model"
CHAPTERS = ("specialnames", "compound", "formatstrings", "debugger")

rows = [
    {"text": " ".join(paragraph.split()), "label": chapter}
    for chapter in CHAPTERS
    for paragraph in topics[chapter].split("\n\n")
    if len(paragraph.split()) > 8
]
random.Random(0).shuffle(rows)
folder = Path("runs/example/chapters")
folder.mkdir(parents=True, exist_ok=True)
for name, part in (("train", rows[: len(rows) * 3 // 4]), ("dev", rows[len(rows) * 3 // 4 :])):
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part), encoding="utf-8")
print(len(rows), "paragraphs, for example", rows[0])

# %% [markdown]
# ## Fine-tune
#
# The task, its columns and its labels are recognised from the file. The same call again returns what is there.

# %%
summary = electra.finetune(
    electra.FinetuneConfig(
        model=MODEL,
        train=f"{folder}/train.jsonl",
        dev=f"{folder}/dev.jsonl",
        out="runs/example/topic",
        learning_rate=1e-3,  # a tiny model wants more than the paper's 3e-4
        epochs=EPOCHS,
    )
)
model = electra.load("runs/example/topic")
model.predict(["The method must return a string.", "Set a breakpoint at the first line of the function."])

# %% [markdown]
# ## Beside simple baselines
#
# `evaluate` scores the model with an interval of a thousand bootstrap draws, beside the commonest label and TF-IDF with
# logistic regression. On single texts counting words is hard to beat by a model of this size: look before you deploy.

# %%
report = electra.evaluate(
    electra.EvaluateConfig(
        model="runs/example/topic",
        train=f"{folder}/train.jsonl",
        suite=f"{folder}/dev.jsonl",
        out="runs/example/evaluation",
    )
)
(result,) = report["results"]
for row in [*result["seeds"], *result["baselines"]]:
    low, high = row["interval"]
    print(f"{row['name']:30} {row['score']:.3f} ({low:.3f} - {high:.3f})")
