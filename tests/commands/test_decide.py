from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import pytest

from commands.terminal import on_a_terminal
from demo import DOCKERFILE, HEAD, make
from midstream.adapters.process import check, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from demo import Demo

BODY = """\
edits:
  - {id: fast, at: build / RUN / make install, replace: "make fast", why: ours is faster}
review: [{at: "@ship / ENV,ENTRYPOINT,CMD"}]
"""
LOCK = "overlays/app/lock.json"


def git(*words: str) -> None:
    check(run("git", *words))


@pytest.fixture(autouse=True)
def _somebody() -> None:
    git("config", "--global", "user.name", "Ada")


def decided(folder: Path) -> Demo:
    """The project, rebased once: everything about it is decided."""
    demo = make(folder, body=BODY, upstream={"docker/Dockerfile.base": "FROM ubuntu:22.04\n"})
    assert demo.run("rebase", "--target", "app").exit_code == 0
    return demo


def upstream(demo: Demo, *changes: tuple[str, str], release: str = "2.2") -> None:
    text = demo.files["docker/Dockerfile"].decode()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    demo.track(release, {"docker/Dockerfile": text})


def test_what_is_carried_moves_on_without_a_question(tmp_path: Path) -> None:
    demo = decided(tmp_path)
    upstream(demo, ("-j 4", "-j 8"), ("MODE=fast", "MODE=faster"), ("# what the", "# all the"))
    ran = demo.run("rebase", "--target", "app")
    assert ran.exit_code == 0
    assert "2 upstream changes: 1 taken, 1 fact moved, 0 set aside, 0 asked" in ran.stderr
    assert "facts in docker/Dockerfile\n       14  MODE  fast -> faster" in ran.stderr
    assert "ENV MODE=faster" in demo.result()


def test_a_replaced_text_that_changed_is_asked_about_and_the_old_result_stays(
    tmp_path: Path,
) -> None:
    demo = decided(tmp_path)
    before = demo.outputs()
    upstream(demo, ("make install", "make install --strip"))
    ran = demo.run("rebase", "--target", "app")
    assert (ran.exit_code, ran.codes) == (1, ["MS220"])
    assert "midstream decide --target app fast --accept --why" in ran.stderr
    assert demo.outputs() == before


def test_an_answer_is_recorded_with_its_reason_and_lets_the_rebase_go_on(tmp_path: Path) -> None:
    demo = decided(tmp_path)
    upstream(demo, ("make install", "make install --strip"))
    ran = demo.run("decide", "--target", "app", "fast", "--accept", "--why", "ours strips too")
    assert ran.exit_code == 0
    given = demo.json(LOCK)["answers"]["fast"]
    assert (given["answer"], given["why"], given["who"]) == ("accept", "ours strips too", "Ada")
    assert given["when"] == demo.date
    assert demo.run("rebase", "--target", "app").exit_code == 0
    assert demo.json(LOCK)["answers"]["fast"] == given
    assert "make fast" in demo.result()


def test_something_new_under_review_is_asked_about(tmp_path: Path) -> None:
    demo = decided(tmp_path)
    upstream(demo, ("ENV MODE=fast\n", "ENV MODE=fast\nENV SECRET=1\n"))
    assert demo.run("rebase", "--target", "app").codes == ["MS221"]
    ran = demo.run("decide", "--target", "app", "final / ENV SECRET", "--drop", "--why", "no")
    assert ran.exit_code == 0
    ran = demo.run("rebase", "--target", "app")
    assert ran.exit_code == 0
    assert "SECRET" not in demo.result()
    assert "1 dropped" in ran.stderr


def test_what_was_dropped_stays_dropped_until_it_says_something_else(tmp_path: Path) -> None:
    demo = decided(tmp_path)
    upstream(demo, ('["/opt/app/run"]', '["/opt/app/run", "--debug"]'))
    demo.run("decide", "--target", "app", "final / ENTRYPOINT", "--drop", "--why", "no debug")
    assert demo.run("rebase", "--target", "app").exit_code == 0
    assert "ENTRYPOINT" not in demo.result()
    upstream(demo, ("-j 4", "-j 9"), release="2.3")
    assert demo.run("rebase", "--target", "app").exit_code == 0
    upstream(demo, ('"--debug"]', '"--trace"]'), release="2.4")
    assert demo.run("rebase", "--target", "app").codes == ["MS221"]


def test_a_reviewed_text_that_only_moved_is_not_asked_about(tmp_path: Path) -> None:
    demo = decided(tmp_path)
    copy, run_it = "COPY --from=build /opt/app /opt/app\n", 'ENTRYPOINT ["/opt/app/run"]\n'
    upstream(demo, (copy + run_it, run_it + copy))
    assert demo.run("rebase", "--target", "app").exit_code == 0


def test_a_new_base_repository_is_asked_about_and_a_new_tag_is_not(tmp_path: Path) -> None:
    demo = decided(tmp_path)
    upstream(demo, ("ubuntu:22.04", "ubuntu:24.04"))
    assert demo.run("rebase", "--target", "app").exit_code == 0
    upstream(demo, ("ubuntu:24.04", "debian:12"), release="2.3")
    ran = demo.run("rebase", "--target", "app")
    assert set(ran.codes) == {"MS221"}
    assert "something new at" not in ran.stderr


def test_a_decision_about_a_text_that_is_gone_expires_visibly(tmp_path: Path) -> None:
    demo = decided(tmp_path)
    upstream(demo, ("ENV MODE=fast\n", "ENV MODE=fast\nENV SECRET=1\n"))
    demo.run("decide", "--target", "app", "final / ENV SECRET", "--drop", "--why", "no")
    upstream(demo, ("ENV SECRET=1\n", ""), release="2.3")
    ran = demo.run("rebase", "--target", "app")
    assert (ran.exit_code, ran.codes) == (0, ["MS222"])
    forgotten = demo.run("decide", "--target", "app", "--forget", "final / ENV SECRET")
    assert forgotten.exit_code == 0
    assert demo.json(LOCK)["answers"] == {}
    assert demo.run("rebase", "--target", "app").codes == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing", "--accept", "--why", "x"], "`nothing` isn't asked"),
        (["fast", "--accept"], "with --why TEXT"),
        (["fast", "--accept", "--why", " "], "with --why TEXT"),
        (["fast", "--why", "x"], "--accept, --carry or --drop"),
        (["fast", "--drop", "--why", "x"], "would need another edit"),
        (["--forget", "fast"], "no answer about `fast`"),
    ],
)
def test_an_answer_that_makes_no_sense_is_refused(
    tmp_path: Path, words: list[str], said: str
) -> None:
    demo = decided(tmp_path)
    upstream(demo, ("make install", "make install --strip"))
    before = demo.path(LOCK).read_bytes()
    ran = demo.run("decide", "--target", "app", *words)
    assert ran.exit_code == 2
    assert said in ran.stderr
    assert demo.path(LOCK).read_bytes() == before


def test_a_new_text_is_carried_or_dropped_and_not_accepted(tmp_path: Path) -> None:
    demo = decided(tmp_path)
    upstream(demo, ("ENV MODE=fast\n", "ENV MODE=fast\nENV SECRET=1\n"))
    ran = demo.run("decide", "--target", "app", "final / ENV SECRET", "--accept", "--why", "x")
    assert ran.exit_code == 2
    assert "takes --carry or --drop, not --accept" in ran.stderr


def test_without_ids_the_questions_are_listed(tmp_path: Path) -> None:
    demo = decided(tmp_path)
    assert demo.run("decide", "--target", "app").exit_code == 0
    upstream(demo, ("make install", "make install --strip"))
    ran = demo.run("decide", "--target", "app")
    assert (ran.exit_code, ran.codes) == (1, ["MS220"])


def test_who_answers_has_to_have_a_name(tmp_path: Path) -> None:
    git("config", "--global", "--unset", "user.name")
    demo = decided(tmp_path)
    upstream(demo, ("make install", "make install --strip"))
    ran = demo.run("decide", "--target", "app", "fast", "--accept", "--why", "x")
    assert ran.exit_code == 2
    assert "git config --global user.name" in ran.stderr


def test_nothing_is_asked_before_the_first_rebase(tmp_path: Path) -> None:
    ran = make(tmp_path, body=BODY).run("decide", "--target", "app", "fast", "--accept")
    assert ran.exit_code == 2
    assert "midstream rebase --target app" in ran.stderr


def test_a_wider_review_of_the_same_text_asks_nothing(tmp_path: Path) -> None:
    demo = make(tmp_path)
    assert demo.run("rebase", "--target", "app").exit_code == 0
    demo.write("overlays/app/overlay.yaml", HEAD + BODY)
    assert demo.run("rebase", "--target", "app").exit_code == 0
    assert "final / ENTRYPOINT" in demo.json(LOCK)["review"]


def test_a_path_that_another_file_took_over_is_asked_about(tmp_path: Path) -> None:
    other = "FROM ubuntu:22.04 AS final\n" + "".join(f"RUN step {n}\n" for n in range(9))
    demo = make(tmp_path, upstream={"docker/Dockerfile.old": other})
    assert demo.run("rebase", "--target", "app").exit_code == 0
    demo.track("2.1", {})
    demo.remember()
    new = other.replace("step 8", "step 9")
    demo.track("2.2", {"docker/Dockerfile": new, "docker/Dockerfile.old": DOCKERFILE})
    ran = demo.run("rebase", "--target", "app")
    assert "MS223" in ran.codes
    assert "resembles what `docker/Dockerfile.old` was" in ran.stderr
    assert "what it resembles, with 1 instruction changed: docker/Dockerfile.old:1:1" in ran.stderr
    assert "  then  docker/Dockerfile.old:1\n  now   docker/Dockerfile:1\n" in ran.stderr
    assert "\n    -RUN step 8\n    +RUN step 9\n" in ran.stderr
    done = demo.run("decide", "--target", "app", "@file", "--accept", "--why", "swapped upstream")
    assert done.exit_code == 0
    assert demo.run("rebase", "--target", "app").exit_code == 0


def test_a_fact_that_went_with_a_swapped_file_is_said_to(tmp_path: Path) -> None:
    other = "FROM ubuntu:22.04 AS final\n" + "".join(f"RUN step {n}\n" for n in range(9))
    facts = "facts: [{name: MODE, from: docker/Dockerfile, regex: 'ENV MODE=(.+)'}]\n"
    demo = make(tmp_path, body=facts, upstream={"docker/Dockerfile.old": other})
    assert demo.run("rebase", "--target", "app").exit_code == 0
    demo.track("2.1", {})
    demo.remember()
    demo.track("2.2", {"docker/Dockerfile": other, "docker/Dockerfile.old": DOCKERFILE})
    ran = demo.run("rebase", "--target", "app")
    assert (ran.exit_code, ran.codes) == (2, ["MS223", "MS534"])


# --- edits that find nothing ---


def test_an_edit_that_finds_nothing_says_what_its_target_became(tmp_path: Path) -> None:
    demo = decided(tmp_path)
    upstream(demo, ("make install", "ninja install"))
    ran = demo.run("rebase", "--target", "app")
    assert "MS520" in ran.codes
    assert "what it was about (line 8 then) was edited, now line 8, 50% alike" in ran.stderr
    assert "at: build / RUN / ninja install" in ran.stderr


def test_a_target_in_a_renamed_stage_is_found_there(tmp_path: Path) -> None:
    demo = decided(tmp_path)
    upstream(demo, ("AS build", "AS compile"), ("--from=build", "--from=compile"))
    ran = demo.run("rebase", "--target", "app")
    assert "is in `compile`, since `build` is no more" in ran.stderr
    assert "at: compile / RUN / make install" in ran.stderr


def test_a_target_that_is_gone_is_said_to_be_gone(tmp_path: Path) -> None:
    demo = decided(tmp_path)
    upstream(demo, ("RUN make -j 4 all \\\n    && make install\n", ""))
    assert "(line 8 then) is gone" in demo.run("rebase", "--target", "app").stderr


def test_an_edit_that_upstream_has_made_itself_is_redundant(tmp_path: Path) -> None:
    body = "edits:\n  - {id: m, at: final / ENV / MODE, set: slow, why: w}\n"
    demo = make(tmp_path, body=body)
    assert demo.run("rebase", "--target", "app").exit_code == 0
    upstream(demo, ("MODE=fast", "MODE=slow"))
    ran = demo.run("rebase", "--target", "app")
    assert (ran.exit_code, ran.codes) == (0, ["MS526"])


def test_a_drop_whose_text_is_gone_is_dead(tmp_path: Path) -> None:
    body = "edits:\n  - {id: m, at: final / ENV / MODE, drop: true, why: w}\n"
    demo = make(tmp_path, body=body)
    assert demo.run("rebase", "--target", "app").exit_code == 0
    upstream(demo, ("ENV MODE=fast\n", ""))
    ran = demo.run("rebase", "--target", "app")
    assert (ran.exit_code, ran.codes) == (0, ["MS527"])


# --- two people ---


def branch(demo: Demo, name: str, *answer: str) -> None:
    tree = ["-C", str(demo.path("."))]
    git(*tree, "checkout", "-q", "-b", name, "main")
    assert demo.run("decide", "--target", "app", *answer).exit_code in (0, 1)
    git(*tree, "commit", "-qam", name)


def two_branches(folder: Path, first: list[str], second: list[str]) -> tuple[Demo, int]:
    """Two people answer on two branches; what `git merge` ends with."""
    demo = decided(folder)
    upstream(demo, ("make install", "make install --strip"), ("MODE=fast", "MODE=fast ZZ=1"))
    tree = ["-C", str(demo.path("."))]
    git("config", "--global", "user.email", "ada@example.org")
    git(*tree, "init", "-q", "-b", "main")
    git(*tree, "add", ".")
    git(*tree, "commit", "-qm", "start")
    branch(demo, "one", *first)
    branch(demo, "two", *second)
    return demo, run("git", *tree, "merge", "-q", "one").exit_code


FAST = ["fast", "--accept", "--why", "compared"]
NEW = ["final / ENV MODE ZZ", "--carry", "--why", "harmless"]


def test_two_people_s_answers_are_both_there_after_a_merge(tmp_path: Path) -> None:
    demo, conflict = two_branches(tmp_path, FAST, NEW)
    if conflict:
        ran = demo.run("rebase", "--target", "app")
        assert ran.exit_code == 2
        assert "--merge" in ran.stderr
        assert demo.run("decide", "--target", "app", "--merge").exit_code == 0
    assert demo.json(LOCK)["answers"].keys() == {"fast", "final / ENV MODE ZZ"}
    assert demo.run("rebase", "--target", "app").exit_code == 0


def test_two_different_answers_to_one_question_are_not_settled_by_chance(tmp_path: Path) -> None:
    drop = ["final / ENV MODE ZZ", "--drop", "--why", "not wanted"]
    demo, conflict = two_branches(tmp_path, NEW, drop)
    assert conflict
    before = demo.path(LOCK).read_bytes()
    ran = demo.run("decide", "--target", "app", "--merge")
    assert ran.exit_code == 2
    assert "carry by Ada (harmless)" in ran.stderr
    assert "drop by Ada (not wanted)" in ran.stderr
    assert demo.path(LOCK).read_bytes() == before


def test_there_has_to_be_something_to_merge(tmp_path: Path) -> None:
    assert decided(tmp_path).run("decide", "--target", "app", "--merge").exit_code == 2


def test_a_new_range_is_asked_about_what_upstream_changed_since_the_one_before(
    tmp_path: Path,
) -> None:
    demo = decided(tmp_path)
    demo.write("overlays/app/overlay.yaml", HEAD.replace('">=2"', '">=2,<3"') + BODY)
    demo.write("overlays/app/3/overlay.yaml", HEAD.replace('">=2"', '">=3"') + BODY)
    upstream(demo, ("MODE=fast", "MODE=fast\nENV EXTRA=1"), release="3.0")
    ran = demo.run("rebase", "--target", "app")
    assert (ran.exit_code, ran.codes) == (1, ["MS221"])
    assert "1 upstream change: 0 taken, 0 facts moved, 0 set aside, 1 asked" in ran.stderr
    words = ("--target", "app", "final / ENV EXTRA", "--drop", "--why", "not here")
    assert demo.run("decide", *words).exit_code == 0
    assert demo.run("rebase", "--target", "app").exit_code == 0
    assert "EXTRA" not in demo.result()
    assert demo.json("overlays/app/3/lock.json")["upstream"]["release"] == "3.0"
    assert demo.json(LOCK)["upstream"]["release"] == "2.1"


def test_an_older_release_is_not_compared_with_the_lock_of_a_later_range(tmp_path: Path) -> None:
    demo = decided(tmp_path)
    demo.write("overlays/app/1/overlay.yaml", HEAD.replace('">=2"', '"<2"') + BODY)
    upstream(demo, ("MODE=fast", "MODE=fast\nENV EXTRA=1"), release="1.9")
    assert demo.run("rebase", "--target", "app").exit_code == 0


def test_a_name_that_another_stage_sets_now_was_decided_about(tmp_path: Path) -> None:
    demo = decided(tmp_path)
    demo.write("overlays/app/overlay.yaml", HEAD + BODY.replace("@ship /", "@ship-lineage /"))
    moved = ("FROM ${BASE} AS final\nENV MODE=fast", "FROM ${BASE} AS common\nENV MODE=fast\n\n")
    upstream(demo, (moved[0], f"{moved[1]}FROM common AS final"))
    assert demo.run("rebase", "--target", "app").exit_code == 0
    upstream(demo, ("AS final", "AS final\nENV MODE=slow"), release="2.3")
    assert demo.run("rebase", "--target", "app").codes == ["MS221"]  # set in both: look at it


# --- a question on one screen ---


def test_a_question_shows_both_texts_their_places_and_what_the_edit_does(tmp_path: Path) -> None:
    demo = decided(tmp_path)
    upstream(demo, ("# what the build needs\n", "\n"), ("make install", "make install --strip"))
    for words in (("rebase", "--target", "app"), ("decide", "--target", "app")):
        ran = demo.run(*words)
        assert ran.exit_code == 1
        assert (
            "  then  docker/Dockerfile:8\n"
            "  now   docker/Dockerfile:8\n"
            "    -make install\n"
            "    +make install --strip\n"
            "  here  overlays/app/overlay.yaml:12: ours is faster\n"
            "    | {id: fast, at: build / RUN / make install, replace: "
        ) in ran.stderr


def test_something_new_is_shown_with_the_comment_that_says_why_it_is_there(tmp_path: Path) -> None:
    demo = decided(tmp_path)
    upstream(demo, ("ENV MODE=fast\n", "ENV MODE=fast\n# for the tests\nENV SECRET=1\n"))
    ran = demo.run("rebase", "--target", "app")
    assert "  then  nothing\n  now   docker/Dockerfile:16\n    +# for the tests\n" in ran.stderr
    assert 'here  overlays/app/overlay.yaml:13\n    | "@ship / ENV,ENTRYPOINT,CMD"' in ran.stderr


def test_what_went_is_shown_as_it_was(tmp_path: Path) -> None:
    demo = decided(tmp_path)
    upstream(demo, ('ENTRYPOINT ["/opt/app/run"]\n', ""))
    ran = demo.run("rebase", "--target", "app")
    assert '  now   nothing\n    -ENTRYPOINT ["/opt/app/run"]\n' in ran.stderr


def test_the_answer_before_is_shown_with_the_next_question(tmp_path: Path) -> None:
    demo = decided(tmp_path)
    upstream(demo, ("make install", "make install --strip"))
    demo.run("decide", "--target", "app", "fast", "--accept", "--why", "ours strips too")
    demo.run("rebase", "--target", "app")
    upstream(demo, ("--strip", "--trip"), release="2.3")
    said = f"last  accept by Ada, {demo.date[:10]}: ours strips too"
    assert said in demo.run("rebase", "--target", "app").stderr


def test_a_file_of_ours_is_asked_about_with_what_changed_in_upstreams(tmp_path: Path) -> None:
    body = "files: {tools/x.sh: {with: x.j2, why: ours needs no apt}}\n"
    dockerfile = DOCKERFILE.replace(
        "RUN make -j 4", "COPY tools/x.sh /x.sh\nRUN /x.sh && make -j 4"
    )
    demo = make(
        tmp_path, dockerfile, body, upstream={"tools/x.sh": "echo a\necho b\n"}, app__x_j2="echo\n"
    )
    assert demo.run("rebase", "--target", "app").exit_code == 0
    demo.track("2.2", {"tools/x.sh": "echo a\necho c\n"})
    ran = demo.run("rebase", "--target", "app")
    assert "  then  tools/x.sh:1\n  now   tools/x.sh:1\n     echo a\n    -echo b\n" in ran.stderr
    assert "ours needs no apt" in ran.stderr


def test_json_says_what_a_question_takes_and_is_about(tmp_path: Path) -> None:
    demo = decided(tmp_path)
    upstream(demo, ("make install", "make install --strip"))
    ran = demo.run("--json", "rebase", "--target", "app", "--check")
    (asked,) = json.loads(ran.stdout)["targets"][0]["asked"]
    assert (asked["id"], asked["takes"], asked["why"]) == ("fast", ["accept"], "ours is faster")
    assert [each["text"] for each in asked["then"] + asked["now"]] == [
        "make install", "make install --strip"
    ]  # fmt: skip


def test_a_long_difference_is_cut_and_says_so(tmp_path: Path) -> None:
    demo = decided(tmp_path)
    more = "\n".join(f"    # line {n}" for n in range(60))
    upstream(demo, ("&& make install", f"&& make install \\\n{more}\n    --strip"))
    ran = demo.run("rebase", "--target", "app")
    assert "lines more" in ran.stderr


def test_the_difference_is_shown_while_a_question_is_open(tmp_path: Path) -> None:
    demo = decided(tmp_path)
    before = demo.outputs()
    upstream(demo, ("make install", "make install --strip"), ("MODE=fast", "MODE=faster"))
    ran = demo.run("rebase", "--target", "app", "--diff")
    assert ran.exit_code == 1
    assert "-ENV MODE=fast\n+ENV MODE=faster\n" in ran.stdout
    assert demo.outputs() == before


def test_on_a_terminal_each_question_is_asked_and_one_can_be_left_open(tmp_path: Path) -> None:
    demo = decided(tmp_path)
    upstream(demo, ("make install", "make install --strip"), ("MODE=fast", "MODE=fast\nENV NEW=1"))
    code, said = on_a_terminal(demo, ["--target", "app"], "s\nx\nd\nnobody needs it\n")
    assert code == 1
    assert "+make install --strip" in said
    assert "1 question left" in said
    answers = demo.json(LOCK)["answers"]
    assert {name: each["answer"] for name, each in answers.items()} == {"final / ENV NEW": "drop"}
    code, said = on_a_terminal(demo, ["--target", "app"], "a\nours strips too\n")
    assert (code, "now run: midstream rebase --target app" in said) == (0, True)
    assert demo.run("rebase", "--target", "app").exit_code == 0


def test_who_breaks_off_has_lost_no_answer(tmp_path: Path) -> None:
    demo = decided(tmp_path)
    upstream(demo, ("make install", "make install --strip"), ("MODE=fast", "MODE=fast\nENV NEW=1"))
    code, _ = on_a_terminal(demo, ["--target", "app"], "a\nours strips too\n", breaks_off=True)
    assert code in (130, -signal.SIGINT)
    assert list(demo.json(LOCK)["answers"]) == ["fast"]


# --- a lock that isn't as it was written ---


def edited_lock(demo: Demo, change: Callable[[dict[str, Any]], object]) -> None:
    content = demo.json(LOCK)
    change(content)
    demo.write(LOCK, json.dumps(content, indent=1) + "\n")


def test_a_fingerprint_that_was_taken_out_by_hand_is_said_and_asked_about(tmp_path: Path) -> None:
    demo = decided(tmp_path)
    edited_lock(demo, lambda lock: lock["edits"].clear())
    upstream(demo, ("make install", "make install --strip"))
    ran = demo.run("rebase", "--target", "app")
    assert (ran.exit_code, ran.codes) == (1, ["MS224"])
    assert "its entries don't fit its seal; `fast` has no fingerprint in it" in ran.stderr
    assert "git checkout -- overlays/app/lock.json" in ran.stderr


@pytest.mark.parametrize(
    "change",
    [
        lambda lock: lock["edits"].update(fast="0123456789abcdef"),
        lambda lock: lock["review"].pop("final / ENTRYPOINT"),
        lambda lock: lock["upstream"].update(blob="0" * 40),
        lambda lock: lock.update(seal="0123456789abcdef"),
    ],
    ids=["edits", "review", "upstream", "seal"],
)  # fmt: skip
def test_any_change_of_a_lock_by_hand_is_said_until_it_is_accepted(
    tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    demo = decided(tmp_path)
    edited_lock(demo, change)
    assert "MS224" in demo.run("rebase", "--target", "app").codes
    ran = demo.run("decide", "--target", "app", "@lock", "--accept", "--why", "a bad merge")
    assert "MS224" not in demo.run("rebase", "--target", "app").codes, ran.stderr
    assert demo.json(LOCK)["answers"]["@lock"]["why"] == "a bad merge"


def test_an_answer_to_something_else_doesnt_hide_that_a_lock_was_edited(tmp_path: Path) -> None:
    demo = decided(tmp_path)
    upstream(demo, ("make install", "make install --strip"), ("MODE=fast", "MODE=fast\nENV NEW=1"))
    edited_lock(demo, lambda lock: lock["edits"].clear())
    demo.run("decide", "--target", "app", "final / ENV NEW", "--carry", "--why", "fine")
    assert demo.run("rebase", "--target", "app").codes == ["MS224"]


def test_reasons_may_be_mended_by_hand(tmp_path: Path) -> None:
    demo = decided(tmp_path)
    upstream(demo, ("make install", "make install --strip"))
    demo.run("decide", "--target", "app", "fast", "--accept", "--why", "ours strips to")
    edited_lock(demo, lambda lock: lock["answers"]["fast"].update(why="ours strips too"))
    ran = demo.run("rebase", "--target", "app")
    assert (ran.exit_code, ran.codes) == (0, [])
    assert demo.json(LOCK)["answers"]["fast"]["why"] == "ours strips too"


def test_a_lock_without_a_seal_is_said_and_gets_one(tmp_path: Path) -> None:
    demo = decided(tmp_path)
    edited_lock(demo, lambda lock: lock.pop("seal"))
    ran = demo.run("rebase", "--target", "app")
    assert (ran.exit_code, ran.codes) == (0, ["MS224"])
    assert demo.run("rebase", "--target", "app").codes == []


def test_of_two_answers_the_one_about_the_newer_upstream_counts_in_a_merge(tmp_path: Path) -> None:
    demo = decided(tmp_path)
    upstream(demo, ("make install", "make install --strip"))
    demo.run("decide", "--target", "app", "fast", "--accept", "--why", "first")
    first = demo.path(LOCK).read_text()
    demo.date = "2026-07-01T00:00:00Z"
    upstream(demo, ("--strip", "--trip"), release="2.3")
    demo.run("decide", "--target", "app", "fast", "--accept", "--why", "second")
    second = demo.path(LOCK).read_text()
    for ours, theirs in ((first, second), (second, first)):
        demo.write(LOCK, f"<<<<<<< a\n{ours}=======\n{theirs}>>>>>>> b\n")
        assert demo.run("decide", "--target", "app", "--merge").exit_code == 0
        assert demo.json(LOCK)["answers"]["fast"]["why"] == "second"
        ran = demo.run("rebase", "--target", "app", "--check")
        assert "MS220" not in ran.codes, ran.stderr
