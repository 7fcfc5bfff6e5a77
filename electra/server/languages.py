"""The languages that clients of LanguageTool's API may name, as they are listed."""

from __future__ import annotations

NAMES = {"en": "English", "en-US": "English (US)", "en-GB": "English (GB)", "en-AU": "English (Australian)",
         "en-CA": "English (Canadian)", "de": "German", "de-DE": "German (Germany)", "fr": "French", "es": "Spanish",
         "it": "Italian", "nl": "Dutch", "pt": "Portuguese", "zh": "Chinese", "zh-CN": "Chinese"}  # fmt: skip


def language_entry(code: str) -> dict[str, str]:
    """Return a language as /v2/languages lists it."""
    return {"name": NAMES.get(code, code), "code": code.split("-")[0], "longCode": code}
