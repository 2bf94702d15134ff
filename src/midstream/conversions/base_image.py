"""External base images become the platform's, by `overlays/_shared/images.yaml`.

Where the base comes from an ARG, the ARG's default is rewritten, so that `--build-arg` goes on
working; elsewhere the FROM is. A base that the table doesn't know is an error: midstream invents
none. An image with a user and folder of its own is given upstream's, root and `/`. Where `midstream
pin` knows the digest of an image, it is named with it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midstream.diagnostic import Diagnostic, Rule, Severity
from midstream.dockerfile.arguments import pairs
from midstream.edit import Edit
from midstream.source import Span
from midstream.ubi.outcome import Outcome
from midstream.ubi.survey import mapped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.dockerfile.arguments import Pair
    from midstream.dockerfile.graph import Arrow
    from midstream.dockerfile.model import Stage
    from midstream.ubi.subject import Subject
    from midstream.ubi.tables import Base

NAME = "base-image"

UNKNOWN_BASE = Rule(
    "MS230",
    "unknown-base",
    """\
**What it says.** A stage is FROM an image that `overlays/_shared/images.yaml` has no row for.

**Why it matters.** Everything below depends on the base: the package manager, glibc, Python. A
guess here would build green and run wrong, so midstream makes none.

**The way out.** Add a row: `to:` with the image to build on instead, or `keep:` with the reason
why upstream's image may stay and the policy profiles that accept it. Or give the build argument
under `ship: args:` of the overlay, if the base comes from one.
""",
)
UNRESOLVED_BASE = Rule(
    "MS231",
    "unresolved-base",
    """\
**What it says.** A stage is FROM a name with a variable that has no value.

**Why it matters.** BuildKit refuses such a file unless the argument is given, and midstream can't
tell what the stage stands on.

**The way out.** Give the argument a value under `ship: args:` of the overlay.
""",
)
UNDESCRIBED_BASE = Rule(
    "MS232",
    "undescribed-base",
    """\
**What it says.** `overlays/_shared/images.yaml` maps a base to an image that the platform's table
doesn't describe.

**Why it matters.** Which package manager, programs and Python are there can't be told, so nothing
of the stage would be converted.

**The way out.** Add the image to a family under `bases:` of overlays/_shared/platforms/*.yaml, or
describe a new one there.
""",
)
RULES = (UNKNOWN_BASE, UNRESOLVED_BASE, UNDESCRIBED_BASE)


def convert(subject: Subject) -> Outcome:
    """Rewrite what each live stage stands on, where that is an external image."""
    found = Outcome.merged(_convert_stage(subject, stage) for stage in subject.live_stages)
    # Stages that are FROM the same ARG ask for the same edit.
    return Outcome(tuple(dict.fromkeys(found.edits)), found.diagnostics)


def _convert_stage(subject: Subject, stage: Stage) -> Outcome:
    arrow = subject.graph.base(stage.index)
    if arrow.target is not None or arrow.image in (None, "scratch"):
        return Outcome()
    if _is_ours(subject, arrow):
        return _pinned(subject, arrow)
    if arrow.unresolved:
        names = ", ".join(f"`{name}`" for name in arrow.unresolved)
        return _finding(
            subject, stage, arrow.span, UNRESOLVED_BASE,
            f"the base of this stage depends on {names}, which has no value",
            f"give it a value under `ship: args:` of the overlay: {arrow.unresolved[0]}: …",
        )  # fmt: skip
    return _rewrite(subject, stage, arrow)


def _is_ours(subject: Subject, arrow: Arrow) -> bool:
    """Whether the base is another target's image, or the platform's already."""
    image = arrow.image or ""
    return image in subject.siblings or subject.platform.base_for(image) is not None


def _rewrite(subject: Subject, stage: Stage, arrow: Arrow) -> Outcome:
    image = arrow.image or ""
    rule = subject.images.find(image)
    if rule is None:
        return _finding(
            subject, stage, arrow.span, UNKNOWN_BASE,
            f"no UBI base is known for `{image}`",
            "map it with `to:`, or `keep:` it with a reason, in overlays/_shared/images.yaml",
        )  # fmt: skip
    if rule.to is None:
        return _pinned(subject, arrow)
    span, written = _where_it_is_written(subject, arrow)
    if subject.is_claimed(span):
        return Outcome()
    default = subject.graph.scope.expand_global(written).text
    text = mapped(rule, written.strip("\"'") if "$" in written else image)
    if default != image or text is None:
        becomes = mapped(rule, image)
        return _finding(
            subject, stage, arrow.span, UNKNOWN_BASE,
            f"this stage stands on `{image}`, which is given from outside or put together",
            f"give the build argument `{becomes or rule.to}` under `ship: args:` of the overlay",
        )  # fmt: skip
    base = subject.platform.base_for(mapped(rule, image) or "")
    if base is None:
        return _finding(
            subject, stage, arrow.span, UNDESCRIBED_BASE,
            f"`{image}` becomes `{mapped(rule, image)}`, which {subject.platform.name} doesn't "
            "describe",
            f"add it under `bases:` of overlays/_shared/platforms/{subject.platform.name}.yaml",
        )  # fmt: skip
    renamed = Edit(span, subject.images.pinned(text), NAME, rule.why)
    return Outcome(edits=(renamed, *_as_debian_starts(subject, stage, base)))


_WORK = frozenset(("ADD", "CMD", "COPY", "ENTRYPOINT", "HEALTHCHECK", "RUN"))


def _as_debian_starts(subject: Subject, stage: Stage, base: Base) -> Iterator[Edit]:
    """USER and WORKDIR behind the FROM, where the image has others than upstream's base."""
    first = next((n for n, each in enumerate(stage.instructions) if each.keyword in _WORK), None)
    said = {each.keyword for each in stage.instructions[:first]}
    lines = []
    if base.user and "USER" not in said:
        lines.append("USER 0")
    if base.folder and "WORKDIR" not in said:
        lines.append("WORKDIR /")
    if lines:
        whole = subject.dockerfile.text(stage.origin.span)
        end = stage.origin.span.start + len(whole.rstrip("\r\n"))
        text = "".join(f"{subject.dockerfile.source.newline}{line}" for line in lines)
        yield Edit(Span(end, end), text, NAME, f"the image starts as {base.user} in {base.folder}")


def _pinned(subject: Subject, arrow: Arrow) -> Outcome:
    """The digest for an image that stays, where it is written as it is."""
    span, written = _where_it_is_written(subject, arrow)
    image = written.strip("\"'")
    text = subject.images.pinned(image)
    if image != arrow.image or text == image or subject.is_claimed(span):
        return Outcome()
    return Outcome(edits=(Edit(span, text, NAME, "a tag can be moved, a digest can't"),))


_ONE_VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w+)\}|(?P<plain>\w+))")


def _where_it_is_written(subject: Subject, arrow: Arrow) -> tuple[Span, str]:
    """The place to rewrite, and the text there: a global ARG's default, or the FROM itself."""
    whole = _ONE_VARIABLE.fullmatch(arrow.reference)
    if whole:
        name = whole["braced"] or whole["plain"]
        for pair in reversed(list(_global_arguments(subject))):  # the last one counts
            if pair.name == name and pair.value is not None and pair.value_span is not None:
                return pair.value_span, pair.value
    return arrow.span, arrow.reference


def _global_arguments(subject: Subject) -> Iterator[Pair]:
    for instruction in subject.dockerfile.preamble:
        if instruction.keyword == "ARG":
            yield from pairs(subject.dockerfile, instruction)


def _finding(
    subject: Subject, stage: Stage, span: Span, rule: Rule, message: str, help: str
) -> Outcome:
    found = Diagnostic(
        rule=rule,
        severity=Severity.ERROR,
        message=message,
        source=subject.dockerfile.source,
        span=span,
        help=help,
        context=f"stage {stage.label}",
    )
    return Outcome(diagnostics=(found,))
