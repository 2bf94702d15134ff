from __future__ import annotations

import ctypes
import json
import os
import resource
from typing import TYPE_CHECKING

import pytest

from demo import DOCKERFILE, HEAD, make
from midstream.adapters.blobs import Blobs, blob_id
from midstream.errors import Exit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from demo import Demo

RESULT = "rendered/demo/Dockerfile.app.ubi"
LOCK = "overlays/app/lock.json"
COPY_EDIT = "edits:\n  - {id: x, at: final / COPY, replace: COPY --from=build /a /a, why: less}\n"
REVIEW = 'review: [{at: "@ship / ENV,ENTRYPOINT"}]\n'


def other(demo: Demo, target: str = "base", text: str = DOCKERFILE) -> None:
    """A second target."""
    demo.track(demo.release, {"docker/Dockerfile.base": text})
    head = HEAD.replace("target: app", f"target: {target}").replace("demo/app", "demo/base")
    demo.write(f"overlays/{target}/overlay.yaml", head)


# --- what is written ---


def test_a_proved_result_is_written_with_its_ledger_plan_and_lock(tmp_path: Path) -> None:
    demo = make(tmp_path, body=COPY_EDIT + REVIEW)
    ran = demo.run("rebase", "--target", "app")
    assert (ran.exit_code, ran.stdout) == (0, "")
    assert "app: 10 upstream instructions: 2 unreachable, 5 carried, 2 converted" in ran.stderr
    assert sorted(demo.outputs()) == [
        LOCK, RESULT, f"{RESULT}.build.json", f"{RESULT}.ledger.json"
    ]  # fmt: skip
    ledger = demo.json(f"{RESULT}.ledger.json")
    assert (ledger["counts"]["replaced"], ledger["counts"]["undecided"]) == (1, 0)
    assert sum(ledger["counts"].values()) == len(ledger["instructions"])
    plan, lock = demo.json(f"{RESULT}.build.json"), demo.json(LOCK)
    assert (plan["dockerfile"], plan["stage"]) == (RESULT, "final")
    assert lock["upstream"]["blob"] == plan["upstream"]["blob"] == blob_id(DOCKERFILE.encode())
    assert sorted(lock["edits"]) == ["x"]
    assert {"final / ENTRYPOINT", "final / ENV MODE"} <= set(lock["review"])


def test_the_same_inputs_give_the_same_bytes_wherever_and_whenever(tmp_path: Path) -> None:
    body = (
        "edits:\n"
        "  - {id: k, at: final / ENV, set: {C: 1, B: 2, A: 3, Z: 4}, why: w}\n"
        "  - {id: o, at: build / RUN / make all, args: {--c: '', --b: '', --a: ''}, why: w}\n"
        "  - {id: d, at: build / RUN / install git, after: [USER 1, USER 2], why: w}\n"
        + REVIEW.replace("ENV", "ENV,USER")
    )
    made = []
    (tmp_path / "elsewhere").mkdir()
    for seed, zone, language in (("0", "UTC", "C"), ("7", "Asia/Tokyo", "tr_TR.UTF-8")):
        demo = make(tmp_path / seed, body=body)
        home = tmp_path / f"home{seed}"
        home.mkdir()
        settings = {"PYTHONHASHSEED": seed, "TZ": zone, "LANG": language, "LC_ALL": language}
        ran = demo.run_apart(
            "rebase", "--target", "app", folder=tmp_path / "elsewhere",
            environment={"HOME": str(home), **settings},
        )  # fmt: skip
        assert ran.exit_code == 0, ran.stderr
        made.append(demo.outputs())
        assert demo.run("rebase", "--target", "app").exit_code == 0
        made.append(demo.outputs())
        assert demo.run("rebase", "--target", "app", "--check").exit_code == 0
    assert made[0] == made[1] == made[2] == made[3]


def test_a_result_is_the_same_in_a_folder_that_was_never_used(tmp_path: Path) -> None:
    first, second = make(tmp_path / "a", body=REVIEW), make(tmp_path / "b", body=REVIEW)
    second.run("rebase", "--target", "app")
    second.path(RESULT).unlink()
    for demo in (first, second):
        assert demo.run("rebase", "--target", "app").exit_code == 0
    assert first.outputs() == second.outputs()


@pytest.mark.parametrize("option", ["--stdout", "--diff", "--check"])
def test_what_only_shows_writes_nothing(tmp_path: Path, option: str) -> None:
    demo = make(tmp_path)
    ran = demo.run("rebase", "--target", "app", option)
    assert demo.outputs() == {}
    assert ran.exit_code == (Exit.FINDINGS if option == "--check" else Exit.OK)


def test_stdout_is_the_result_alone(tmp_path: Path) -> None:
    demo = make(tmp_path, DOCKERFILE + "# caf\u00e9\n")
    ran = demo.run("rebase", "--target", "app", "--stdout")
    demo.run("rebase", "--target", "app")
    assert ran.stdout == demo.result()


def test_a_difference_is_shown_against_upstream_and_then_against_the_last_result(
    tmp_path: Path,
) -> None:
    demo = make(tmp_path)
    first = demo.run("rebase", "--target", "app", "--diff").stdout
    assert first.startswith(f"--- a/docker/Dockerfile\n+++ b/{RESULT}\n")
    assert "-RUN apt-get update && apt-get install -y git make\n" in first
    demo.run("rebase", "--target", "app")
    assert demo.run("rebase", "--target", "app", "--diff").stdout == ""
    demo.write("overlays/app/overlay.yaml", HEAD + COPY_EDIT)
    second = demo.run("rebase", "--target", "app", "--diff").stdout
    assert [line for line in second.splitlines() if line.startswith(("+C", "-C"))] == [
        "-COPY --from=build /opt/app /opt/app",
        "+COPY --from=build /a /a",
    ]


def test_check_says_what_would_change(tmp_path: Path) -> None:
    demo = make(tmp_path)
    ran = demo.run("rebase", "--target", "app", "--check")
    assert ran.stderr.count("would change: ") == 4
    demo.run("rebase", "--target", "app")
    assert demo.run("rebase", "--target", "app", "--check").exit_code == 0
    demo.write(RESULT, "FROM somebody's hand\n")
    ran = demo.run("rebase", "--target", "app", "--check")
    assert ran.exit_code == 1
    assert [line for line in ran.stderr.splitlines() if line.startswith("would")] == [
        f"would change: {demo.path(RESULT)}"
    ]


def test_out_writes_there_and_no_lock(tmp_path: Path) -> None:
    demo = make(tmp_path)
    out = tmp_path / "out" / "deep"
    assert demo.run("rebase", "--target", "app", "--out", str(out)).exit_code == 0
    assert demo.outputs() == {}
    assert sorted(path.name for path in out.iterdir()) == [
        "Dockerfile.app.ubi", "Dockerfile.app.ubi.build.json", "Dockerfile.app.ubi.ledger.json"
    ]  # fmt: skip


def test_out_is_what_check_and_diff_look_at(tmp_path: Path) -> None:
    demo = make(tmp_path)
    out = ("--out", str(tmp_path / "out"))
    assert demo.run("rebase", "--target", "app", *out, "--check").exit_code == 1
    demo.run("rebase", "--target", "app", *out)
    assert demo.run("rebase", "--target", "app", *out, "--check").exit_code == 0
    assert demo.run("rebase", "--target", "app", *out, "--diff").stdout == ""


def test_json_is_one_object_that_tells_all(tmp_path: Path) -> None:
    demo = make(tmp_path, DOCKERFILE.replace("git make", "git libnobodyknows9"))
    ran = demo.run("--json", "rebase", "--target", "app")
    assert ran.exit_code == 1
    content = json.loads(ran.stdout)
    (target,) = content["targets"]
    assert (content["midstream"], content["kind"], target["target"]) == (1, "rebase", "app")
    assert target["proved"] is False
    assert target["counts"]["undecided"] == 1
    found = target["findings"][0]
    assert (found["code"], found["file"], found["line"]) == ("MS203", "docker/Dockerfile", 6)


# --- which targets, which text ---


def test_all_takes_every_target_that_the_release_has(tmp_path: Path) -> None:
    demo = make(tmp_path)
    other(demo)
    assert demo.run("rebase", "--all").exit_code == 0
    assert sorted(path for path in demo.outputs() if path.endswith(".ubi")) == [
        RESULT, "rendered/demo/Dockerfile.base.ubi"
    ]  # fmt: skip
    demo.track("2.2", {"docker/Dockerfile.base": None})
    assert "base: " not in demo.run("rebase", "--all").stderr


def test_one_target_with_errors_does_not_keep_the_others_from_being_written(
    tmp_path: Path,
) -> None:
    demo = make(tmp_path)
    other(demo, text=DOCKERFILE.replace("git make", "libnobodyknows9"))
    assert demo.run("rebase", "--all").exit_code == 1
    assert [path for path in demo.outputs() if path.endswith(".ubi")] == [RESULT]


def test_one_target_that_can_not_be_read_does_not_either(tmp_path: Path) -> None:
    demo = make(tmp_path)
    other(demo, text="nonsense\n")
    ran = demo.run("rebase", "--all")
    assert ran.exit_code == 1
    assert "can't read docker/Dockerfile.base of demo 2.1" in ran.stderr
    assert [path for path in demo.outputs() if path.endswith(".ubi")] == [RESULT]


def test_a_dockerfile_on_disk_takes_upstreams_place(tmp_path: Path) -> None:
    demo = make(tmp_path)
    text = tmp_path / "Mine"
    text.write_text(DOCKERFILE.replace("fast", "slow"))
    ran = demo.run("rebase", "--target", "app", "--dockerfile", str(text), "--stdout")
    assert ran.exit_code == 0
    assert "ENV MODE=slow\n" in ran.stdout
    assert "# Made by midstream from Mine of demo" in ran.stdout


def test_a_dockerfile_on_disk_is_not_taken_for_the_siblings(tmp_path: Path) -> None:
    head = HEAD.replace(
        "ship: {stage: final}",
        "ship: {stage: final, args: {BASE: {value: \"{{ sibling('base') }}\", why: ours}}}",
    )
    demo = make(tmp_path, head=head)
    other(demo)
    text = tmp_path / "Mine"
    text.write_text("ARG BASE=x\nFROM ${BASE} AS final\nUSER 7\n")
    ran = demo.run("rebase", "--target", "app", "--dockerfile", str(text), "--stdout")
    assert ran.exit_code == 0, ran.stderr
    assert "ARG BASE=quay.example/demo/base:2.1\n" in ran.stdout


def test_another_release_comes_from_the_cache_and_writes_no_lock(tmp_path: Path) -> None:
    demo = make(tmp_path)
    remembered = demo.snapshot.lock.as_bytes().replace(b'"2.1"', b'"2.5"')
    demo.run("rebase", "--target", "app")
    before = demo.outputs()
    tracker_memory(demo, "2.5", remembered)
    ran = demo.run("rebase", "--target", "app", "--release", "2.5", "--out", str(tmp_path / "out"))
    assert ran.exit_code == 0, ran.stderr
    assert demo.outputs() == before
    plan = json.loads((tmp_path / "out" / "Dockerfile.app.ubi.build.json").read_bytes())
    assert plan["upstream"]["release"] == "2.5"


def test_a_check_of_another_release_does_not_look_at_the_lock(tmp_path: Path) -> None:
    demo = make(tmp_path)
    remembered = demo.snapshot.lock.as_bytes().replace(b'"2.1"', b'"2.5"')
    demo.run("rebase", "--target", "app")
    tracker_memory(demo, "2.5", remembered)
    ran = demo.run("rebase", "--target", "app", "--release", "2.5", "--check")
    stale = [line for line in ran.stderr.splitlines() if line.startswith("would change")]
    assert stale == [f"would change: {demo.path(RESULT)}.build.json"]


def tracker_memory(demo: Demo, version: str, lock: bytes) -> None:
    """The cache remembers a release, as `midstream track` would have it."""
    from midstream.adapters.index import PackageIndex
    from midstream.source import Source
    from midstream.upstream.config import read_project
    from midstream.upstream.snapshot import Tracker

    text = demo.path("upstream/demo.yaml").read_text()
    project = read_project(Source("upstream/demo.yaml", text))
    tracker = Tracker(project, PackageIndex(), demo.cache, lambda _title, _size: lambda _n: None)
    path = tracker._memory(version)  # noqa: SLF001  there is no other way in without a network
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(lock)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name targets with --target, or take all with --all"),
        (["--target", "app", "--all"], "name targets with --target, or take all with --all"),
        (["--target", "nobody"], "no target `nobody`"),
        (["--target", "app", "--release", "2.2"], "doesn't go into rendered/"),
        (["--target", "app", "--dockerfile", "x"], "doesn't go into rendered/"),
        (["--all", "--stdout"], "--dockerfile and --stdout take exactly one --target"),
        (["--target", "app", "--target", "base", "--stdout"], "take exactly one --target"),
        (["--target", "app", "--dockerfile", "no-such-file", "--stdout"], "can't read"),
        (["--target", "app", "--stdout", "--check"], "take one of --check and --stdout"),
        (["--target", "app", "--stdout", "--out", "x"], "take one of --stdout and --out"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_refused(
    tmp_path: Path, words: list[str], said: str
) -> None:
    demo = make(tmp_path)
    ran = demo.run("rebase", *words)
    assert (ran.exit_code, demo.outputs()) == (Exit.USAGE, {})
    assert said in ran.stderr


@pytest.mark.parametrize("option", ["--stdout", "--diff"])
def test_json_and_a_text_do_not_go_to_one_stdout(tmp_path: Path, option: str) -> None:
    ran = make(tmp_path).run("--json", "rebase", "--target", "app", option)
    assert (ran.exit_code, ran.stdout) == (Exit.USAGE, "")


def test_warnings_stop_a_strict_run(tmp_path: Path) -> None:
    demo = make(tmp_path, DOCKERFILE.replace("git make", "git"))
    ran = demo.run("--strict", "rebase", "--target", "app")
    assert (ran.exit_code, ran.codes, demo.outputs()) == (1, ["MS307"], {})
    assert demo.run("rebase", "--target", "app").exit_code == 0


# --- upstream moves ---


def moved(folder: Path, changes: str, body: str) -> tuple[Demo, str]:
    """Rebased once, then upstream's Dockerfile becomes `changes`."""
    demo = make(folder, body=body)
    assert demo.run("rebase", "--target", "app").exit_code == 0
    before = demo.result()
    demo.track("2.2", {"docker/Dockerfile": changes})
    return demo, before


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("/opt/app /opt/app", "/opt/app /srv/app", "MS220"),
        ("ENV MODE=fast\n", "ENV MODE=fast\nENV NEW=1\n", "MS221"),
        ('["/opt/app/run"]', '["/opt/app/serve"]', "MS221"),
    ],
)
def test_a_question_is_asked_where_upstream_changed_what_was_decided_about(
    tmp_path: Path, old: str, new: str, code: str
) -> None:
    demo, before = moved(tmp_path, DOCKERFILE.replace(old, new), COPY_EDIT + REVIEW)
    lock = demo.outputs()[LOCK]
    ran = demo.run("rebase", "--target", "app")
    assert (ran.exit_code, ran.codes) == (1, [code])
    assert "nothing was written: 1 question\n" in ran.stderr
    assert (demo.result(), demo.outputs()[LOCK]) == (before, lock)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("COPY --from=build /opt/app", "# a word\nCOPY  --from=build \\\n  # more\n /opt/app"),
        ("ENV MODE=fast\n", "\n\nENV   MODE=fast\n"),
        ("RUN make -j 4 all", "RUN make -j 8 all"),
        ("RUN echo nobody", "RUN apt-get install nobody"),
        ("ENTRYPOINT", "# what runs\nENTRYPOINT"),
    ],
)
def test_nothing_is_asked_about_comments_blanks_and_what_nobody_decided_about(
    tmp_path: Path, old: str, new: str
) -> None:
    demo, _ = moved(tmp_path, DOCKERFILE.replace(old, new), COPY_EDIT + REVIEW)
    marks = demo.json(LOCK)
    ran = demo.run("rebase", "--target", "app")
    assert (ran.exit_code, ran.codes) == (0, []), ran.stderr
    now = demo.json(LOCK)
    assert (now["edits"], now["review"]) == (marks["edits"], marks["review"])
    assert now["upstream"]["release"] == "2.2"


def test_a_rebase_never_changes_a_fingerprint_that_is_there(tmp_path: Path) -> None:
    demo, _ = moved(
        tmp_path, DOCKERFILE.replace("/opt/app /opt/app", "/opt/app /srv/app"), COPY_EDIT
    )
    old = demo.json(LOCK)["edits"]["x"]
    more = COPY_EDIT + "  - {id: y, at: final / ENV, drop: true, why: none}\n"
    demo.write("overlays/app/overlay.yaml", HEAD + more)
    assert demo.run("rebase", "--target", "app").exit_code == 1
    demo.track("2.3", {"docker/Dockerfile": DOCKERFILE})
    assert demo.run("rebase", "--target", "app").exit_code == 0
    assert demo.json(LOCK)["edits"]["x"] == old
    assert sorted(demo.json(LOCK)["edits"]) == ["x", "y"]


def test_a_standing_drop_asks_nothing_and_keeps_the_fingerprint_of_its_decision(
    tmp_path: Path,
) -> None:
    edit = "edits:\n  - {id: x, at: final / COPY, drop: true, why: none}\n"
    changed = DOCKERFILE.replace("/opt/app /opt/app", "/opt/app /srv/app")
    demo, _ = moved(tmp_path, changed, edit)
    old = demo.json(LOCK)["edits"]
    assert demo.run("rebase", "--target", "app").exit_code == 0
    assert demo.json(LOCK)["edits"] == old


def test_a_script_that_a_replaced_run_calls_is_a_part_of_what_was_decided(tmp_path: Path) -> None:
    text = DOCKERFILE + "RUN bash tools/x.sh\n"
    head = "edits:\n  - {id: x, at: final / RUN / x.sh, why: w, "
    verbs = {
        "scope: instruction, replace: RUN echo 1": ["MS220"],
        "replace: echo 1": ["MS220"],
        "drop: true": [],
    }
    for number, (verb, codes) in enumerate(verbs.items()):
        upstream = {"tools/x.sh": "echo 1\n"}
        demo = make(tmp_path / str(number), text, f"{head}{verb}}}\n", upstream=upstream)
        assert demo.run("rebase", "--target", "app").exit_code == 0
        demo.track("2.2", {"tools/x.sh": "echo 2\n"})
        assert demo.run("rebase", "--target", "app").codes == codes


# --- the old result stays ---


def damage_a_blob(demo: Demo) -> None:
    name = demo.snapshot.lock.files["docker/Dockerfile"]
    (Blobs(demo.cache / "blobs").folder / name[:2] / name[2:]).write_bytes(b"other")


def upstream(text: str | bytes) -> Callable[[Demo], object]:
    return lambda demo: demo.track("2.1", {"docker/Dockerfile": text})


def written(path: str, text: str) -> Callable[[Demo], object]:
    return lambda demo: demo.write(path, text)


OVERLAY = "overlays/app/overlay.yaml"
ENDLESS = '{id: x, at: "@ship", end: "{% for a in range(99999) %}{% endfor %}", why: w}'
BROKEN = {
    "package": upstream(DOCKERFILE.replace("make\n", "libnobody9\n", 1)),
    "upstream": upstream(b"\x00\x01"),
    "yaml": written(OVERLAY, HEAD + "edits: [{id: x\n"),
    "key": written(OVERLAY, HEAD + "nonsense: 1\n"),
    "template": written(OVERLAY, f"{HEAD}edits:\n  - {ENDLESS}\n"),
    "range": written(OVERLAY, HEAD.replace(">=2", ">=3")),
    "lock": written(LOCK, "<<<<<<< ours\n"),
    "upstream lock": written("upstream/demo.lock.json", '{"midstream": 1, "proj'),
    "untracked": lambda demo: demo.path("upstream/demo.lock.json").unlink(),
    "blob": damage_a_blob,
    "tables": written("overlays/_shared/packages.yaml", "curl: {rmp: curl}\n"),
}


@pytest.mark.parametrize(
    ("how", "exit_code", "codes"),
    [
        ("package", Exit.FINDINGS, ["MS203"]),
        ("upstream", Exit.FINDINGS, ["MS101"]),
        ("yaml", Exit.USAGE, ["MS501"]),
        ("key", Exit.USAGE, ["MS502"]),
        ("template", Exit.USAGE, ["MS533"]),
        ("range", Exit.USAGE, ["MS510"]),
        ("lock", Exit.USAGE, ["MS550"]),
        ("upstream lock", Exit.USAGE, ["MS550"]),
        ("untracked", Exit.USAGE, []),
        ("blob", Exit.INTEGRITY, []),
        ("tables", Exit.USAGE, ["MS570", "MS502"]),
    ],
)
def test_the_old_result_stays_whatever_goes_wrong(
    tmp_path: Path, how: str, exit_code: Exit, codes: list[str]
) -> None:
    demo = make(tmp_path)
    demo.run("rebase", "--target", "app")
    before = {path: data for path, data in demo.outputs().items() if path.startswith("rendered")}
    BROKEN[how](demo)
    ran = demo.run("rebase", "--target", "app")
    assert ran.exit_code == exit_code, ran.stderr
    assert [code for code in ran.codes if code != "MS307"] == codes
    assert "Traceback" not in ran.stderr
    assert before.items() <= demo.outputs().items()
    assert [path for path in demo.outputs() if "lock" not in path] == list(before)


PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1


def as_an_ordinary_user() -> None:
    """Root may write anywhere; without this right it is held to a folder's mode."""
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)


def test_a_folder_that_can_not_be_written_to_leaves_all_as_it_was(tmp_path: Path) -> None:
    demo = make(tmp_path)
    demo.run("rebase", "--target", "app")
    before = demo.outputs()
    demo.write("overlays/app/overlay.yaml", HEAD + COPY_EDIT)
    folder = demo.path("rendered/demo")
    folder.chmod(0o555)
    try:
        ran = demo.run_apart("rebase", "--target", "app", before=as_an_ordinary_user)
    finally:
        folder.chmod(0o755)
    assert ran.exit_code == Exit.OUTSIDE, ran.stderr
    assert "can't write" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert demo.outputs() == before


@pytest.mark.parametrize("which", [0, 1, -1])
def test_a_full_disk_leaves_all_as_it_was(tmp_path: Path, which: int) -> None:
    demo = make(tmp_path)
    demo.run("rebase", "--target", "app")
    before = demo.outputs()
    size = sorted(map(len, before.values()))[which] - 1  # room for none, for some, for all but one
    demo.write("overlays/app/overlay.yaml", HEAD + COPY_EDIT)

    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    ran = demo.run_apart("rebase", "--target", "app", before=fill)
    assert ran.exit_code == Exit.OUTSIDE, ran.stderr
    assert "can't write" in ran.stderr
    assert demo.outputs() == before
    assert not [path for path in demo.path("rendered/demo").iterdir() if path.name.startswith(".")]


def test_a_result_is_written_over_a_cache_that_can_not_be(tmp_path: Path) -> None:
    demo = make(tmp_path)
    demo.run("rebase", "--target", "app")
    proofs = list((demo.cache / "proofs").iterdir())
    assert proofs
    for proof in proofs:
        proof.unlink()
    (demo.cache / "proofs").rmdir()
    (demo.cache / "proofs").write_text("no folder")
    assert demo.run("rebase", "--target", "app").exit_code == Exit.OUTSIDE
