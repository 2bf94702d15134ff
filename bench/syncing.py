"""A sync that finds nothing, beside a bare `git fetch`; and what a new commit costs on the wire.

Upstream is a repository of vLLM's size and shape that is made here: 19,000 commits, some 5,700
files, about 120 MB.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench.measuring import ROOT, python, run, side_by_side
from bench.wire import served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.wire import Wire

GIT = shutil.which("git") or "git"
COMMITS, FILES = 19_000, 5_700
DOCKERFILE = "FROM ubuntu:22.04 AS final\nRUN apt-get update && apt-get install -y git\nUSER 1\n"
PROJECT = """\
project: demo
git: {{url: '{url}'}}
dockerfiles: {{app: docker/Dockerfile}}
watch: [docker/**, requirements/**]
"""
OVERLAY = """\
target: app
upstream: {file: demo/app}
platform: ubi9
ship: {stage: final}
waivers:
  - {rule: pinned-base, why: a benchmark}
  - {rule: labels, why: a benchmark}
  - {rule: licence, why: a benchmark}
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        upstream = folder / "served" / "upstream.git"
        _make_upstream(upstream)
        with served(upstream.parent) as (url, wire):
            address = f"{url}/upstream.git"
            _print_bytes(folder, upstream, address, wire)
            _print_times(folder, address, wire)


def _print_bytes(folder: Path, upstream: Path, url: str, wire: Wire) -> None:
    _git(folder, "clone", "--quiet", "--bare", url, str(folder / "whole.git"))
    whole = _taken(wire)
    sync = _midstream(folder, url)
    sync()
    first = _taken(wire)
    _commit(upstream, {"docker/Dockerfile": f"{DOCKERFILE}ENV MODE=other\n"})
    sync()
    new = _taken(wire)
    print(f"a full clone                     {whole / 1e6:9.2f} MB received")
    print(f"sync, a repository never seen    {first / 1e6:9.2f} MB   {first / whole:.2%}")
    print(f"sync, a new commit, with history {new / 1e6:9.2f} MB   {new / whole:.2%}")
    shutil.rmtree(folder / "cache" / "midstream" / "git")
    track = run(
        python("-m", "midstream", "--root", str(folder / "tree"), "track", "--to", "main"),
        **_environment(folder),
    )
    track()
    cold = _taken(wire)
    print(f"track, a repository never seen   {cold / 1e6:9.2f} MB   {cold / whole:.2%}"
          "   (below 1 % is promised)")  # fmt: skip
    _commit(upstream, {"docker/Dockerfile": f"{DOCKERFILE}ENV MODE=third\n"})
    track()
    print(f"track, a new commit              {_taken(wire):9d} bytes")


def _print_times(folder: Path, url: str, wire: Wire) -> None:
    sync = _midstream(folder, url)
    sync()
    _taken(wire)
    sync()
    received = _taken(wire)
    bare = folder / "bare.git"
    _git(folder, "init", "--quiet", "--bare", str(bare))
    spec = "+refs/heads/main:refs/heads/main"
    words = [GIT, "-C", str(bare), "fetch", "--quiet", "--depth=1", "--filter=blob:none", url]
    fetch = run([*words, spec])
    fetch()
    ours, theirs = side_by_side(sync, fetch, rounds=15)
    start, _ = side_by_side(run(python("-c", "pass")), lambda: None, rounds=15)
    print(f"sync --all, nothing moved        {ours * 1000:7.0f} ms   {received} bytes received"
          "   (below 1,000 is promised)")  # fmt: skip
    print(f"git fetch of the same ref        {theirs * 1000:7.0f} ms")
    print(f"python -c pass                   {start * 1000:7.0f} ms")
    ratio = ours / (theirs + start)
    print(f"ratio to both together           {ratio:7.1f}      (3 or less is promised)")


def _midstream(folder: Path, url: str) -> Callable[[], object]:
    """A call of `midstream sync --all` on a tree and a repository of its own."""
    tree, kept = folder / "tree", folder / "midstream.git"
    if not tree.exists():
        shutil.copytree(ROOT / "overlays" / "_shared", tree / "overlays" / "_shared")
        (tree / "overlays" / "app").mkdir()
        (tree / "overlays" / "app" / "overlay.yaml").write_text(OVERLAY)
        (tree / "upstream").mkdir()
        (tree / "upstream" / "demo.yaml").write_text(PROJECT.format(url=url))
        _git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(kept))
        _commit(kept, {"README.md": "The midstream\n"})
    words = ("sync", "--all", "--repo", str(kept))
    return run(python("-m", "midstream", "--root", str(tree), *words), **_environment(folder))


def _environment(folder: Path) -> dict[str, str]:
    return {"XDG_CACHE_HOME": str(folder / "cache"), "PYTHONPATH": str(ROOT / "src")}


def _taken(wire: Wire) -> int:
    """What was received since the last time, in bytes."""
    received = wire.received
    wire.forget()
    return received


# --- a repository like vLLM's ---


def _make_upstream(folder: Path) -> None:
    folder.mkdir(parents=True)
    _git(folder, "init", "--quiet", "--bare", "--initial-branch=main", ".")
    _git(folder, "config", "uploadpack.allowFilter", "true")
    importer = subprocess.Popen(
        [GIT, "-C", str(folder), "fast-import", "--quiet"], stdin=subprocess.PIPE
    )
    importer.communicate(b"".join(_history()))
    if importer.returncode:
        raise RuntimeError("git fast-import failed")


def _history() -> Iterator[bytes]:
    """Commits that each change three files, as text that packs about as well as code does."""
    chance = random.Random(1)  # noqa: S311 - the same history each time
    paths = [f"src/part{n % 80}/module{n % 900}/file{n}.py" for n in range(FILES)]
    for number in range(COMMITS):
        at = 1_600_000_000 + number * 3600
        yield f"commit refs/heads/main\ncommitter A <a@b> {at} +0000\n".encode()
        yield b"data 6\nChange\n"
        changed = paths[number * 300 : number * 300 + 300] if number < 19 else ()
        for path in (*changed, *chance.sample(paths, 3)):
            yield _file(path, chance.randbytes(1300).hex().encode())
        if number == 0:
            yield _file("docker/Dockerfile", DOCKERFILE.encode())
    yield b"done\n"


def _file(path: str, data: bytes) -> bytes:
    return f"M 100644 inline {path}\ndata {len(data)}\n".encode() + data + b"\n"


def _commit(folder: Path, files: dict[str, str]) -> None:
    parent = "from refs/heads/main^0\n" if _has_commit(folder) else ""
    at = 1_700_000_000 + len(str(files))
    who = f"committer A <a@b> {at} +0000"
    head = f"commit refs/heads/main\n{who}\ndata 6\nChange\n{parent}".encode()
    data = b"".join(_file(path, text.encode()) for path, text in files.items())
    words = [GIT, "-C", str(folder), "fast-import", "--quiet"]
    subprocess.run(words, input=head + data, check=True)


def _has_commit(folder: Path) -> bool:
    words = [GIT, "-C", str(folder), "rev-parse", "--verify", "--quiet", "refs/heads/main"]
    return not subprocess.run(words, capture_output=True, check=False).returncode


def _git(folder: Path, *words: str) -> None:
    subprocess.run([GIT, *words], cwd=folder, check=True, env={**os.environ})
