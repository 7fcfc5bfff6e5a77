# %% [markdown]
# # Train a model on your own text
#
# Here the text is the language reference of the installed Python, so nothing is downloaded. Replace it by yours: one
# paragraph a line, a blank line between documents.

# %%
from dataclasses import replace
from pathlib import Path
from pydoc_data.topics import topics

import electra

MINUTES = 5  # of training; more text and more minutes give a better model

text = Path("runs/example/text.txt")
text.parent.mkdir(parents=True, exist_ok=True)
paragraphs = [" ".join(p.split()) for chapter in topics.values() for p in [*chapter.split("\n\n"), ""]]
text.write_text("\n".join(paragraphs), encoding="utf-8")
print(f"{text.stat().st_size / 1e6:.1f} MB")

# %% [markdown]
# ## Prepare it
#
# A tokeniser is trained, and the text becomes rows of token ids. One document in twenty is held out.

# %%
data = electra.PrepareConfig(sources=(str(text),), out="runs/example/data", vocab_size=4096, heldout=0.05)
manifest = electra.prepare(data)

# %% [markdown]
# ## Pre-train
#
# The preset `tiny` with a limit by the clock. Run this cell again after an interruption, and the run continues.

# %%
run = replace(
    electra.PRESETS["tiny"],
    data=data.out,
    out="runs/example/model",
    max_minutes=MINUTES,
    train_steps=1_000_000,  # the clock ends the run
)
metrics = electra.pretrain(run)
print(f"AUC {metrics['disc_auc']:.3f} at finding the generator's replacements in held-out text; chance is 0.5")

# %% [markdown]
# ## Look for wrong words
#
# The model knows the language of this text and little else. `meal` is wrong here, and so is `fill`.

# %%
model = electra.load(run.out)
model.detect("If the fill cannot be opened, an OSError is raised. The meal of the function is returned as a string.")
