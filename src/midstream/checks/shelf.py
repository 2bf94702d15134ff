"""All checks, in the order in which their findings are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midstream.checks import (
    accepted_repositories,
    debian_left,
    labels,
    licence,
    non_root,
    pinned_base,
    readable_values,
    root_home,
    signed_packages,
    sources_exist,
    ubi_base,
    variables_declared,
    virtual_environment,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.checks.view import View
    from midstream.diagnostic import Diagnostic

CHECKS = (
    sources_exist, readable_values, debian_left, ubi_base, pinned_base, variables_declared,
    signed_packages, non_root, root_home, labels, licence, accepted_repositories,
    virtual_environment,
)  # fmt: skip


def check_all(view: View) -> Iterator[Diagnostic]:
    """What every check has to say about a result."""
    for each in CHECKS:
        yield from each.check(view)
