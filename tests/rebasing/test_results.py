"""What somebody edited by hand is seen before it is written over."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from demo import DOCKERFILE, make, places
from midstream.errors import Exit
from midstream.rebasing.results import edited_by_hand, results

if TYPE_CHECKING:
    from pathlib import Path

    from demo import Demo

RESULT = "rendered/demo/Dockerfile.app.ubi"
SCRIPT = "rendered/demo/app.files/tools/x.sh"


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    demo = make(
        tmp_path, f"{DOCKERFILE}COPY tools/x.sh /x.sh\n",
        "files: {tools/x.sh: {with: x.sh, why: ours}}\n",
        upstream={"tools/x.sh": "apt-get install x\n"}, **{"app__x.sh": "echo ours\n"},
    )  # fmt: skip
    ran = demo.run("rebase", "--target", "app")
    assert ran.exit_code == 0, ran.stderr
    return demo


def edit(demo: Demo, path: str = RESULT, old: str = "fast", new: str = "slow") -> bytes:
    text = demo.path(path).read_text()
    assert old in text
    demo.write(path, text.replace(old, new))
    return demo.path(path).read_bytes()


@pytest.mark.parametrize(("path", "old"), [(RESULT, "fast"), (SCRIPT, "ours")])
def test_an_edit_by_hand_is_not_written_over(demo: Demo, path: str, old: str) -> None:
    edited = edit(demo, path, old, "slow")
    demo.track("2.2", {"docker/Dockerfile": DOCKERFILE.replace("-j 4", "-j 8") + "COPY tools /t\n"})
    before = demo.outputs()
    ran = demo.run("rebase", "--target", "app")
    assert (ran.exit_code, ran.codes) == (Exit.REFUSED, ["MS263"])
    assert "app: nothing was written: a result was edited by hand" in ran.stderr
    assert (demo.outputs(), demo.path(path).read_bytes()) == (before, edited)


def test_the_finding_is_at_the_first_line_that_would_become_another(demo: Demo) -> None:
    edit(demo)
    line = demo.result().splitlines().index("ENV MODE=slow") + 1
    (found,) = edited_by_hand(demo.rebase(), lambda path: demo.path(path).read_bytes())
    assert places([found])[0][:3] == ("MS263", RESULT, line)
    assert "midstream absorb --target app" in (found.help or "")


@pytest.mark.parametrize("cut", [(None, "USER 1\n"), (-9, "")])
def test_a_longer_and_a_shorter_file_are_found_where_they_end(
    demo: Demo, cut: tuple[int | None, str]
) -> None:
    demo.write(RESULT, demo.result()[: cut[0]] + cut[1])
    (found,) = edited_by_hand(demo.rebase(), lambda path: demo.path(path).read_bytes())
    last = len(demo.result().splitlines())
    assert found.source.position(found.span.start).line == last


def test_what_midstream_wrote_is_written_over_whatever_moved(demo: Demo) -> None:
    demo.track("2.2", {"docker/Dockerfile": DOCKERFILE.replace("-j 4", "-j 8") + "COPY tools /t\n"})
    demo.write("overlays/app/x.sh", "echo others\n")
    ran = demo.run("rebase", "--target", "app")
    assert (ran.exit_code, ran.codes) == (0, [])
    assert "-j 8" in demo.result()
    assert demo.path(SCRIPT).read_text() == "echo others\n"


def test_an_edit_that_the_overlay_has_by_now_is_none(demo: Demo) -> None:
    edit(demo)
    overlay = demo.path("overlays/app/overlay.yaml").read_text()
    body = "edits: [{id: mode, at: final / ENV / MODE, set: slow, why: a test}]\n"
    demo.write("overlays/app/overlay.yaml", overlay + body)
    assert demo.run("rebase", "--target", "app").exit_code == 0


def test_a_file_that_is_taken_away_is_made_anew(demo: Demo) -> None:
    edit(demo)
    demo.path(RESULT).unlink()
    assert demo.run("rebase", "--target", "app").exit_code == 0
    assert "MODE=fast" in demo.result()


def test_a_check_says_so_too(demo: Demo) -> None:
    edit(demo)
    ran = demo.run("rebase", "--target", "app", "--check")
    assert (ran.exit_code, ran.codes) == (Exit.FINDINGS, ["MS263"])


def test_json_tells_it_with_the_other_findings(demo: Demo) -> None:
    edit(demo)
    ran = demo.run("--json", "rebase", "--target", "app")
    (target,) = json.loads(ran.stdout)["targets"]
    assert ran.exit_code == Exit.REFUSED
    assert [each["code"] for each in target["findings"]] == ["MS263"]


def test_what_only_shows_looks_at_no_file(demo: Demo) -> None:
    edit(demo)
    assert demo.run("rebase", "--target", "app", "--diff").codes == []
    assert "MODE=fast" in demo.run("rebase", "--target", "app", "--stdout").stdout


def test_a_folder_of_ones_own_is_looked_at_alone(demo: Demo, tmp_path: Path) -> None:
    edit(demo)
    words = ("rebase", "--target", "app", "--out", str(tmp_path / "out"))
    assert demo.run(*words).exit_code == 0
    out = tmp_path / "out" / "Dockerfile.app.ubi"
    out.write_text(out.read_text().replace("fast", "slow"))
    assert demo.run(*words).codes == ["MS263"]


@pytest.mark.parametrize("plan", [b"", b"{", b"[]", b'{"results": 3}', b"\xff", None])
def test_without_a_plan_the_lock_knows_what_was_written(demo: Demo, plan: bytes | None) -> None:
    path = demo.path(f"{RESULT}.build.json")
    path.unlink() if plan is None else path.write_bytes(plan)
    read = {p: demo.path(p).read_bytes() for p in demo.outputs() if "/app.files/" not in p}
    demo.track("2.2", {"docker/Dockerfile": DOCKERFILE.replace("-j 4", "-j 8") + "COPY tools /t\n"})
    assert list(edited_by_hand(demo.rebase(), read.get)) == []
    read[RESULT] += b"USER 1\n"
    assert [each.source.name for each in edited_by_hand(demo.rebase(), read.get)] == [RESULT]


def test_a_file_that_nobody_says_midstream_wrote_stays(demo: Demo) -> None:
    read = {RESULT: b"FROM ours\n"}
    assert [each.rule.code for each in edited_by_hand(demo.rebase(), read.get)] == ["MS263"]


def test_a_plan_has_the_hash_of_all_that_a_build_reads(demo: Demo) -> None:
    rebased = demo.rebase()
    hashes = demo.json(f"{RESULT}.build.json")["results"]
    assert list(hashes) == [RESULT, SCRIPT]
    assert hashes[RESULT] == f"sha256:{rebased.decisions.result}"
    assert list(results(rebased)) == [
        RESULT, f"{RESULT}.ledger.json", f"{RESULT}.build.json", SCRIPT
    ]  # fmt: skip
