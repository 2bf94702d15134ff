"""One promotion on a stage: two images of a group, two registries, and the promises to hold."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from midstream.promotion import apply, journal
from midstream.promotion import plan as planning
from midstream.promotion.apply import Event, Report, State, Way
from midstream.promotion.journal import Journal
from midstream.promotion.policy import Kind
from promotion.world import UNIQUE, VALUES, World
from registries import images
from registries.debian import PASSWORD

if TYPE_CHECKING:
    from pathlib import Path

    from midstream.adapters.skopeo import Skopeo
    from midstream.promotion.plan import Plan
    from registries.double import Double

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


@dataclass
class Scene:
    """`old` is what the floating tags hold before; each test does to the registries what it is
    about, between the plan and its application or before both."""

    source: Double
    target: Double
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
        self.target.log.clear()

    def plan(self, **options: Any) -> Plan:
        made = self.world.plan(**options)
        assert not made.failures, made.failures[0].error
        return made

    def apply(self, plan: Plan, skopeo: Skopeo | None = None, folder: Path | None = None) -> Report:
        way = Way(jobs=self.jobs, settle=self.settle, observe=self.events.append)
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
                assert there == each.previous, each
        said = [plan.data.decode(), str(report), str(self.events), *planning.lines(plan)]
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
