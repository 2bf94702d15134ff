"""What an upstream text says, as a short hash that layout doesn't change.

Comments, blank lines, continuations and the width of blanks play no part, so that a decision about
a text stands until the text says something else.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from midstream.dockerfile.joined import join
from midstream.dockerfile.shell import shell_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from midstream.dockerfile.model import Dockerfile, Instruction

_LENGTH = 16  # hexadecimal digits: 64 bits tell texts of one overlay apart, and fit on a line


def of_instruction(dockerfile: Dockerfile, instruction: Instruction) -> str:
    """The fingerprint of one instruction: its keyword, flags, words and heredocs."""
    return of_text(meaning(dockerfile, instruction))


def meaning(dockerfile: Dockerfile, instruction: Instruction) -> str:
    """An instruction's text with its layout taken out. Made once."""
    known, at = dockerfile.meanings_read, instruction.span.start
    if at not in known:
        known[at] = _meaning(dockerfile, instruction)
    return known[at]


def _meaning(dockerfile: Dockerfile, instruction: Instruction) -> str:
    flags = [
        " ".join(join(dockerfile.source.text, flag.span, dockerfile.escape).text.split())
        for flag in instruction.flags
    ]
    if instruction.keyword == "RUN" and instruction.json is None:
        body = shell_text(dockerfile, instruction).text
    else:
        body = instruction.value
    heredocs = [dockerfile.text(each.body) for each in instruction.heredocs]
    return "\n".join([instruction.keyword, *flags, " ".join(body.split()), *heredocs])


def of_text(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:_LENGTH]


def of_all(texts: Iterable[str]) -> str:
    """One fingerprint of several, whatever their order."""
    return of_text("\n".join(sorted(texts)))
