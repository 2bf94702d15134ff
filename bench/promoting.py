"""Promotions beside bare skopeo, on the same two real registries in the same run."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.measuring import ROOT, python, run, seconds, side_by_side

sys.path.insert(0, str(ROOT / "tests"))  # the registries and the images are the tests' own

from registries import images
from registries.debian import DebianRegistry

_POLICY = """\
defaults: {{profile: none}}
images:
{images}
groups: {{all: [{names}]}}
"""
_IMAGE = """\
  {name}:
    source: {{repository: staging.example/{name}, tag: "{{n}}"}}
    repository: quay.io/{name}
    tags: {{unique: "{{n}}"}}
"""
_BARE = (
    "skopeo", "--insecure-policy", "copy", "--quiet", "--all", "--preserve-digests",
    "--src-tls-verify=false", "--dest-tls-verify=false",
)  # fmt: skip


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            DebianRegistry(folder / "source") as source,
            DebianRegistry(folder / "target") as target,
        ):
            bench = _Bench(folder, source, target)
            bench.fresh(rounds=9)
            bench.finished(rounds=15)
            bench.many(rounds=3)


class _Bench:
    def __init__(self, folder: Path, source: DebianRegistry, target: DebianRegistry) -> None:
        self.folder, self.source, self.target = folder, source, target
        self.number = 0
        where = {
            "quay.io": {"address": target.address, "plain": True},
            "staging.example": {"address": source.address, "plain": True},
        }
        (folder / "registries.yaml").write_text(json.dumps(where))
        (folder / "overlays").mkdir()

    def fresh(self, rounds: int) -> None:
        """A whole process: plan, copy, reads, journal. The images are new to both each time."""
        self._policy(["app"])
        ours, bare = [], []
        for _ in range(rounds):
            tag = self._push("app", size=5_000_000)
            ours.append(seconds(run(self._promote("apply", "--confirm", "--set", f"n={tag}"))))
            tag = self._push("app", size=5_000_000)
            bare.append(seconds(run(self._copy("app", tag))))
        _say("a fresh image of 2 x 5 MB, one tag", ours, bare, "skopeo copy", 2)

    def finished(self, rounds: int) -> None:
        tag, plan = self._push("app", size=5000), str(self.folder / "plan.json")
        run(self._promote("plan", "--set", f"n={tag}", "--out", plan))()
        apply = run(self._promote("apply", plan))
        apply()
        ours, nothing = side_by_side(apply, run(python("-c", "pass")), rounds)
        _say("a finished plan, applied again", [ours], [nothing], "python -c pass", 10)

    def many(self, rounds: int, count: int = 40) -> None:
        names = [f"app-{number}" for number in range(count)]
        self._policy(names)
        ours, bare = [], []
        for _ in range(rounds):
            tag = self._push_all(names)
            promote = self._promote("apply", "--confirm", "--set", f"n={tag}", "--jobs", "4")
            ours.append(seconds(run(promote)))
            # Images of its own: those that we promoted would only be mounted by it.
            tag = self._push_all(names)
            bare.append(seconds(lambda tag=tag: self._xargs(names, tag)))  # type: ignore[misc]
        _say(
            f"{count} small images at --jobs 4", ours, bare, "xargs -P4 skopeo, one read each", 0.8
        )

    def _policy(self, names: list[str]) -> None:
        listed = "".join(_IMAGE.format(name=name) for name in names)
        text = _POLICY.format(images=listed, names=", ".join(names))
        (self.folder / "overlays" / "promotion.yaml").write_text(text)

    def _push_all(self, names: list[str]) -> str:
        self.number += 1
        for name in names:
            self._push(name, size=20_000, tag=f"m{self.number}")
        return f"m{self.number}"

    def _push(self, name: str, *, size: int, tag: str = "") -> str:
        self.number += not tag
        seed = abs(hash((name, tag or self.number))) % 10**9
        tag = tag or f"n{self.number}"
        self.source.site.push(name, images.image(layers=2, size=size, seed=seed), tag)
        return tag

    def _promote(self, *words: str) -> list[str]:
        return python(
            "-m", "midstream", "--root", str(self.folder), "promote", words[0],
            "--registries", str(self.folder / "registries.yaml"),
            *(() if words[0] == "plan" else ("--runs", str(self.folder / "runs"))), *words[1:],
        )  # fmt: skip

    def _copy(self, name: str, tag: str) -> list[str]:
        source = f"docker://{self.source.address}/{name}:{tag}"
        return [*_BARE, source, f"docker://{self.target.address}/bare/{name}:{tag}"]

    def _xargs(self, names: list[str], tag: str) -> None:
        script = (
            f"{' '.join(_BARE)} docker://{self.source.address}/$0:{tag} "
            f"docker://{self.target.address}/bare/$0:{tag} && skopeo inspect --raw "
            f"--tls-verify=false docker://{self.target.address}/bare/$0:{tag} >/dev/null"
        )
        subprocess.run(
            ["xargs", "-P4", "-n1", "sh", "-c", script],  # noqa: S607
            input="\n".join(names).encode(),
            check=True,
            capture_output=True,
        )


def _say(what: str, ours: list[float], other: list[float], beside: str, promised: float) -> None:
    mine, theirs = statistics.median(ours), statistics.median(other)
    print(f"{what:36} {mine * 1000:7.0f} ms")
    print(f"{beside:36} {theirs * 1000:7.0f} ms")
    print(f"{'ratio':36} {mine / theirs:7.2f}     ({promised} or less is promised)")
