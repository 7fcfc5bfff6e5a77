"""The languages that clients of LanguageTool's API name, matched as BCP 47 looks tags up (RFC 4647, section 3.4)."""

from __future__ import annotations

from collections.abc import Sequence

NAMES = {"en": "English", "en-US": "English (US)", "en-GB": "English (GB)", "en-AU": "English (Australian)",
         "en-CA": "English (Canadian)", "de": "German", "de-DE": "German (Germany)", "fr": "French", "es": "Spanish",
         "it": "Italian", "nl": "Dutch", "pt": "Portuguese", "zh": "Chinese", "zh-CN": "Chinese"}  # fmt: skip


def find_language(wanted: str, served: Sequence[str]) -> str | None:
    """Return the served language that a tag means, None if there is none.

    It is the tag itself, in any case, or the tag without its last subtags; failing that, the first served variant of
    the same language, as no client is helped by a refusal of en-AU where en-US is served.
    """
    by_tag = {tag.lower(): tag for tag in reversed(served)}
    subtags = wanted.replace("_", "-").lower().split("-")
    language = subtags[0]
    while subtags:
        if (tag := "-".join(subtags)) in by_tag:
            return by_tag[tag]
        subtags.pop()
        if subtags and len(subtags[-1]) == 1:  # x in de-x-mine belongs to what follows it
            subtags.pop()
    return next((tag for tag in served if tag.lower().split("-")[0] == language), None)


def language_entry(code: str) -> dict[str, str]:
    """Return a language as /v2/languages lists it."""
    return {"name": NAMES.get(code, code), "code": code.split("-")[0], "longCode": code}
