"""An upstream that commits, an overlay tree that follows it, and a bare midstream repository."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import demo
from gits.repository import make

if TYPE_CHECKING:
    from pathlib import Path

    from demo import Demo, Ran
    from gits.repository import Repository

BASE_HEAD = demo.HEAD.replace("target: app", "target: base").replace("demo/app", "demo/base")
BASE = "FROM ubuntu:22.04 AS final\nRUN apt-get update && apt-get install -y git\nUSER 1\n"


@dataclass
class Scene:
    """`tree` stands apart from the midstream's repository, which only has results."""

    upstream: Repository
    midstream: Repository
    tree: Demo

    def dockerfile(
        self, mode: str = "fast", *, target: str = "app", message: str = "Change"
    ) -> str:
        """A commit upstream, with another value in a target's Dockerfile."""
        if target == "base":
            text = BASE.replace("USER 1", f"ENV MODE={mode}\nUSER 1")
            return self.upstream.commit({"docker/Dockerfile.base": text}, message)
        text = demo.DOCKERFILE.replace("MODE=fast", f"MODE={mode}")
        return self.upstream.commit({"docker/Dockerfile": text}, message)

    def entrypoint(self, path: str) -> str:
        """A commit upstream that the overlays of some tests want to be asked about."""
        text = demo.DOCKERFILE.replace('"/opt/app/run"', f'"{path}"')
        return self.upstream.commit({"docker/Dockerfile": text}, f"Start {path}")

    def sync(self, *words: str) -> Ran:
        wanted = () if "--target" in words else ("--all",)
        return self.tree.run("sync", *wanted, "--repo", self.midstream.url, *words)

    def told(self, *words: str) -> dict[str, Any]:
        """What `--json` says of each target."""
        ran = self.tree.run("--json", "sync", "--all", "--repo", self.midstream.url, *words)
        document: dict[str, Any] = json.loads(ran.stdout)
        return {each["target"]: each for each in document["targets"]}

    def outcomes(self, *words: str) -> dict[str, str]:
        return {target: each["outcome"] for target, each in self.told(*words).items()}

    def tip(self, target: str = "app") -> str | None:
        return self.midstream.tip(f"midstream/{target}")

    def result(self, target: str = "app") -> str:
        text = self.midstream.git(
            "cat-file", "blob", f"midstream/{target}:rendered/demo/Dockerfile.{target}.ubi"
        )
        return f"{text}\n"

    def log(self, target: str = "app") -> list[str]:
        """The subjects of a branch, newest first."""
        return self.midstream.git("log", "--format=%s", f"midstream/{target}").splitlines()


def stage(folder: Path, body: str = "", *, base: bool = False) -> Scene:
    """Upstream and midstream with a first commit each; with a second target where it is wanted."""
    upstream = make(folder / "upstream.git")
    files = {"docker/Dockerfile": demo.DOCKERFILE}
    if base:
        files["docker/Dockerfile.base"] = BASE
    upstream.hours = -1
    upstream.commit({"README.md": "Upstream\n"}, "Begin")
    upstream.tag("v2.0")
    upstream.commit(files, "First")
    midstream = make(folder / "midstream.git")
    midstream.commit({"README.md": "The midstream\n"}, "Begin")
    tree = demo.make(folder, body=body)
    if base:
        tree.write("overlays/base/overlay.yaml", BASE_HEAD)
    tree.write("upstream/demo.yaml", f"{demo.PROJECT}git: {{url: '{upstream.url}'}}\nfirst: git\n")
    tree.path("upstream/demo.lock.json").unlink()
    return Scene(upstream, midstream, tree)
