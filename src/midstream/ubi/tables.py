"""The tables under `overlays/_shared`: platforms, packages and images, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from midstream.diagnostic import Place
    from midstream.source import Source


@dataclass(frozen=True, slots=True)
class Base:
    """A family of base images: `images` are globs on the reference without tag and digest.

    `manager` is dnf or microdnf; `tools` the programs that are there from the start; `glibc` and
    `python` their versions; `venv_lib64` and the like stay out: see assumptions.
    """

    name: str
    images: tuple[str, ...]
    manager: str
    tools: frozenset[str]
    glibc: str
    python: str | None
    repositories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Repository:
    """A package repository: which shell commands enable it, per package manager.

    `set_up` maps `dnf` and `microdnf` to the command that enables it (a chain with `&&`).
    `needs` names repositories that must be enabled before.
    """

    name: str
    title: str
    set_up: Mapping[str, str]
    needs: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ("community",)


@dataclass(frozen=True, slots=True)
class Platform:
    """`ubi9` or `ubi10`."""

    name: str
    release: str  # the EL release: "9"
    glibc: str
    manylinux: str  # the newest wheel tag that installs: "manylinux_2_34"
    python: str
    library_folder: str  # "/usr/lib64"
    bases: tuple[Base, ...]
    repositories: Mapping[str, Repository]

    def base_for(self, image: str) -> Base | None:
        """The family an image reference belongs to, tag and digest aside."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Package:
    """One row of packages.yaml. `rpms` may be empty: nothing needs to be installed here.

    `repository` is the one that carries them (`ubi`, `crb`, `epel`, `rhel`, a vendor's name).
    """

    debian: str
    rpms: tuple[str, ...]
    repository: str
    evidence: str
    confidence: str
    note: str
    place: Place


@dataclass(frozen=True)
class PackageTable:
    """Debian name -> RPMs, for one platform. Names may hold `${VARIABLES}`."""

    rows: Mapping[str, Package] = field(default_factory=dict)

    def find(self, name: str) -> Package | None:
        """The row for a name as it stands in a Dockerfile, `:arch` and `=version` taken off.

        `python${PYTHON_VERSION}-dev` finds `python${PYTHON_VERSION}-devel` whatever the variable
        is called.
        """
        raise NotImplementedError

    def near(self, name: str) -> tuple[str, ...]:
        """Debian names of the table that look like `name`, best first."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class ImageRule:
    """One row of images.yaml: `match` is a glob on the whole reference; `to` another image, or
    None where the image is kept, with `why` and the `profiles` that accept it."""

    match: str
    to: str | None
    why: str
    profiles: tuple[str, ...]
    place: Place


@dataclass(frozen=True)
class ImageTable:
    rules: tuple[ImageRule, ...] = ()

    def find(self, image: str) -> ImageRule | None:
        """The first rule whose glob matches a reference."""
        raise NotImplementedError


def read_platform(source: Source) -> Platform:
    """`platforms/<name>.yaml`. Raises `ConfigurationError`."""
    raise NotImplementedError


def read_packages(source: Source, platform: str) -> PackageTable:
    """`packages.yaml`, for one platform. Raises `ConfigurationError` (MS570…)."""
    raise NotImplementedError


def read_images(source: Source, platform: str) -> ImageTable:
    """`images.yaml`, for one platform. Raises `ConfigurationError`."""
    raise NotImplementedError
