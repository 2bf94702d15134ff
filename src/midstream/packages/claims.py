"""What has to be there: the rows of packages.yaml, and what a result installs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from midstream.diagnostic import Place
    from midstream.ubi.tables import Package, Platform

_PYTHON = re.compile(r"(?:lib)?python(\$\{[^}]*\}|\$\w+)")


class Claim(Struct, frozen=True):
    """That a package is there, by an argument of dnf's install, in one of some repositories.

    `place` is who claims it: a row, or the words of a result; `row` the row that it comes by, if it
    does; `target` whose result installs it, and `within` in what. `perhaps`: only some builds
    install it. `unsure` says why other repositories than these may be at hand, or where nothing is
    `wanted`, why nobody can look it up; `foreign` where that is so because it isn't UBI's.
    """

    wanted: str
    repositories: tuple[str, ...]
    place: Place
    row: Package | None = None
    target: str = ""
    within: str = ""
    perhaps: bool = False
    unsure: str = ""
    foreign: bool = False


def of_rows(rows: Iterable[Package], platform: Platform) -> Iterator[Claim]:
    """What the rows say for a platform; of Python's packages, for each of its versions."""
    for row in rows:
        suppliers: tuple[str, ...] = (row.repository,)
        if row.repository != "ubi":
            all_of_them = platform.repositories.values()
            suppliers = tuple(r.name for r in all_of_them if row.repository in r.provides)
        for rpm in row.rpms:
            for wanted in _for_each_python(row.debian, rpm, platform.pythons):
                yield Claim(wanted, suppliers, row.place, row)


def of_drops(rows: Iterable[Package]) -> Iterator[Package]:
    """The rows that say that nothing is to be installed for a name."""
    return (row for row in rows if not row.rpms and "$" not in row.debian)


def _for_each_python(debian: str, rpm: str, pythons: tuple[str, ...]) -> tuple[str, ...]:
    found = _PYTHON.match(debian)
    if found is None or found[1] not in rpm or not pythons:
        return (rpm,)
    return tuple(rpm.replace(found[1], version) for version in pythons)
