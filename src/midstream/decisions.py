"""`overlays/<target>/lock.json`: what upstream said when a person decided about it.

For everything that an overlay replaces, drops or wants to be asked about, the fingerprint of
upstream's text is kept. While it stays the same, the decision stands.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from midstream.diagnostic import Diagnostic, Place, Rule, Severity
from midstream.upstream.lock import VERSION, UnreadableLock, read_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from midstream.overlay.model import OverlayEdit
    from midstream.source import Source, Span

CHANGED = Rule(
    "MS220",
    "upstream-changed",
    """\
**What it says.** Upstream changed a text that the overlay replaces or drops.

**Why it matters.** The overlay's text was written against the old one. Whether it still does what
it should, only a person can say.

**The way out.** Compare the two, mend the overlay if it needs it, and record the answer.
""",
)
NEW_THERE = Rule(
    "MS221",
    "new-under-review",
    """\
**What it says.** Upstream has something new, or something that changed, where the overlay's
`review:` wants to be asked.

**The way out.** Look at it, and record the answer.
""",
)
RULES = (CHANGED, NEW_THERE)

NAME = "lock.json"


class Standing(Struct, frozen=True):
    """What a decision was made about. `label` says what it is, for people."""

    label: str
    fingerprint: str


class Decisions(Struct, frozen=True):
    """A target's lock.

    `edits` maps an edit's id to the fingerprint of the text that it changes, `review` a reviewed
    place to that of what stands there. `result` is the SHA-256 of the result.
    """

    target: str
    upstream: Mapping[str, str | None]
    result: str = ""
    edits: Mapping[str, str] = field(default_factory=dict)
    review: Mapping[str, str] = field(default_factory=dict)

    def as_bytes(self) -> bytes:
        content = {
            "midstream": VERSION,
            "target": self.target,
            "upstream": dict(self.upstream),
            "result": self.result,
            "edits": dict(sorted(self.edits.items())),
            "review": dict(sorted(self.review.items())),
        }
        return f"{json.dumps(content, indent=1)}\n".encode()


def read_decisions(source: Source) -> Decisions:
    """Raises `UnreadableLock`."""
    content = read_json(source)
    try:
        return Decisions(
            target=str(content["target"]),
            upstream=_texts(content["upstream"]),
            result=str(content["result"]),
            edits=_texts(content["edits"]),
            review=_texts(content["review"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise UnreadableLock(
            f"can't use {source.name}: a value is missing or of another kind: {error}",
            help=f"git checkout -- {source.name}",
        ) from None


def _texts(content: Any) -> dict[str, str]:
    return {str(key): str(value) for key, value in content.items()}


class Question(Struct, frozen=True):
    """Something that upstream changed, and that a person has to look at."""

    id: str
    finding: Diagnostic


def open_questions(
    known: Decisions | None,
    edits: Mapping[str, tuple[OverlayEdit, str, Span]],
    review: Mapping[str, tuple[str, Span]],
    dockerfile: Source,
) -> Iterator[Question]:
    """What isn't as it was when it was decided. Nothing is asked where there is no lock yet."""
    if known is None:
        return
    then = f"decided at {known.upstream.get('project')} {known.upstream.get('release')}"
    for name, (edit, fingerprint, span) in edits.items():
        if name in known.edits and known.edits[name] != fingerprint:
            yield Question(
                name,
                Diagnostic(
                    rule=CHANGED,
                    severity=Severity.ERROR,
                    message=f"upstream changed what `{name}` is about",
                    source=dockerfile,
                    span=span,
                    help=f"compare, mend the edit if it needs it, and run: "
                    f"midstream decide --accept {name}",
                    context=then,
                    also=Place(edit.place.source, edit.place.span, "the edit"),
                ),
            )
    for label, (fingerprint, span) in review.items():
        if known.review.get(label) != fingerprint:
            new = "something new" if label not in known.review else "a change"
            yield Question(
                label,
                Diagnostic(
                    rule=NEW_THERE,
                    severity=Severity.ERROR,
                    message=f"{new} at `{label}`, where the overlay wants to be asked",
                    source=dockerfile,
                    span=span,
                    help=f"look at it, and run: midstream decide --accept '{label}'",
                    context=then,
                ),
            )
