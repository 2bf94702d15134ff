"""The tables under `overlays/_shared`: platforms, repositories, packages and images, as values."""

from __future__ import annotations

import difflib
import re
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from midstream.configuration import load
from midstream.diagnostic import Place, Rule
from midstream.ubi.metadata import Metadata, read_metadata

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from midstream.configuration import Node, Record
    from midstream.source import Source

CONTRADICTION = Rule(
    "MS570",
    "contradicting-row",
    """\
**What it says.** A table under `overlays/_shared` says two things at once: a package that is
dropped and has RPMs, an image that is kept and replaced, a repository that no file describes.

**The way out.** Keep the one that is meant.
""",
)
DUPLICATE_ROW = Rule(
    "MS571",
    "duplicate-row",
    """\
**What it says.** Two rows of a table are about the same name, so one of them never counts.

**The way out.** Take one of them out.
""",
)
RULES = (CONTRADICTION, DUPLICATE_ROW)


class Base(Struct, frozen=True):
    """A family of base images: `images` are globs on the reference without tag and digest.

    `manager` is dnf or microdnf; `tools` the programs that are there from the start; `python` the
    version of `python3`, or None; `venv` the virtual environment that it belongs to, if it does.
    `user` and `folder` are the image's own USER and WORKDIR where they aren't root and `/`.
    """

    name: str
    images: tuple[str, ...]
    manager: str
    tools: frozenset[str]
    python: str | None
    venv: str = ""
    user: str = ""
    folder: str = ""

    def is_for(self, image: str, bare: str) -> bool:
        """Whether a reference, or what it is without tag and digest, is one of the family."""
        tagged = image.partition("@")[0]
        return any(
            glob(each).fullmatch(bare) or (":" in each and glob(each).fullmatch(tagged))
            for each in self.images
        )


class Repository(Struct, frozen=True):
    """A package repository. `set_up` maps dnf and microdnf to the command that enables it.

    `set_up10` says where UBI 10 differs; `{release}` in either is the EL release.
    `provides` are the names that package rows may use for it, its own included. `profiles` are the
    policies that accept it. `stands_for` are globs on what Debian's files name in its place: a PPA,
    a URL, a list under /etc/apt. `metadata` says where to read what it has, where that can be read
    at all; `metadata10` where UBI 10 differs.
    """

    name: str
    title: str
    set_up: Mapping[str, str]
    provides: tuple[str, ...]
    profiles: tuple[str, ...]
    stands_for: tuple[str, ...] = ()
    set_up10: Mapping[str, str] = field(default_factory=dict)
    metadata: tuple[Metadata, ...] = ()
    metadata10: tuple[Metadata, ...] = ()

    def on(self, release: str) -> Repository:
        """The same repository as it is set up on one EL release."""
        chosen = self.set_up10 if self.set_up10 and release == "10" else self.set_up
        filled = {name: text.replace("{release}", release) for name, text in chosen.items()}
        read = self.metadata10 if self.metadata10 and release == "10" else self.metadata
        return replace(self, set_up=filled, metadata=tuple(each.on(release) for each in read))

    def replaces(self, origin: str) -> bool:
        """Whether what comes from a Debian repository is looked for in this one."""
        return any(glob(pattern).fullmatch(origin) for pattern in self.stands_for)


INSTALLERS = frozenset(("dnf", "microdnf", "yum"))
"""EL's package managers, by the names that commands have."""


class Platform(Struct, frozen=True):
    """`ubi9` or `ubi10`."""

    name: str
    release: str  # the EL release: "9"
    glibc: str
    manylinux: str  # the newest wheel tag that installs: "manylinux_2_34"
    python: str
    library_folder: str  # "/usr/lib64"
    bases: tuple[Base, ...]
    repositories: Mapping[str, Repository]
    tool_packages: Mapping[str, str]  # the RPM that brings a program
    pythons: tuple[str, ...] = ()  # the versions that have RPMs; none where nobody has looked
    javas: tuple[str, ...] = ()  # likewise
    _known: dict[str, Base | None] = field(default_factory=dict)  # by the image that was asked for

    def base_for(self, image: str) -> Base | None:
        """The family an image reference belongs to, tag and digest aside."""
        if image not in self._known:
            bare = without_tag(image)
            found = (base for base in self.bases if base.is_for(image, bare))
            self._known[image] = next(found, None)
        return self._known[image]

    def supplier(self, wanted: str, enabled: tuple[str, ...]) -> Repository | None:
        """The first of the enabled repositories that carries what `wanted` names."""
        for name in enabled:
            repository = self.repositories.get(name)
            if repository is not None and wanted in repository.provides:
                return repository
        return None


class Package(Struct, frozen=True):
    """One row of packages.yaml. `rpms` may be empty: nothing needs to be installed here.

    `repository` is `ubi`, `rhel`, `crb`, `epel` or a vendor's: see `Repository.provides`. `needs`
    are others that what it depends on comes from. `lacks` says what Debian's package has and these
    haven't, where that shows only when the image runs.
    """

    debian: str
    rpms: tuple[str, ...]
    repository: str
    evidence: str
    confidence: str
    note: str
    place: Place
    needs: tuple[str, ...] = ()
    lacks: str = ""


_VARIABLE = re.compile(r"\$\{[^}]*\}|\$\w+")


class PackageTable(Struct, frozen=True, dict=True):
    """Debian name -> RPMs, for one platform. Names may hold `${VARIABLES}`."""

    rows: Mapping[str, Package] = field(default_factory=dict)

    @cached_property
    def _by_shape(self) -> Mapping[str, Package]:
        return {_shape(name): row for name, row in self.rows.items() if "$" in name}

    @cached_property
    def _found(self) -> set[str]:
        """The rows that were ever found, by name."""
        return set()

    def find(self, name: str) -> Package | None:
        """The row for a name as it stands in a Dockerfile.

        `python${PYTHON_VERSION}-dev` finds its row whatever the variable is called, and
        `rpms_for` gives the RPM's name with that same variable.
        """
        row = self.rows.get(name)
        if row is None and "$" in name:
            row = self._by_shape.get(_shape(name))
        if row is not None:
            self._found.add(row.debian)
        return row

    def unused(self) -> tuple[Package, ...]:
        """The rows that nothing has looked up so far, in their order."""
        return tuple(row for name, row in self.rows.items() if name not in self._found)

    def rpms_for(self, row: Package, name: str) -> tuple[str, ...]:
        """The RPMs of a row, with the variables as `name` writes them."""
        written = _VARIABLE.findall(name)
        if not written:
            return row.rpms
        named = _VARIABLE.findall(row.debian)
        rpms = row.rpms
        for table_name, own in zip(named, written, strict=False):
            rpms = tuple(rpm.replace(table_name, own) for rpm in rpms)
        return rpms

    def near(self, name: str) -> tuple[str, ...]:
        """Debian names of the table that look like `name`, best first."""
        return tuple(difflib.get_close_matches(name, self.rows, n=3, cutoff=0.75))

    def merged(self, extra: PackageTable) -> PackageTable:
        """This table with the rows of another one over it."""
        return PackageTable({**self.rows, **extra.rows})


def _shape(name: str) -> str:
    return _VARIABLE.sub("$", name)


class ImageRule(Struct, frozen=True):
    """One row of images.yaml: `match` is a glob on the whole reference; `to` another image, or
    None where the image is kept, with `why` and the `profiles` that accept it."""

    match: str
    to: str | None
    why: str
    profiles: tuple[str, ...]
    place: Place


class ImageTable(Struct, frozen=True, dict=True):
    """`pins` are the digests that images had when `midstream pin` last looked, by reference."""

    rules: tuple[ImageRule, ...] = ()
    pins: Mapping[str, str] = field(default_factory=dict)

    def pinned(self, image: str) -> str:
        """A reference with its digest, where one is known and none is written."""
        digest = self.pins.get(image)
        return f"{image}@{digest}" if digest else image

    def find(self, image: str) -> ImageRule | None:
        """The first rule whose glob matches a reference. A tag may be left out of the glob."""
        for rule in self.rules:
            expression = glob(rule.match)
            if expression.fullmatch(image) or expression.fullmatch(without_tag(image)):
                return rule
        return None


def without_tag(image: str) -> str:
    """`registry:5000/a/b:tag@sha256:…` without its tag and digest."""
    bare = image.partition("@")[0]
    folder, slash, name = bare.rpartition("/")
    return f"{folder}{slash}{name.partition(':')[0]}"


@lru_cache(maxsize=1024)
def glob(pattern: str) -> re.Pattern[str]:
    """A glob as a regular expression: `*` stands for anything, a slash included."""
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.DOTALL)


PROFILES = ("community", "redhat")
_REPOSITORY = (
    "set_up", "set_up10", "provides", "profiles", "stands_for", "metadata", "metadata10",
)  # fmt: skip


def read_repositories(source: Source) -> dict[str, Repository]:
    """`repositories.yaml`. Raises `ConfigurationError`."""
    root, mistakes = load(source)
    found = {}
    for key, node in root.entries():
        record = node.record(required=("title",), optional=_REPOSITORY)
        set_up = {manager.text(): command.text() for manager, command in record.entries("set_up")}
        set_up10 = {m.text(): command.text() for m, command in record.entries("set_up10")}
        name = key.text()
        found[name] = Repository(
            name=name,
            title=record.text("title"),
            set_up=set_up,
            provides=(name, *record.texts("provides")),
            profiles=record.texts("profiles") or ("community",),
            stands_for=record.texts("stands_for"),
            set_up10=set_up10,
            metadata=read_metadata(record, "metadata"),
            metadata10=read_metadata(record, "metadata10"),
        )
    mistakes.raise_if_any()
    return found


def read_platform(source: Source, repositories: Mapping[str, Repository]) -> Platform:
    """`platforms/<name>.yaml`. Raises `ConfigurationError`."""
    root, mistakes = load(source)
    required = ("name", "release", "glibc", "manylinux", "python", "library_folder", "bases")
    record = root.record(required=required, optional=("tool_packages", "pythons", "javas"))
    platform = Platform(
        name=record.text("name"),
        release=record.text("release"),
        glibc=record.text("glibc"),
        manylinux=record.text("manylinux"),
        python=record.text("python"),
        library_folder=record.text("library_folder"),
        bases=tuple(_base(key, node) for key, node in record.entries("bases")),
        repositories={n: r.on(record.text("release")) for n, r in repositories.items()},
        tool_packages={k.text(): v.text() for k, v in record.entries("tool_packages")},
        pythons=record.texts("pythons"),
        javas=record.texts("javas"),
    )
    mistakes.raise_if_any()
    return platform


def _base(key: Node, node: Node) -> Base:
    optional = ("python", "source", "venv", "user", "folder")
    record = node.record(required=("images", "manager", "tools"), optional=optional)
    manager = record.text("manager")
    if manager not in ("dnf", "microdnf"):
        node.wrong("`manager` is dnf or microdnf")
    tools = record.get("tools")
    return Base(
        name=key.text(),
        images=record.texts("images"),
        manager=manager,
        tools=frozenset(tools.text().split()) if tools is not None else frozenset(),
        python=record.text("python") or None,
        venv=record.text("venv"),
        user=record.text("user"),
        folder=record.text("folder"),
    )


def read_packages(
    source: Source, platform: str, repositories: Mapping[str, Repository]
) -> PackageTable:
    """`packages.yaml`, for one platform. Raises `ConfigurationError`.

    A row is `{rpm: …, from: ubi}`; `rpm10:` and `from10:` say where UBI 10 differs; `drop:` with
    the reason stands for a package that nothing needs here.
    """
    root, mistakes = load(source)
    rows: dict[str, Package] = {}
    for key, node in root.entries():
        row = _package(key, node, platform)
        for name in (row.repository, *row.needs):
            if name not in _carried(repositories):
                node.wrong(
                    f"no repository is called `{name}`",
                    help="describe it in overlays/_shared/repositories.yaml",
                    rule=CONTRADICTION,
                )
        rows[row.debian] = row
    mistakes.raise_if_any()
    return PackageTable(rows)


def _carried(repositories: Mapping[str, Repository]) -> frozenset[str]:
    names = {name for each in repositories.values() for name in each.provides}
    return frozenset((*names, "ubi"))


_COLUMNS = ("rpm", "rpm10", "from", "from10", "needs", "drop", "evidence", "confidence", "note",
            "lacks")  # fmt: skip


def _package(key: Node, node: Node, platform: str) -> Package:
    record = node.record(optional=_COLUMNS)
    if "drop" in record and "rpm" in record:
        node.wrong("`drop` and `rpm` exclude each other", rule=CONTRADICTION)
    if "drop" not in record and "rpm" not in record:
        node.wrong("give the row `rpm:`, or `drop:` with the reason", rule=CONTRADICTION)
    newer = platform != "ubi9"
    rpms = record.text("rpm10") if newer and "rpm10" in record else record.text("rpm")
    repository = record.text("from10") if newer and "from10" in record else record.text("from")
    return Package(
        debian=key.text(),
        rpms=tuple(rpms.split()),
        repository=repository or "ubi",
        evidence=record.text("evidence"),
        confidence=record.text("confidence", "medium"),
        note=record.text("drop") or record.text("note"),
        needs=tuple(record.text("needs").split()),
        lacks=record.text("lacks"),
        place=key.place,
    )


def read_images(source: Source, platform: str) -> ImageTable:
    """`images.yaml`, for one platform. Raises `ConfigurationError`."""
    root, mistakes = load(source)
    rules = image_rules(root.items(), platform)
    mistakes.raise_if_any()
    return ImageTable(rules)


def image_rules(rows: Iterable[Node], platform: str) -> tuple[ImageRule, ...]:
    """The rows of images.yaml, or of an overlay's `images:`, for one platform."""
    rules = []
    seen: dict[str, Node] = {}
    for node in rows:
        record = node.record(required=("match", "why"), optional=("to", "keep", "profiles"))
        match = record.text("match")
        if match in seen:
            node.mistakes.add(
                DUPLICATE_ROW, f"`{match}` has two rows", node.span, help="take one of them out",
                also=Place(node.source, seen[match].span, "the first one"),
            )  # fmt: skip
        seen[match] = node
        rules.append(_image(record, match, platform))
    return tuple(rules)


def _image(record: Record, match: str, platform: str) -> ImageRule:
    kept = record.flag("keep")
    to = record.get("to")
    if kept == (to is not None):
        record.node.wrong("give the row either `to:` or `keep: true`", rule=CONTRADICTION)
    target: str | None = None
    if to is not None and to.is_mapping:
        target = to.record(optional=("ubi9", "ubi10")).text(platform) or None
        if target is None:
            to.wrong(f"there is no image for `{platform}`")
    elif to is not None:
        target = to.text()
    return ImageRule(
        match=match,
        to=target,
        why=record.text("why"),
        profiles=record.texts("profiles") or PROFILES,
        place=record.node.place,
    )


_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def read_pins(source: Source) -> dict[str, str]:
    """`images.lock.json`, which `midstream pin` writes. Raises `ConfigurationError`."""
    root, mistakes = load(source)
    record = root.record(required=("midstream", "images"))
    if record.text("midstream") != "1":
        root.wrong("made for another version of the format", help="run: midstream pin --all")
    found = {}
    for key, node in record.entries("images"):
        if not _DIGEST.fullmatch(node.text()):
            node.wrong(f"`{node.text()}` is no digest", help="run: midstream pin --all")
        found[key.text()] = node.text()
    mistakes.raise_if_any()
    return found
