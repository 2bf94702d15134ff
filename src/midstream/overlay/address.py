"""`stage / KIND / phrase`: where an edit looks."""

from __future__ import annotations

import difflib
import re
import shlex
from typing import TYPE_CHECKING

from midstream.diagnostic import Rule
from midstream.overlay.model import Address

if TYPE_CHECKING:
    from midstream.configuration import Node

BAD_ADDRESS = Rule(
    "MS514",
    "bad-address",
    """\
An `at:` can't be read.

It is `stage / KIND / phrase`, with a space on both sides of each slash:

    at: builder / RUN / auditwheel repair
    at: "@ship / ENV,ARG / LD_LIBRARY_PATH"
    at: builder / RUN / ~pip3? +install
    at: "@ship"

The stage is a name, a glob, `@global`, `@ship` or `@ship-lineage`. KIND is one or more Dockerfile
keywords with commas between them, or `*`. The phrase is words, or `~` and a regular expression.
The page docs/overlays.md has all of it.
""",
)
RULES = (BAD_ADDRESS,)

GLOBAL, SHIP, LINEAGE = "@global", "@ship", "@ship-lineage"
KEYWORDS = (
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL",
    "MAINTAINER", "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
)  # fmt: skip


def read_address(node: Node) -> Address | None:
    """The address at a YAML value; None, and a mistake noted, where it is none."""
    text = node.text()
    stage, *rest = (part.strip() for part in re.split(r"(?:^|\s+)/(?:\s+|$)", text, maxsplit=2))
    if not stage or not all(rest):
        node.wrong(f"`{text}` is not `stage / KIND / phrase`", rule=BAD_ADDRESS)
        return None
    if not _is_stage(node, stage):
        return None
    kinds = _kinds(node, rest[0]) if rest else ()
    found = _phrase(node, rest[1]) if len(rest) == 2 else ((), None)
    if kinds is None or found is None:
        return None
    return Address(text, stage, kinds, *found, whole_stage=not rest, place=node.place)


def _is_stage(node: Node, stage: str) -> bool:
    special = (GLOBAL, SHIP, LINEAGE)
    if not stage.startswith("@") or stage in special:
        return True
    near = difflib.get_close_matches(stage, special, n=1)
    advice = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(special)}"
    node.wrong(f"`{stage}` is no stage", help=advice, rule=BAD_ADDRESS)
    return False


def _kinds(node: Node, text: str) -> tuple[str, ...] | None:
    if text == "*":
        return ()
    kinds = tuple(kind.strip().upper() for kind in text.split(","))
    for kind in kinds:
        if kind not in KEYWORDS:
            near = difflib.get_close_matches(kind, KEYWORDS, n=1)
            advice = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(KEYWORDS)}"
            node.wrong(f"`{kind}` is no instruction", help=advice, rule=BAD_ADDRESS)
            return None
    return kinds


def _phrase(node: Node, text: str) -> tuple[tuple[str, ...], re.Pattern[str] | None] | None:
    if text.startswith("~"):
        return _pattern(node, text[1:].strip())
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters, lexer.escape = True, "", ""
    try:
        return tuple(lexer), None
    except ValueError:
        node.wrong(f"a quote in `{text}` is never closed", rule=BAD_ADDRESS)
        return None


def _pattern(node: Node, text: str) -> tuple[tuple[str, ...], re.Pattern[str]] | None:
    try:
        pattern = re.compile(text, re.MULTILINE)
    except re.error as error:
        node.wrong(f"`{text}` is not a regular expression: {error}", rule=BAD_ADDRESS)
        return None
    if pattern.match(""):
        node.wrong(f"`{text}` matches everything, since it matches nothing", rule=BAD_ADDRESS)
        return None
    return (), pattern
