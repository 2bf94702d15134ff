"""Where the metadata of a package repository is, as `repositories.yaml` says it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from midstream.configuration import Node, Record

_KINDS = ("baseurl", "metalink", "mirrorlist", "repofile")
ARCHES = ("aarch64", "ppc64le", "s390x", "x86_64")
"""What UBI is built for."""


class Metadata(Struct, frozen=True):
    """One of the repositories that a row of `repositories.yaml` stands for: `appstream` of UBI.

    `kind` is `baseurl`, `metalink` or `mirrorlist`, as dnf has them, or `repofile`, the address of
    a file with such keys. `address` holds `$basearch`, for which `basearch` gives another word than
    the architecture's where the vendor has one. `arches` are those that it has packages for.
    """

    id: str
    kind: str
    address: str
    arches: tuple[str, ...] = ARCHES
    basearch: Mapping[str, str] = field(default_factory=dict)

    def on(self, release: str) -> Metadata:
        """The same on one EL release."""
        return replace(self, address=self.address.replace("{release}", release))

    def at(self, arch: str) -> str:
        """The address for an architecture."""
        return self.address.replace("$basearch", self.basearch.get(arch, arch))


def read_metadata(record: Record, key: str) -> tuple[Metadata, ...]:
    """The value of `metadata:`, a mapping by id. What is wrong is noted at its place."""
    return tuple(_one(name, node) for name, node in record.entries(key))


def _one(key: Node, node: Node) -> Metadata:
    record = node.record(optional=(*_KINDS, "arches", "basearch"))
    given = [kind for kind in _KINDS if kind in record]
    if len(given) != 1:
        node.wrong(f"give it one of {', '.join(f'`{kind}:`' for kind in _KINDS)}")
    kind = given[0] if given else "baseurl"
    address = record.text(kind)
    if given and not address.startswith(("https://", "http://")):
        record.values[kind].wrong(f"`{address}` is no address", help="https://…")
    arches = record.texts("arches") or ARCHES
    for arch in arches:
        if arch not in ARCHES:
            known = ", ".join(ARCHES)
            record.values["arches"].wrong(f"no architecture `{arch}`", help=f"known: {known}")
    words = {name.text(): word.text() for name, word in record.entries("basearch")}
    return Metadata(key.text(), kind, address, arches, words)
