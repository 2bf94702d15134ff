"""One promotion on a stage: two images of a group, two registries, and the promises to hold."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from midstream.promotion import apply, journal
from midstream.promotion import plan as plans
from midstream.promotion.apply import Event, Report, State, Way
from midstream.promotion.journal import Journal
from midstream.promotion.plan import Kind
from promotion.world import UNIQUE, VALUES, World
from registries import images
from registries.debian import PASSWORD
from registries.proxy import Proxy

if TYPE_CHECKING:
    from pathlib import Path

    from midstream.adapters.skopeo import Skopeo
    from midstream.promotion.plan import Plan
    from registries.debian import DebianRegistry
    from registries.double import Double
    from registries.exchange import Exchange
    from registries.faults import Fault

POLICY = """\
defaults: {profile: none}
images:
  rocm:
    source: {repository: staging.example/ci/rocm, tag: "{commit}"}
    repository: quay.io/vllm/vllm-rocm
    tags: {unique: "{version}-{commit:12}", release: "{version}", floating: ["{minor}", latest]}
  tpu:
    source: {repository: staging.example/ci/tpu, tag: "{commit}"}
    repository: quay.io/vllm/vllm-tpu
    tags: {unique: "{version}-{commit:12}", release: "{version}", floating: ["{minor}", latest]}
groups: {release: [rocm, tpu]}
"""
RELEASE, MINOR, LATEST = "0.33.0", "0.33", "latest"
TAGS = (UNIQUE, RELEASE, MINOR, LATEST)
FLOATING = (MINOR, LATEST)
NAMES = ("rocm", "tpu")


class Target(Protocol):
    """Where the images go: the double, or the real registry behind a wire that can fail."""

    @property
    def address(self) -> str: ...
    @property
    def writes(self) -> list[Exchange]: ...
    def fails(self, *faults: Fault) -> None: ...
    def load(self, name: str, artifact: images.Artifact, *tags: str) -> str: ...
    def holds(self, name: str, tag: str) -> str | None: ...


class Real(Proxy):
    """Debian's registry behind a proxy; what it holds is asked of itself."""

    def __init__(self, debian: DebianRegistry) -> None:
        super().__init__(debian.address)
        self._site = debian.site

    def load(self, name: str, artifact: images.Artifact, *tags: str) -> str:
        return self._site.push(name, artifact, *tags)

    def holds(self, name: str, tag: str) -> str | None:
        return self._site.digest(name, tag)


@dataclass
class Scene:
    """`old` is what the floating tags hold before; each test does to the registries what it is
    about, between the plan and its application or before both."""

    source: Double
    target: Target
    folder: Path
    settle: float = 0.3
    jobs: int = 2
    world: World = field(init=False)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.world = World(self.source.address, self.target.address, policy=POLICY)
        self.new, self.old = {}, {}
        for number, name in enumerate(NAMES):
            new = images.multi_arch(seed=50 + number, size=2000)
            old = images.multi_arch(seed=60 + number, size=2000)
            self.source.load(f"ci/{name}", new, VALUES["commit"])
            signature, tag = images.cosign(new.digest)
            self.source.load(f"ci/{name}", signature, tag)
            self.source.load(f"ci/{name}", images.referrer(new))
            self.target.load(f"vllm/vllm-{name}", old, *FLOATING)
            self.new[name], self.old[name] = new, old

    def plan(self, **options: Any) -> Plan:
        made = self.world.plan(**options)
        assert not made.failures, made.failures[0].error
        return made

    def apply(
        self,
        plan: Plan,
        skopeo: Skopeo | None = None,
        folder: Path | None = None,
        planned: float = -math.inf,
    ) -> Report:
        way = Way(self.jobs, self.settle, self.events.append, planned)
        with (
            self.world.outside(skopeo) as outside,
            Journal(folder or self.folder / plan.run, now=lambda: "then") as held,
        ):
            return apply.carry_out(plan, outside, held, way)

    def entries(self, plan: Plan) -> list[journal.Entry]:
        return journal.read(self.folder / plan.run)

    def holds(self, name: str = "rocm") -> dict[str, str | None]:
        """What each tag holds: new, old, another, or None. Asked of the registry itself."""
        known = {self.new[name].digest: "new", self.old[name].digest: "old", None: None}
        there = {tag: self.target.holds(f"vllm/vllm-{name}", tag) for tag in TAGS}
        return {tag: known.get(digest, "another") for tag, digest in there.items()}

    def is_promoted(self) -> bool:
        return all(set(self.holds(name).values()) == {"new"} for name in NAMES)

    def is_as_before(self) -> bool:
        before = {UNIQUE: None, RELEASE: None, MINOR: "old", LATEST: "old"}
        return all(self.holds(name) == before for name in NAMES)

    def promises_hold(self, plan: Plan, report: Report) -> None:
        """P1, P2, P3, P5 and P6, by what the registry holds and not by what the report says."""
        every = {name: self.holds(name) for name in NAMES}
        if report.exit_code == 0:  # P1
            assert all(set(each.values()) == {"new"} for each in every.values())
        moved = [name for name in NAMES if "new" in (every[name][MINOR], every[name][LATEST])]
        if moved:  # P2
            assert all(every[name][UNIQUE] == every[name][RELEASE] == "new" for name in NAMES)
        before = {each.reference: each.previous for each in report.tags}
        for each in report.tags:
            path = each.reference.partition("/")[2].rpartition(":")[0]
            there = self.target.holds(path, each.tag)
            if each.kind is not Kind.FLOATING and before[each.reference] is not None:  # P3
                assert there == before[each.reference]
            if each.state is State.DONE:  # P6
                assert there == each.digest, each
            if each.state is State.UNTOUCHED:
                # By us: that somebody else moved it since the plan is said beside it.
                assert there == each.previous or "holds" in each.why, each
        said = [plan.data.decode(), str(report), str(self.events), *plans.lines(plan)]
        with suppress(FileNotFoundError):
            said.append((self.folder / plan.run / "journal.jsonl").read_text())
        assert not any(PASSWORD in each for each in said)  # P5

    def converges(self, plan: Plan) -> None:
        """P4: with the fault gone, the same plan ends well; and once more, it writes nothing."""
        self.source.fails()
        self.target.fails()
        again = self.apply(plan)
        assert again.exit_code == 0, again.errors
        assert self.is_promoted()
        writes = len(self.target.writes)
        once_more = self.apply(plan)
        assert once_more.exit_code == 0
        assert len(self.target.writes) == writes
        assert not any(each.copied for each in once_more.tags)


_CHILD = """\
import os, signal, sys
from pathlib import Path
from midstream.promotion import apply, journal, plan
from midstream.promotion.journal import Journal
from promotion.scene import POLICY
from promotion.world import World

source, target, folder, kill, when = sys.argv[1:]
made = plan.parse(Path(folder, "plan.json").read_bytes(), "plan")
add = Journal.add
def adding(self, step, **fields):
    number = len(self.entries) + 1
    if when == "before" and number == int(kill):
        os.kill(os.getpid(), signal.SIGKILL)
    entry = add(self, step, **fields)
    if when == "after" and number == int(kill):
        os.kill(os.getpid(), signal.SIGKILL)
    return entry
Journal.add = adding
world = World(source, target, policy=POLICY)
with world.outside() as outside, Journal(Path(folder, made.run), now=str) as held:
    report = apply.carry_out(made, outside, held, apply.Way(jobs=1, settle=0.3))
sys.exit(int(report.exit_code))
"""


def killed_at(scene: Scene, kill: int, when: str) -> subprocess.Popen[bytes]:
    """A process of its own that applies `plan.json`, and is killed at a line of its journal."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    arguments = [scene.source.address, scene.target.address, str(scene.folder), str(kill), when]
    return subprocess.Popen([sys.executable, "-c", _CHILD, *arguments], env=environment)
