"""The virtual environment that the overlay speaks of is the one that the shipped image runs in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midstream.diagnostic import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.checks.view import View
    from midstream.diagnostic import Diagnostic

NAME = "virtual-environment"

ANOTHER_PLACE = Rule(
    "MS364",
    NAME,
    """\
**What it says.** The overlay's `python: {layout: venv, path: …}` names a virtual environment, and
in the shipped stage `VIRTUAL_ENV` names another folder, or its `bin` isn't on PATH.

**Why it matters.** Paths to packages were converted to the overlay's folder, and `--system` was
taken away so that packages go there. In another environment, or in none, files are missed without
an error, and packages go to the Python that dnf runs on.

**The way out.** Give `python: path:` the folder that upstream has now, or put an environment there
with an edit.
""",
)
RULES = (ANOTHER_PLACE,)


def check(view: View) -> Iterator[Diagnostic]:
    """What the shipped image's environment says of it."""
    python = view.subject.python
    if python.layout != "venv":
        return
    environment = view.subject.graph.scope.environment(view.ship.index)
    active = environment.get("VIRTUAL_ENV", python.path).rstrip("/")
    if active != python.path:
        said = f"the image's virtual environment is `{active}`, and the overlay's `{python.path}`"
    elif f"{python.path}/bin" not in environment.get("PATH", "").split(":"):
        said = f"`{python.path}/bin` isn't on the image's PATH"
    else:
        return
    yield view.finding(
        ANOTHER_PLACE, view.ship.origin.keyword_span, said,
        "mend `python: path:` of the overlay, or set the environment with an edit",
        stage=view.ship,
    )  # fmt: skip
