"""`upstream/<project>.yaml`: what is tracked, where it comes from, and what nobody here ships."""

from __future__ import annotations

import posixpath
import re
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.configuration import load
from midstream.diagnostic import Place, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from midstream.configuration import Node
    from midstream.source import Source

TWO_TARGETS = Rule(
    "MS540",
    "path-of-two-targets",
    """\
**What it says.** `upstream/<project>.yaml` gives one path to two targets, or both tracks and
ignores it.

**The way out.** Keep the entry that is meant.
""",
)
UNLISTED = Rule(
    "MS541",
    "unlisted-dockerfile",
    """\
**What it says.** Upstream has a Dockerfile that is neither a target's nor ignored.

**Why it matters.** It may be a new variant to ship, or a target's file under a new name. Nobody
has said, so midstream asks.

**The way out.** Give it a target under `dockerfiles:` of `upstream/<project>.yaml`, or a reason
under `ignore:`.
""",
)
RULES = (TWO_TARGETS, UNLISTED)

FOLDER = "upstream"


class Git(Struct, frozen=True):
    """Upstream's repository. `tags` is a glob on the names of release tags."""

    url: str
    branch: str
    tags: str


class Index(Struct, frozen=True):
    """Upstream's project on the Python package index. `version_file` is the file of a source
    release that holds the commit it was made from."""

    name: str
    version_file: str | None


class Tracked(Struct, frozen=True):
    """A target's Dockerfile: its path, and those that it had in older releases."""

    path: str
    was: tuple[str, ...]
    place: Place

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path, *self.was)


class Project(Struct, frozen=True, dict=True):
    """All that one `upstream/*.yaml` says. `ignore` maps globs to reasons."""

    name: str
    source: Source
    git: Git | None
    index: Index | None
    first: str
    image: str | None
    dockerfiles: Mapping[str, Tracked]
    ignore: Mapping[str, str]
    watch: tuple[str, ...]

    def path_of(self, target: str, files: Iterable[str]) -> str | None:
        """Where a target's Dockerfile stands among these files: its newest path that is there."""
        there = frozenset(files)
        return next((path for path in self.dockerfiles[target].paths if path in there), None)

    def wants(self, path: str) -> bool:
        """Whether a file of a release is kept."""
        return path in self._tracked or self._may_be_ours(path) or any_matches(self.watch, path)

    def unlisted(self, paths: Iterable[str]) -> tuple[str, ...]:
        """Upstream's Dockerfiles that are neither a target's nor ignored, sorted."""
        return tuple(
            path
            for path in sorted(paths)
            if self._may_be_ours(path)
            and path not in self._tracked
            and not any_matches(self.ignore, path)
        )

    @cached_property
    def _tracked(self) -> frozenset[str]:
        return frozenset(path for each in self.dockerfiles.values() for path in each.paths)

    def _may_be_ours(self, path: str) -> bool:
        """Whether it is a Dockerfile, and stands where upstream keeps those that matter here."""
        return is_dockerfile(path) and posixpath.dirname(path) in self._folders

    @cached_property
    def _folders(self) -> frozenset[str]:
        """Where upstream keeps Dockerfiles."""
        return _USUAL_FOLDERS | {posixpath.dirname(path) for path in self._tracked}


_USUAL_FOLDERS = frozenset(("", "docker"))


def is_dockerfile(path: str) -> bool:
    """Whether a path is that of a Dockerfile, by its name."""
    name = posixpath.basename(path)
    named = name.startswith(("Dockerfile", "Containerfile")) or name.endswith(".Dockerfile")
    return named and not name.endswith((".md", ".dockerignore"))


def any_matches(globs: Iterable[str], path: str) -> bool:
    return any(_glob(each).fullmatch(path) for each in globs)


@lru_cache(maxsize=512)
def _glob(pattern: str) -> re.Pattern[str]:
    """A glob on paths: `*` and `?` stay within a folder, `**/` and a last `**` do not."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    meaning = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(meaning.get(part, re.escape(part)) for part in parts), re.DOTALL)


def read_project(source: Source) -> Project:
    """Raises `ConfigurationError` with every mistake at its line."""
    root, mistakes = load(source)
    record = root.record(
        required=("project", "dockerfiles"),
        optional=("git", "index", "first", "image", "ignore", "watch"),
    )
    project = Project(
        name=record.text("project"),
        source=source,
        git=_git(record.get("git")),
        index=_index(record.get("index")),
        first=record.text("first", "index"),
        image=record.text("image") or None,
        dockerfiles={key.text(): _tracked(node) for key, node in record.entries("dockerfiles")},
        ignore={key.text(): _reason(node) for key, node in record.entries("ignore")},
        watch=record.texts("watch"),
    )
    first = record.get("first")
    if first is not None and first.text() not in ("git", "index"):
        first.wrong(f"expected git or index, found `{first.text()}`")
    if project.git is None and project.index is None:
        root.wrong("give `git:`, `index:` or both, to fetch from")
    _check_paths(project, root)
    mistakes.raise_if_any()
    return project


def _git(node: Node | None) -> Git | None:
    if node is None:
        return None
    record = node.record(required=("url",), optional=("branch", "tags"))
    return Git(record.text("url"), record.text("branch", "main"), record.text("tags", "v*"))


def _index(node: Node | None) -> Index | None:
    if node is None:
        return None
    if node.is_scalar:
        return Index(node.text(), None)
    record = node.record(required=("name",), optional=("version_file",))
    return Index(record.text("name"), record.text("version_file") or None)


def _tracked(node: Node) -> Tracked:
    if node.is_scalar:
        return Tracked(node.text(), (), node.place)
    record = node.record(required=("path",), optional=("was",))
    return Tracked(record.text("path"), record.texts("was"), node.place)


def _reason(node: Node) -> str:
    if node.is_null or not node.text().strip():
        node.wrong("say why nobody here ships it")
    return node.text()


def _check_paths(project: Project, root: Node) -> None:
    seen: dict[str, Tracked] = {}
    for tracked in project.dockerfiles.values():
        for path in tracked.paths:
            other = seen.setdefault(path, tracked)
            also = None if other is tracked else Place(root.source, other.place.span, "also here")
            if also or any_matches(project.ignore, path):
                root.mistakes.add(
                    TWO_TARGETS, f"`{path}` is given twice", tracked.place.span,
                    help="keep the entry that is meant", also=also,
                )  # fmt: skip
