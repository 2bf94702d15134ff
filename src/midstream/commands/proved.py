"""Whether what stands in `rendered/` is what a rebase proved, by the hashes in its build plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from midstream.adapters.blobs import digest_of
from midstream.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from midstream.adapters.files import Tree


def hold(tree: Tree, plan: Mapping[str, Any], target: str, *, builds: bool) -> None:
    """What is built, or was, has to be what was proved. Raises `Refused` for something else.

    What `builds` needs the files themselves; what only looks at the plan goes without.
    """
    results = plan.get("results")
    for path, digest in results.items() if isinstance(results, dict) else ():
        data = tree.read(path)
        if data is None and not builds:
            continue
        if data is None or digest_of(data) != digest:
            what = "isn't there" if data is None else "isn't as midstream wrote it"
            raise Refused(
                f"{path} {what}, and the labels of its build plan would say that it is",
                help=f"run: midstream rebase --target {target}",
            )
