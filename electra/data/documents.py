"""Documents: lists of lines."""

from __future__ import annotations

import re

NOT_TEXT = re.compile("[\0\ud800-\udfff]")
Document = list[str]
