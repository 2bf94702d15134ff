"""Packages come from repositories that the profile accepts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midstream.diagnostic import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.checks.view import View
    from midstream.diagnostic import Diagnostic

NAME = "accepted-repositories"

NOT_ACCEPTED = Rule(
    "MS360",
    NAME,
    """\
**What it says.** The overlay enables a package repository that the profile doesn't accept.

**Why it matters.** What is certified is installed from Red Hat's own repositories. EPEL, CentOS
Stream and the vendors' are fine for a community image and refused for a certified one.

**The way out.** Take the packages from `rhel` on a subscribed build host, build them from source,
or check against `--profile community`.
""",
)
RULES = (NOT_ACCEPTED,)


def check(view: View) -> Iterator[Diagnostic]:
    """Each enabled repository whose `profiles:` leave this one out."""
    for name in view.subject.repositories:
        repository = view.subject.platform.repositories.get(name)
        if repository is not None and view.profile not in repository.profiles:
            yield view.finding(
                NOT_ACCEPTED, view.ship.origin.keyword_span,
                f"`{name}` ({repository.title}) isn't accepted by the profile `{view.profile}`",
                "take its packages from `rhel`, or drop it from `repositories:` of the overlay",
                stage=view.ship,
            )  # fmt: skip
