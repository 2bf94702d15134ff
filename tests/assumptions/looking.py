"""What an assumption or a check says of a short text, with the tables as they are delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from conversions.subjects import subject
from midstream.checks.view import View
from midstream.edit import apply_edits
from midstream.source import Source
from midstream.ubi.subject import PythonLayout, Sibling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from midstream.diagnostic import Diagnostic
    from midstream.ubi.outcome import Outcome
    from midstream.ubi.subject import Subject

    Check = Callable[[Subject], Iterator[Diagnostic]]
    Convert = Callable[[Subject], Outcome]

UBI = "registry.access.redhat.com/ubi9/ubi:9.8"
MINIMAL = "registry.access.redhat.com/ubi9/ubi-minimal:9.8"
MANYLINUX = "pytorch/manylinux2_28-builder:cuda13.0"
VENV = PythonLayout("venv", "/opt/app", "3.12")


def on_ubi(*lines: str, base: str = UBI) -> str:
    """A Dockerfile of one stage; its first line is the FROM."""
    return "\n".join((f"FROM {base} AS final", *lines, ""))


def look(
    text: str,
    *,
    scripts: Mapping[str, str] | None = None,
    live: set[int] | None = None,
    **more: Any,
) -> Subject:
    """A text as a subject; `scripts` are files of the build context, `more` what else it has."""
    found = subject(text)
    context = {path: Source(path, script) for path, script in (scripts or {}).items()}
    if live is not None:
        more["live"] = frozenset(live)
    return replace(found, context=context, **more)


def sibling(image: str, **more: Any) -> dict[str, Sibling]:
    """Another target of that image name."""
    return {image: Sibling("other", image, more.pop("manager", "dnf"), {}, **more)}


def view(text: str, *, profile: str = "community", upstream: Iterable[str] = ()) -> View:
    """The last stage ships."""
    found = subject(text)
    return View(found, found.dockerfile.stages[-1], profile, frozenset(upstream))


def told(found: Iterable[Diagnostic]) -> list[tuple[str, int, str]]:
    """The code, the line and the marked text of each finding."""
    return [
        (each.rule.code, each.source.position(each.span.start).line, each.source[each.span])
        for each in found
    ]


def converted(convert: Convert, text: str, **more: Any) -> str:
    """What becomes of a text; converting the result changes nothing."""
    after = apply_edits(text, convert(look(text, **more)).edits)
    assert convert(look(after, **more)).edits == ()
    return after
