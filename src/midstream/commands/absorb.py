"""`midstream absorb`: what was edited by hand in a result becomes edits of its overlay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from midstream import report
from midstream.absorbing.absorb import Absorbing
from midstream.absorbing.writing import as_yaml
from midstream.adapters import files
from midstream.commands import upstreams
from midstream.commands import workspace as at
from midstream.commands.placing import Place
from midstream.errors import Exit, UsageError

if TYPE_CHECKING:
    from midstream.absorbing.absorb import Absorbed
    from midstream.cli import Workspace
    from midstream.overlay.fragments import Folder
    from midstream.rebasing.flow import Rebased


@click.command("absorb")
@click.option("--target", required=True, metavar="T")
@click.option("--why", default="", metavar="TEXT", help="The reason that each edit gets.")
@click.option("--check", is_flag=True, help="Write nothing; show the edits, and exit with 1.")
@click.pass_obj
def command(workspace: Workspace, target: str, why: str, check: bool) -> int:
    """Make edits of the overlay of what was edited by hand in a result.

    The edits are written only where a rebase with them gives the result as it was edited.
    """
    if not (why.strip() or check):
        raise UsageError("every edit has its reason", help="say it: --why TEXT")
    origins = upstreams.Origins(workspace)
    place = Place(workspace, None, keeps_lock=True)

    def rebase(folder: Folder) -> Rebased:
        return upstreams.rebaser_of(folder, origins).rebase(target)

    tree = at.tree(workspace)
    absorbed = Absorbing(tree, target, why or "…", rebase, tree.read).absorb()
    _show(workspace, target, absorbed)
    if absorbed is None:
        return Exit.OK
    if check:
        return Exit.FINDINGS
    written = {workspace.root / path: data for path, data in absorbed.files.items()}
    files.write_all({**written, **place.outputs(absorbed.rebased)})
    report.note(f"wrote {', '.join(absorbed.files)}, and what a rebase makes of it")
    return Exit.OK


def _show(workspace: Workspace, target: str, absorbed: Absorbed | None) -> None:
    edits = absorbed.edits if absorbed else ()
    if workspace.json:
        content = {
            "target": target,
            "edits": [dict(each) for each in edits],
            "files": list(absorbed.files) if absorbed else [],
            "stays": list(absorbed.stays) if absorbed else [],
        }
        report.document("absorb", content)
        return
    if absorbed is None:
        report.note(f"{target}: nothing was edited by hand")
        return
    for each in edits:
        first, *rest = as_yaml(each).splitlines()
        report.line(report.visible(f"- {first}"))
        for line in rest:
            report.line(report.visible(f"  {line}"))
    for line in absorbed.stays:
        report.note(f"upstream's comment stays: {report.visible(line)}")
