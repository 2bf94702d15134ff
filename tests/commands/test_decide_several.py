"""One person's answer to what several targets ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from commands.terminal import on_a_terminal
from demo import HEAD, make
from midstream.adapters.process import check, run

if TYPE_CHECKING:
    from pathlib import Path

    from demo import Demo

REVIEW = 'review: [{at: "@ship / ENV,ENTRYPOINT,CMD"}]\n'
EDIT = "- {id: fast, at: '* / RUN / make install', replace: make fast, why: ours is faster}\n"
TEXT = """\
FROM ubuntu:22.04 AS build
RUN make install

FROM ubuntu:22.04 AS final
COPY --from=build /opt/app /opt/app
ENTRYPOINT ["/opt/app/run"]
"""


@pytest.fixture(autouse=True)
def _somebody() -> None:
    check(run("git", "config", "--global", "user.name", "Ada"))


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    """Two targets that share an edit, in Dockerfiles whose stages have other names."""
    other = TEXT.replace("final", "server")
    found = make(tmp_path, TEXT, upstream={"docker/Dockerfile.base": other})
    found.write("overlays/_ours/shared.yaml", f"edits:\n  {EDIT}{REVIEW}")
    extends = "extends: _ours/shared.yaml\n"
    found.write("overlays/app/overlay.yaml", HEAD + extends)
    base = HEAD.replace("target: app", "target: base").replace("stage: final", "stage: server")
    base = base.replace("demo/app}", "demo/base}")
    found.write("overlays/base/overlay.yaml", base.replace("demo/app,", "demo/base,") + extends)
    assert found.run("rebase", "--all").exit_code == 0
    return found


def upstream(demo: Demo, *changes: tuple[str, str, str]) -> None:
    """Upstream changes its files: the end of a file's name, and what became what."""
    files = {name: demo.files[name].decode() for name in demo.files if "Dockerfile" in name}
    for end, old, new in changes:
        for name in files:
            if name.endswith(end):
                assert old in files[name]
                files[name] = files[name].replace(old, new)
    demo.track("2.2", dict(files))


def answers(demo: Demo, target: str) -> dict[str, str]:
    lock = demo.json(f"overlays/{target}/lock.json")
    return {name: given["answer"] for name, given in lock["answers"].items()}


BOTH = ("", "COPY", "ENV NEW=1\nCOPY")
CARRY = ("--carry", "--why", "harmless")


def test_a_question_names_the_other_targets_that_ask_it_and_what_to_type(demo: Demo) -> None:
    upstream(demo, BOTH)
    for words in (("rebase", "--target", "app"), ("decide", "--target", "app")):
        ran = demo.run(*words)
        assert "  also  base asks the same; for all:\n" in ran.stderr
        assert "midstream decide --all 'final / ENV NEW' --carry or --drop --why …" in ran.stderr


def test_one_answer_goes_to_every_target_that_asks_the_same(demo: Demo) -> None:
    upstream(demo, BOTH)
    ran = demo.run("decide", "--all", "final / ENV NEW", *CARRY)
    assert ran.exit_code == 0
    assert "app: carry final / ENV NEW\nbase: carry server / ENV NEW\n" in ran.stderr
    assert answers(demo, "app") == {"final / ENV NEW": "carry"}
    assert answers(demo, "base") == {"server / ENV NEW": "carry"}
    assert demo.run("rebase", "--all").exit_code == 0


def test_a_single_target_s_answer_is_its_own(demo: Demo) -> None:
    upstream(demo, BOTH)
    assert demo.run("decide", "--target", "app", "final / ENV NEW", *CARRY).exit_code == 0
    assert answers(demo, "base") == {}


def test_an_edit_that_two_targets_share_is_one_question(demo: Demo) -> None:
    upstream(demo, ("", "make install", "make install --strip"))
    words = ("--target", "app", "--target", "base", "fast", "--accept", "--why", "ours strips")
    assert demo.run("decide", *words).exit_code == 0
    assert (answers(demo, "app"), answers(demo, "base")) == ({"fast": "accept"},) * 2


def test_a_target_where_upstream_says_something_else_is_not_answered(demo: Demo) -> None:
    upstream(demo, ("Dockerfile", "COPY", "ENV NEW=1\nCOPY"), (".base", "COPY", "ENV NEW=2\nCOPY"))
    assert "also" not in demo.run("rebase", "--target", "app").stderr
    ran = demo.run("decide", "--all", "final / ENV NEW", *CARRY)
    assert (ran.exit_code, answers(demo, "base")) == (1, {})
    assert ran.stderr.endswith("base: 1 question left\n")
    ran = demo.run("decide", "--target", "app", "--target", "base", "server / ENV NEW", *CARRY)
    assert ran.exit_code == 2
    assert "`app` doesn't ask `server / ENV NEW`" in ran.stderr
    assert "it asks: nothing" in ran.stderr


def test_one_name_for_two_questions_is_refused_and_nothing_written(demo: Demo) -> None:
    upstream(
        demo,
        ("Dockerfile", "make install", "make install --strip"),
        (".base", "make install", "make install --trip"),
    )
    before = demo.outputs()
    ran = demo.run("decide", "--all", "fast", "--accept", "--why", "compared")
    assert ran.exit_code == 2
    assert "`fast` of `base` is another question than that of `app`" in ran.stderr
    assert demo.outputs() == before


def test_a_base_s_repository_is_the_same_only_where_it_is_the_same_one(demo: Demo) -> None:
    upstream(
        demo,
        ("", "FROM ubuntu:22.04 AS build", "ARG B=debian:12\nFROM ${B} AS build"),
        (".base", "debian:12", "fedora:41"),
    )
    ran = demo.run("decide", "--all", "build / FROM", "--accept", "--why", "looked")
    assert "is another question" in ran.stderr


def test_a_target_without_a_lock_asks_nothing(demo: Demo) -> None:
    demo.path("overlays/base/lock.json").unlink()
    upstream(demo, BOTH)
    ran = demo.run("decide", "--all", "final / ENV NEW", *CARRY)
    assert ran.exit_code == 0
    assert "`base` has no lock, so nothing is asked\n" in ran.stderr
    words = ("--target", "app", "--target", "base", "final / ENV NEW", *CARRY)
    assert demo.run("decide", *words).exit_code == 2


def test_a_target_that_cannot_be_rebased_keeps_no_other_from_its_answer(demo: Demo) -> None:
    upstream(demo, BOTH, (".base", "FROM", "FORM"))
    ran = demo.run("decide", "--all", "final / ENV NEW", *CARRY)
    assert ran.exit_code == 1
    assert "can't read docker/Dockerfile.base" in ran.stderr
    assert answers(demo, "app") == {"final / ENV NEW": "carry"}


def test_on_a_terminal_what_several_targets_ask_is_asked_once(demo: Demo) -> None:
    upstream(demo, BOTH, (".base", "COPY", "ENV OTHER=1\nCOPY"))
    code, said = on_a_terminal(demo, ["--all"], "c\nharmless\nd\nnobody needs it\n")
    assert (code, said.count("ENV NEW`, where")) == (0, 1)
    assert answers(demo, "app") == {"final / ENV NEW": "carry"}
    assert answers(demo, "base") == {"server / ENV NEW": "carry", "server / ENV OTHER": "drop"}


def test_without_ids_all_that_is_asked_is_listed(demo: Demo) -> None:
    ran = demo.run("decide", "--all")
    assert (ran.exit_code, "base: nothing is asked" in ran.stderr) == (0, True)
    upstream(demo, BOTH)
    ran = demo.run("decide", "--all")
    assert (ran.exit_code, ran.codes) == (1, ["MS221", "MS221"])
    assert "app: 1 question\n" in ran.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("--all", "--target", "app"),
        ("fast",),
        ("--all", "--merge"),
        ("--target", "app", "--target", "base", "--forget", "fast"),
    ],
)
def test_targets_are_named_or_all_and_one_lock_is_mended_at_a_time(
    demo: Demo, words: tuple[str, ...]
) -> None:
    assert demo.run("decide", *words).exit_code == 2
