"""A small project of our own to rebase: an upstream with a lock, an overlay tree, a cache.

The tables under `overlays/_shared` are the repository's own. Everything stands in real folders,
and every upstream file in the cache under its blob id, so that nothing needs a network.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner

from midstream.adapters.blobs import Blobs
from midstream.adapters.files import Tree
from midstream.adapters.index import PackageIndex
from midstream.cli import main
from midstream.rebasing.flow import Rebaser
from midstream.source import Source
from midstream.upstream.config import read_project
from midstream.upstream.lock import Lock
from midstream.upstream.origin import origin_of
from midstream.upstream.snapshot import Snapshot, Tracker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from midstream.diagnostic import Diagnostic
    from midstream.rebasing.flow import Rebased
    from midstream.upstream.origin import Origin

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src"

PROJECT = """\
project: demo
index: demo
dockerfiles:
  app: docker/Dockerfile
  base: docker/Dockerfile.base
ignore: {docker/Dockerfile.old: nobody ships it}
watch: [requirements/**, tools/**, docker/**, .buildkite/release-pipeline.yaml]
"""

HEAD = """\
target: app
upstream: {file: demo/app, releases: ">=2"}
platform: ubi9
ship: {stage: final}
promote: {repository: quay.example/demo/app}
waivers:
  - {rule: pinned-base, why: a test}
  - {rule: labels, why: a test}
  - {rule: licence, why: a test}
  - {rule: non-root, why: a test}
"""

DOCKERFILE = """\
# syntax=docker/dockerfile:1
ARG BASE=ubuntu:22.04

FROM ${BASE} AS build
# what the build needs
RUN apt-get update && apt-get install -y git make
RUN make -j 4 all \\
    && make install

FROM ${BASE} AS unused
RUN echo nobody needs this

FROM ${BASE} AS final
ENV MODE=fast
COPY --from=build /opt/app /opt/app
ENTRYPOINT ["/opt/app/run"]
"""


@dataclass(frozen=True)
class Ran:
    """What a command gave back."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def codes(self) -> list[str]:
        """The codes of the findings that it showed, in their order."""
        lines = (line.partition("]")[0] for line in self.stderr.splitlines())
        return [line.partition("[")[2] for line in lines if "[MS" in line]


@dataclass
class Demo:
    """The project in a folder, at one release. `files` are upstream's, by path."""

    root: Path
    files: dict[str, bytes]
    release: str = "2.1"
    date: str = "2026-06-01T00:00:00Z"
    snapshot: Snapshot = field(init=False)

    def __post_init__(self) -> None:
        self.track(self.release)

    @property
    def cache(self) -> Path:
        return self.root / "cache" / "midstream"

    def path(self, name: str) -> Path:
        return self.root / "tree" / name

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(as_bytes(text))
        return path

    def track(self, release: str, changes: Mapping[str, str | bytes | None] | None = None) -> None:
        """Upstream releases these changes (None takes a file out), and the lock follows."""
        for path, text in (changes or {}).items():
            if text is None:
                del self.files[path]
            else:
                self.files[path] = as_bytes(text)
        blobs = Blobs(self.cache / "blobs")
        names = {path: blobs.put(data) for path, data in sorted(self.files.items())}
        self.release = release
        lock = Lock("demo", release, "c0ffee", self.date, None, names)
        self.write("upstream/demo.lock.json", lock.as_bytes())
        self.snapshot = Snapshot(lock, blobs)
        self.remember()

    # --- in this process, as values ---

    def remember(self) -> None:
        """Keep the release in the cache as a download would have left it."""
        text = self.path("upstream/demo.yaml").read_text()
        project = read_project(Source("upstream/demo.yaml", text))
        Tracker(project, PackageIndex(), self.cache, _silently).remember(self.snapshot.lock)

    def origin(self, target: str = "app") -> Origin:
        text = self.path("upstream/demo.yaml").read_text()
        return origin_of(read_project(Source("upstream/demo.yaml", text)), self.snapshot, target)

    def rebaser(self) -> Rebaser:
        return Rebaser(Tree(self.root / "tree"), self.origin, self.cache)

    def rebase(self, target: str = "app") -> Rebased:
        return self.rebaser().rebase(target)

    # --- as a person types it ---

    def run(self, *words: str) -> Ran:
        runner = CliRunner(env={"XDG_CACHE_HOME": str(self.root / "cache")})
        done = runner.invoke(main, ["--root", str(self.root / "tree"), *words])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Ran(done.exit_code, done.stdout_bytes.decode(errors="surrogateescape"), done.stderr)

    def run_apart(
        self,
        *words: str,
        before: Callable[[], None] | None = None,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Ran:
        """In a process of its own. `before` is called in it first."""
        kept = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "PYTHONPATH": str(SOURCES)}
        cache = {"XDG_CACHE_HOME": str(self.root / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [sys.executable, "-m", "midstream", "--root", str(self.root / "tree"), *words],
            env={**kept, **cache, **(environment or {})},
            cwd=folder or self.root,
            capture_output=True,
            check=False,
            timeout=120,
            preexec_fn=before,
        )
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    def result(self, target: str = "app") -> str:
        return self.path(f"rendered/demo/Dockerfile.{target}.ubi").read_bytes().decode()

    def json(self, name: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.path(name).read_bytes())
        return content

    def outputs(self) -> dict[str, bytes]:
        """Every file that a rebase writes, by its name."""
        found = [*self.path("rendered").rglob("*"), *self.path("overlays").glob("*/lock.json")]
        top = self.root / "tree"
        return {str(p.relative_to(top)): p.read_bytes() for p in sorted(found) if p.is_file()}


def make(
    folder: Path,
    dockerfile: str | bytes = DOCKERFILE,
    body: str = "",
    *,
    head: str = HEAD,
    upstream: Mapping[str, str | bytes] | None = None,
    **overlays: str,
) -> Demo:
    """The project with this Dockerfile and this overlay of `app`, which follows `head`.

    `overlays` are more files of the overlay tree: `app__x` is `overlays/app/x`.
    """
    tree = folder / "tree"
    shutil.copytree(ROOT / "overlays" / "_shared", tree / "overlays" / "_shared")
    (tree / "upstream").mkdir()
    (tree / "upstream" / "demo.yaml").write_text(PROJECT)
    more = {path: as_bytes(text) for path, text in (upstream or {}).items()}
    demo = Demo(folder, {"docker/Dockerfile": as_bytes(dockerfile), **more})
    demo.write("overlays/app/overlay.yaml", head + body)
    for name, text in overlays.items():
        demo.write(f"overlays/{name.replace('__', '/').replace('_j2', '.j2')}", text)
    return demo


def _silently(_title: str, _size: int) -> Callable[[int], None]:
    return lambda _length: None


def as_bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")


def places(found: tuple[Diagnostic, ...] | list[Diagnostic]) -> list[tuple[str, str, int, str]]:
    """Code, file, line and message of each finding."""
    return [
        (each.rule.code, each.source.name, each.source.position(each.span.start).line, each.message)
        for each in found
    ]
