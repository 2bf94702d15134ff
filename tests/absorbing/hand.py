"""A person who edits a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from demo import Demo

RESULT = "rendered/demo/Dockerfile.app.ubi"


def edited_by(demo: Demo, old: str, new: str) -> str:
    """Another text in the place of one that stands in the result; the whole result then."""
    text = demo.path(RESULT).read_text()
    assert old in text, text
    demo.write(RESULT, text.replace(old, new, 1))
    return demo.path(RESULT).read_text()
