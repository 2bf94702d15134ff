"""Carrying out a plan: the order, the proof, and what is left alone."""

from __future__ import annotations

import copy
import json
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from midstream.adapters.files import CannotWrite
from midstream.adapters.skopeo import Skopeo
from midstream.errors import Exit, MidstreamError, Refused
from midstream.promotion import apply, journal, planning
from midstream.promotion.apply import MovedSince, Report, State, Way
from midstream.promotion.journal import AnotherRuns, Journal
from promotion.scene import FLOATING, LATEST, MINOR, NAMES, RELEASE, Scene, killed_at
from promotion.world import NOW, UNIQUE, VALUES, World
from registries import faults, images
from registries.exchange import WRITES
from registries.faults import Fault

if TYPE_CHECKING:
    from pathlib import Path

    from midstream.promotion.plan import Plan
    from registries.debian import DebianRegistry
    from registries.double import Double
    from registries.exchange import Answer, Request, Response


@pytest.fixture
def scene(double: Double, other_double: Double, tmp_path: Path) -> Scene:
    return Scene(double, other_double, tmp_path)


def written_tags(target: Double) -> list[str]:
    """The tags in the order in which they were put."""
    puts = target.requests("PUT", "/manifests/")
    names = (each.request.path.rpartition("/")[2] for each in puts if each.status == 201)
    return [name for name in names if not name.startswith("sha256")]


def test_a_promotion_gives_every_tag_and_proves_it(scene: Scene, other_double: Double) -> None:
    plan = scene.plan()
    report = scene.apply(plan)
    assert report.exit_code == Exit.OK
    assert scene.is_promoted()
    assert all(each.state is State.DONE and each.copied for each in report.tags)
    assert report.attached == 4
    for name in NAMES:
        there = other_double.repositories[f"vllm/vllm-{name}"]
        assert there.tags[images.cosign(scene.new[name].digest)[1]]
        assert images.referrer(scene.new[name]).digest in there.manifests
    scene.promises_hold(plan, report)


def test_floating_tags_come_after_the_whole_group_and_latest_is_the_last(
    scene: Scene, other_double: Double
) -> None:
    scene.apply(scene.plan())
    order = written_tags(other_double)
    fixed = [at for at, tag in enumerate(order) if tag in (UNIQUE, RELEASE)]
    minor = [at for at, tag in enumerate(order) if tag == MINOR]
    latest = [at for at, tag in enumerate(order) if tag == LATEST]
    assert (len(fixed), len(minor), len(latest)) == (4, 2, 2)
    assert max(fixed) < min(minor)
    assert max(minor) < min(latest)


def test_a_finished_plan_again_writes_nothing_and_starts_no_skopeo(scene: Scene) -> None:
    plan = scene.plan()
    scene.apply(plan)
    writes = len(scene.target.writes)
    report = scene.apply(plan, Skopeo(program="no-such-skopeo"))
    assert report.exit_code == Exit.OK
    assert len(scene.target.writes) == writes
    assert not any(each.copied for each in report.tags)


def reads_before_writing(target: Double, name: str) -> list[str]:
    """The tags of an image that were read before anything of it was written."""
    found = []
    for each in target.log:
        if each.request.path.startswith(f"/v2/vllm/vllm-{name}/"):
            if each.request.method in WRITES:
                break
            if each.request.method == "GET" and "midstream" in each.request.header("User-Agent"):
                found.append(each.request.path.rpartition("/")[2])
    return found


def test_what_a_plan_has_just_read_is_not_read_again(scene: Scene, other_double: Double) -> None:
    scene.jobs = 1
    began = time.monotonic()
    plan = scene.plan()
    other_double.log.clear()
    report = scene.apply(plan, planned=began)
    assert report.exit_code == Exit.OK
    assert scene.is_promoted()
    assert not set(reads_before_writing(other_double, "rocm")) - {UNIQUE}
    scene.promises_hold(plan, report)
    # An older one is looked at whole, before anything is copied.
    other_double.log.clear()
    scene.apply(plan, planned=began - 60)
    assert set(reads_before_writing(other_double, "rocm")) >= {UNIQUE, RELEASE, MINOR, LATEST}


@pytest.mark.parametrize("tag", [RELEASE, MINOR, LATEST])
def test_a_tag_that_moves_right_after_the_plan_is_seen_all_the_same(
    scene: Scene, other_double: Double, tag: str
) -> None:
    began = time.monotonic()
    plan = scene.plan()
    another = images.image(seed=99)
    other_double.load("vllm/vllm-rocm", another, tag)
    report = scene.apply(plan, planned=began)
    assert isinstance(dict(report.errors)["rocm"], MovedSince)
    assert other_double.holds("vllm/vllm-rocm", tag) == another.digest
    assert [scene.holds("tpu")[each] for each in FLOATING] == ["old", "old"]
    assert scene.holds("rocm")[MINOR] == ("another" if tag == MINOR else "old")
    scene.promises_hold(plan, report)


def test_a_floating_tag_that_moves_while_others_are_copied_holds_those_of_the_group(
    scene: Scene, other_double: Double
) -> None:
    plan = scene.plan()
    another = images.image(seed=99)

    def somebody(request: Request, go_on: Answer) -> Response:
        answer = go_on(request)
        other_double.load("vllm/vllm-rocm", another, LATEST)
        return answer

    scene.target.fails(Fault("PUT", f"/vllm-tpu/manifests/{RELEASE}$", somebody))
    report = scene.apply(plan)
    assert isinstance(dict(report.errors)["rocm"], MovedSince)
    assert scene.holds("rocm") == {UNIQUE: "new", RELEASE: "new", MINOR: "old", LATEST: "another"}
    assert scene.holds("tpu") == {UNIQUE: "new", RELEASE: "new", MINOR: "old", LATEST: "old"}
    scene.promises_hold(plan, report)


def test_tags_come_from_the_destination_once_the_image_is_there(scene: Scene) -> None:
    """The source may expire in the meantime, and is farther away."""
    plan = scene.plan()
    scene.apply(plan)
    for name in NAMES:
        sources = [
            each.fields["source"].partition("/")[0]
            for each in scene.entries(plan)
            if each.fields["image"] == name and "source" in each.fields
        ]
        assert sources == ["staging.example", "quay.io", "quay.io", "quay.io"]


def test_what_one_image_lacks_holds_the_floating_tags_of_all(scene: Scene) -> None:
    plan = scene.plan()
    fault = faults.answers(403, "DENIED", "no")
    scene.target.fails(Fault("PUT", f"/vllm-tpu/manifests/{RELEASE}$", fault))
    report = scene.apply(plan)
    assert report.exit_code == Exit.PARTIAL
    assert scene.holds("rocm") == {UNIQUE: "new", RELEASE: "new", MINOR: "old", LATEST: "old"}
    assert scene.holds("tpu") == {UNIQUE: "new", RELEASE: None, MINOR: "old", LATEST: "old"}
    held = [each for each in report.tags if each.image == "rocm" and each.tag in FLOATING]
    assert [each.state for each in held] == [State.UNTOUCHED] * 2
    assert "`tpu` of its group failed" in held[0].why
    scene.promises_hold(plan, report)
    scene.converges(plan)


def test_latest_stays_where_another_floating_tag_failed(scene: Scene) -> None:
    plan = scene.plan()
    fault = Fault("PUT", f"/vllm-tpu/manifests/{MINOR}$", faults.answers(403, "DENIED", "no"))
    scene.target.fails(fault)
    report = scene.apply(plan)
    assert [scene.holds(name)[LATEST] for name in NAMES] == ["old", "old"]
    assert [scene.holds(name)[MINOR] for name in NAMES] == ["new", "old"]
    said = {(each.image, each.tag): each.state for each in report.tags}
    assert [said[name, MINOR] for name in NAMES] == [State.DONE, State.UNTOUCHED]
    scene.promises_hold(plan, report)
    scene.converges(plan)


def test_nothing_is_copied_while_any_tag_of_the_group_is_not_as_planned(scene: Scene) -> None:
    plan = scene.plan()
    scene.target.load("vllm/vllm-tpu", images.image(seed=99), MINOR)
    report = scene.apply(plan)
    assert scene.target.writes == []
    assert report.exit_code == Exit.REFUSED
    assert isinstance(report.errors[0][1], MovedSince)
    assert all(each.state is State.UNTOUCHED for each in report.tags if each.image == "rocm")


def test_a_tag_that_another_took_at_the_last_moment_is_not_taken_back(scene: Scene) -> None:
    plan = scene.plan()
    other = images.image(seed=99)

    def somebody() -> None:
        scene.target.load("vllm/vllm-rocm", other, LATEST)

    fault = Fault("PUT", f"/vllm-tpu/manifests/{MINOR}$", faults.meanwhile(somebody), times=1)
    scene.target.fails(fault)
    report = scene.apply(plan)
    assert scene.target.holds("vllm/vllm-rocm", LATEST) == other.digest
    assert report.exit_code == Exit.PARTIAL
    assert isinstance(report.errors[0][1], MovedSince)
    [latest] = [each for each in report.tags if (each.image, each.tag) == ("rocm", LATEST)]
    assert latest.state is State.UNKNOWN
    scene.promises_hold(plan, report)


def test_a_run_is_done_where_nothing_failed_and_nobody_stopped_it() -> None:
    assert Report(()).is_done
    assert not Report((), (("rocm", MidstreamError("no")),)).is_done
    assert not Report((), stopped=Exit.INTERRUPTED).is_done


def test_a_plan_with_refusals_is_not_begun(scene: Scene) -> None:
    scene.target.load("vllm/vllm-rocm", images.image(seed=99), RELEASE)
    plan = scene.plan()
    with pytest.raises(Refused, match=r"never moved \[MS410\]"):
        scene.apply(plan)
    assert scene.target.writes == []


def test_a_release_tag_is_moved_only_with_a_reason_that_the_plan_keeps(scene: Scene) -> None:
    scene.target.load("vllm/vllm-rocm", images.image(seed=99), RELEASE)
    plan = scene.plan(allowed={"MS410": "0.33.0 never worked"})
    report = scene.apply(plan)
    assert report.exit_code == Exit.OK
    assert scene.is_promoted()
    assert plan.units[0].allowed == {"MS410": "0.33.0 never worked"}


def test_tags_that_are_held_are_left_alone(scene: Scene) -> None:
    plan = scene.world.plan("rocm")
    scene.target.load("vllm/vllm-rocm", images.image(seed=99), LATEST)  # nobody's concern here
    report = scene.apply(plan)
    assert report.exit_code == Exit.OK
    assert scene.holds("rocm") == {UNIQUE: "new", RELEASE: "new", MINOR: "old", LATEST: "another"}


def test_a_source_that_is_gone_since_the_plan(scene: Scene) -> None:
    plan = scene.plan()
    del scene.source.repositories["ci/tpu"]
    report = scene.apply(plan)
    assert report.exit_code == Exit.OUTSIDE
    assert scene.is_as_before()
    scene.promises_hold(plan, report)


def test_a_source_tag_that_moves_after_the_plan_changes_nothing(scene: Scene) -> None:
    plan = scene.plan()
    scene.source.load("ci/rocm", images.image(seed=98), VALUES["commit"])
    assert scene.apply(plan).exit_code == Exit.OK
    assert scene.is_promoted()


def test_the_journal_names_every_step_before_and_after_it(scene: Scene) -> None:
    scene.jobs = 1
    plan = scene.world.plan("rocm")
    scene.apply(plan)
    told = [(each.step, each.fields.get("tag")) for each in scene.entries(plan)]
    assert told == [
        ("intent", UNIQUE), ("copied", UNIQUE), ("verified", UNIQUE),
        ("intent", None), ("copied", None), ("verified", None),
        ("intent", RELEASE), ("copied", RELEASE), ("verified", RELEASE),
    ]  # fmt: skip


def test_without_a_journal_nothing_is_promoted(scene: Scene, tmp_path: Path) -> None:
    plan = scene.plan()
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWrite):
        scene.apply(plan, folder=tmp_path / "file" / "run")
    assert scene.target.writes == []


def test_a_journal_that_fills_up_stops_the_run_and_the_report_still_tells(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = scene.plan()
    whole = Journal.add

    def full(self: Journal, step: str, **fields: object) -> journal.Entry:
        if len(self.entries) >= 4:
            raise CannotWrite("no space left on device")
        return whole(self, step, **fields)

    monkeypatch.setattr(Journal, "add", full)
    report = scene.apply(plan)
    assert report.exit_code in (Exit.PARTIAL, Exit.OUTSIDE)
    scene.promises_hold(plan, report)
    monkeypatch.undo()
    scene.converges(plan)


def test_two_processes_never_carry_out_one_plan(scene: Scene) -> None:
    plan = scene.plan()
    with Journal(scene.folder / plan.run, now=str), pytest.raises(AnotherRuns):
        scene.apply(plan)
    assert scene.target.writes == []


def test_attachments_can_be_left_where_they_are(scene: Scene) -> None:
    scene.world.policy = scene.world.policy.replace(
        "{profile: none}", "{profile: none, attachments: none}"
    )
    report = scene.apply(scene.plan())
    assert (report.exit_code, report.attached) == (Exit.OK, 0)


def test_an_attachment_that_the_destination_loses_is_an_error(scene: Scene) -> None:
    plan = scene.plan()
    scene.target.fails(Fault("PUT", r"/manifests/sha256-.*\.sig", faults.pretends))
    report = scene.apply(plan)
    assert report.exit_code == Exit.INTEGRITY
    assert [scene.holds(name)[RELEASE] for name in NAMES] == [None, None]
    scene.promises_hold(plan, report)
    scene.converges(plan)


def test_a_registry_that_shows_what_it_took_three_seconds_later_is_waited_for(
    scene: Scene, other_double: Double
) -> None:
    plan = scene.world.plan("rocm")
    lag = faults.Lag(3)
    scene.target.fails(Fault("PUT|GET|HEAD", f"/vllm-rocm/manifests/{UNIQUE}$", lag))
    scene.settle = 10.0
    report = scene.apply(plan)
    assert report.exit_code == Exit.OK
    assert report.retries == 0
    assert written_tags(other_double).count(UNIQUE) == 1
    assert 3 <= report.seconds < 8


# --- stopped -----------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_at_any_step_of_three_tags_ends_the_same_without_a_second_copy(
    scene: Scene, other_double: Double, when: str
) -> None:
    """Three tags and their steps: nine lines, and three more for the attachments."""
    policy = scene.world.policy.replace(', floating: ["{minor}", latest]', ", floating: latest")
    scene.world.policy = policy.replace("groups: {release: [rocm, tpu]}\n", "")
    plan = scene.world.plan("rocm")
    (scene.folder / "plan.json").write_bytes(plan.data)
    before = copy.deepcopy(other_double.repositories)
    for kill in range(1, 13):
        other_double.repositories = copy.deepcopy(before)
        other_double.log.clear()
        with killed_at(scene, kill, when) as running:
            assert running.wait(30) == -signal.SIGKILL
        report = scene.apply(plan)
        assert report.exit_code == Exit.OK
        there = scene.holds("rocm")
        assert (there[UNIQUE], there[RELEASE], there[LATEST]) == ("new", "new", "new")
        assert written_tags(other_double).count(UNIQUE) == 1
        assert written_tags(other_double).count(RELEASE) == 1
        assert written_tags(other_double).count(LATEST) == 1
        journal_lines = (scene.folder / plan.run / "journal.jsonl").read_text().splitlines()
        assert [json.loads(each)["seq"] for each in journal_lines] == list(
            range(1, len(journal_lines) + 1)
        )
        (scene.folder / plan.run / "journal.jsonl").unlink()


def test_an_interrupt_ends_skopeo_and_the_report_tells_of_every_tag(scene: Scene) -> None:
    plan = scene.plan()
    reached = threading.Event()

    def hangs(request: Request, origin: Answer) -> Response:
        reached.set()
        return faults.stalls(8)(request, origin)

    scene.target.fails(Fault("PUT", f"/vllm-rocm/manifests/{RELEASE}$", hangs))

    def interrupt() -> None:
        reached.wait(15)
        signal.pthread_kill(main, signal.SIGINT)

    main = threading.get_ident()
    thread = threading.Thread(target=interrupt)
    thread.start()
    began = time.monotonic()
    report = scene.apply(plan)
    thread.join()
    assert time.monotonic() - began < 7
    assert report.exit_code == Exit.INTERRUPTED
    states = {(each.image, each.tag): each.state for each in report.tags}
    assert states["rocm", UNIQUE] is State.DONE
    assert states["rocm", RELEASE] in (State.UNTOUCHED, State.UNKNOWN)
    assert states["rocm", LATEST] is State.UNTOUCHED
    scene.promises_hold(plan, report)
    scene.converges(plan)


@pytest.mark.registry
def test_two_promoters_on_one_tag_never_both_claim_it_falsely(
    debian: DebianRegistry, repository: str, tmp_path: Path
) -> None:
    """Against the real registry: whoever says `done` last is who the tag belongs to."""
    policy = (
        "defaults: {profile: none, attachments: none}\nimages:\n"
        f"  app:\n    source: {{repository: staging.example/{repository}-in}}\n"
        f"    repository: quay.io/{repository}\n    tags: {{unique: '{{round}}'}}\n"
    )
    world = World(debian.address, debian.address, policy=policy)
    two = [images.image(seed=71), images.image(seed=72)]
    for each in two:
        debian.site.push(f"{repository}-in", each, each.digest[7:15])
    rounds = 100
    with world.outside() as outside, ThreadPoolExecutor(2) as pool:
        for number in range(rounds):
            tag = f"round-{number}"
            plans = [
                planning.make(
                    world.order(values={"round": tag}, digests={"app": each.digest}, now=NOW),
                    outside,
                )
                for each in two
            ]

            def race(plan: Plan, tag: str = tag) -> apply.Report:
                with Journal(tmp_path / tag / plan.run, now=str) as held:
                    return apply.carry_out(plan, outside, held, Way(jobs=1, settle=0.2))

            reports = list(pool.map(race, plans))
            there = debian.site.digest(repository, tag)
            winners = [each for each in reports if each.exit_code == Exit.OK]
            for report in reports:
                [result] = report.tags
                if report.exit_code == Exit.OK and len(winners) == 1:
                    assert there == result.digest
                if report.exit_code != Exit.OK:
                    assert result.state is not State.DONE
            # Both may have seen their own image there, one before the other wrote; never neither.
            assert there in {each.digest for each in two}
