# %% [markdown]
# # Find wrong words
#
# The package comes with a model of English. It runs offline on a CPU, without torch.

# %%
import electra

box = electra.load()
found = box.detect(
    "Dear Sir, I am writting to complain about teh hotel. Their was no hot water, "
    "and the staff was not very freindly. We has to wait for for our keys more then an hour."
)
found

# %% [markdown]
# `detect` returns a list of words, and a notebook shows it as the text: the redder a word, the surer the model is that
# it is wrong. Rest the pointer on a word to see its probability and the suggestions. `.marked` has the words above the
# threshold.

# %%
for word in found.marked:
    print(f"{word.start:4} {word.text:10} {word.replaced:.2f}  {', '.join(word.shown_suggestions())}")

# %% [markdown]
# ## Mend the text
#
# Offsets are those of the text as given, so replacing from the end keeps them right. The suggestion `""` removes a
# word, and the space before it goes too.

# %%
mended = found.text
for word in reversed(found.marked):
    if word.suggestions:
        best = word.suggestions[0]
        before, after = mended[: word.start], mended[word.end :]
        mended = before.rstrip() + after if not best else before + best + after
print(mended)

# %% [markdown]
# ## Choose how much is marked
#
# A low threshold marks more wrong words, and more right ones too. The model's own was chosen on planted errors.

# %%
for threshold in (0.3, box.threshold, 0.9):
    again = box.detect(found.text, threshold, suggestions=0)
    print(f"{threshold:.2f} {len(again.marked):2} marked:", *(word.text for word in again.marked))
