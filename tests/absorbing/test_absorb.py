"""What a person made of a result becomes edits that give it; or nothing is written, and it is said
why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from absorbing.hand import edited_by
from demo import HEAD, make
from midstream.absorbing.hunks import comments_only_in, texts_of
from midstream.dockerfile.scan import parse
from midstream.errors import Exit
from midstream.source import Source

if TYPE_CHECKING:
    from pathlib import Path

    from demo import Demo

RESULT = "rendered/demo/Dockerfile.app.ubi"
OVERLAY = "overlays/app/overlay.yaml"
UPSTREAM = """\
ARG BASE=ubuntu:22.04
ARG MODE=fast
FROM ${BASE} AS build
# what the build needs
RUN apt-get update && apt-get install -y git make
RUN ./configure --jobs 4 --prefix /opt/app && make all \\
    && make install && rm -rf /tmp/x
FROM ${BASE} AS final
ARG MODE
ENV MODE=${MODE} \\
    LEVEL="3"
COPY --from=build /opt/app /opt/app
# the app
WORKDIR /opt/app
ENTRYPOINT ["/opt/app/run", "--serve"]
"""
SHIP = "ship: {stage: final, args: {MODE: {value: slow, why: ours}}}"
ENDS = """\
edits:
  - {id: user, at: "@ship", end: user.j2, why: nobody runs as root}
"""


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    head = HEAD.replace("ship: {stage: final}", SHIP)
    demo = make(tmp_path, UPSTREAM, ENDS, head=head, app__user_j2="RUN useradd app\nUSER 2000\n")
    ran = demo.run("rebase", "--target", "app")
    assert ran.exit_code == 0, ran.stderr
    return demo


def absorb(demo: Demo, old: str, new: str) -> str:
    """Edit the result, absorb that, and see that it stays. What was added to the overlay."""
    before = demo.path(OVERLAY).read_text()
    text = edited_by(demo, old, new)
    ran = demo.run("absorb", "--target", "app", "--why", "a test")
    assert ran.exit_code == 0, ran.stderr
    made, wanted = parse(Source("a", demo.result())), parse(Source("b", text))
    assert texts_of(made) == texts_of(wanted)
    assert comments_only_in(wanted, made) == []
    assert demo.run("rebase", "--target", "app", "--check").exit_code == 0
    after = demo.path(OVERLAY).read_text()
    assert after.startswith(before)
    return after.removeprefix(before)


@pytest.mark.parametrize(
    ("old", "new", "edit"),
    [
        ('LEVEL="3"', 'LEVEL="4"', """at: final / ENV / LEVEL\n    set: '"4"'\n"""),
        ("WORKDIR /opt/app", "WORKDIR /srv", "at: final / WORKDIR\n    set: /srv\n"),
        ('["/opt/app/run", "--serve"]', '["/run"]', "set: '[\"/run\"]'\n"),
        ("--jobs 4", "--jobs 8", "swap: [--jobs 4, --jobs 8]\n"),
        ("/opt/app && make all", "/opt/app -v && make all", "swap: [/opt/app, /opt/app -v]\n"),
        (" && rm -rf /tmp/x", "", "at: build / RUN / rm -rf\n    drop: true\n"),
        ("git make", "git make gcc", "replace: dnf install -y --nodocs git make gcc\n"),
        (
            "&& make install", "&& make test && make install",
            "at: build / RUN / make install\n    replace: make test && make install\n",
        ),
        ("WORKDIR /opt/app\n", "", "at: final / WORKDIR\n    scope: instruction\n    drop: true\n"),
        (
            "WORKDIR /opt/app\n", "WORKDIR /opt/app\n# more\nENV A=1 B=2\nRUN x\n",
            "after: |\n      # more\n      ENV A=1 B=2\n      RUN x\n",
        ),
        ("WORKDIR /opt/app", "# here\nWORKDIR /opt/app", "before: |\n      # here\n"),
        (
            "WORKDIR /opt/app", "RUN mkdir /srv\nCMD a",
            "scope: instruction\n    replace: |\n      RUN mkdir /srv\n      CMD a\n",
        ),
        ("COPY --from=build /opt/app /opt/app", "COPY --from=build /opt /opt", "set: /opt /opt\n"),
        ("--from=build /opt/app", "--from=build --chown=7 /opt/app", "COPY --from=build --chown=7"),
        ("USER 2000\n", "USER 2000\nSTOPSIGNAL 9\n", "at: final\n    end: |\n      STOPSIGNAL 9\n"),
        ("&& make install", "&& echo ${#A} {{ b }} && make install", "{% raw %}echo ${#A} {{ b }}"),
    ],
)  # fmt: skip
def test_a_change_becomes_the_edit_that_takes_least(
    demo: Demo, old: str, new: str, edit: str
) -> None:
    added = absorb(demo, old, new)
    assert edit in added
    assert added.count("- id: ") == 1
    assert "why: a test" in added


def test_several_changes_become_edits_with_names_of_their_own(demo: Demo) -> None:
    demo.write(OVERLAY, demo.path(OVERLAY).read_text().replace("id: user", "id: absorbed-2"))
    assert demo.run("rebase", "--target", "app").exit_code == 0
    text = demo.result()
    new = text.replace("--jobs 4", "--jobs 8").replace("WORKDIR /opt/app\n", "")
    added = absorb(demo, text, new.replace("# the app", "# our app"))
    names = [line.split()[-1] for line in added.splitlines() if "- id:" in line]
    assert names == ["absorbed-1", "absorbed-3", "absorbed-4"]
    assert "# the app\n# our app\n" in demo.result()


def test_what_stays_of_upstreams_comments_is_said(demo: Demo) -> None:
    edited_by(demo, "# the app\nWORKDIR /opt/app\n", "")
    ran = demo.run("absorb", "--target", "app", "--why", "a test")
    assert (ran.exit_code, "upstream's comment stays: # the app" in ran.stderr) == (0, True)


def test_nothing_edited_is_nothing_done(demo: Demo) -> None:
    before = demo.outputs()
    ran = demo.run("absorb", "--target", "app", "--why", "x")
    assert (ran.exit_code, ran.stdout) == (0, "")
    assert "app: nothing was edited by hand" in ran.stderr
    assert demo.outputs() == before


# --- what can't be absorbed ---


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        ("USER 2000", "USER 3000", "MS266", f"{OVERLAY}:"),
        ("ARG MODE=slow", "ARG MODE=other", "MS266", f"{OVERLAY}:"),
        ("make install", "apt-get install x", "MS350", "what was edited doesn't hold: 1 error"),
        ("make install", "make 'install", "MS261", "what was edited doesn't hold: 1 error"),
        ("USER 2000", "USR 2000", "MS1", "what was edited can't be read"),
    ],
)
def test_what_can_not_become_an_edit_is_shown_and_nothing_is_written(
    demo: Demo, old: str, new: str, code: str, said: str
) -> None:
    edited_by(demo, old, new)
    before, overlay = demo.outputs(), demo.path(OVERLAY).read_bytes()
    ran = demo.run("absorb", "--target", "app", "--why", "x")
    assert ran.exit_code == Exit.REFUSED
    assert said in ran.stderr
    assert any(each.startswith(code) for each in ran.codes), ran.stderr
    assert (demo.outputs(), demo.path(OVERLAY).read_bytes()) == (before, overlay)


@pytest.mark.parametrize("what", ["overlay", "upstream"])
def test_what_moved_meanwhile_is_not_taken_for_an_edit(demo: Demo, what: str) -> None:
    edited_by(demo, "--jobs 4", "--jobs 8")
    if what == "overlay":
        demo.write("overlays/app/user.j2", "USER 3000\n")
    else:
        demo.track("2.2", {"docker/Dockerfile": UPSTREAM.replace("make all", "make most")})
    ran = demo.run("absorb", "--target", "app", "--why", "x")
    assert ran.exit_code == Exit.REFUSED
    assert "the overlay or upstream has moved since" in ran.stderr


def test_of_two_arguments_with_one_reason_the_one_that_was_changed_is_named(tmp_path: Path) -> None:
    args = (
        "ship:\n  stage: final\n  args:\n"
        "    BASE: {value: 'registry.access.redhat.com/ubi9/ubi:9.6', why: ours}\n"
        "    MODE: {value: slow, why: ours}"
    )
    demo = make(tmp_path, UPSTREAM, head=HEAD.replace("ship: {stage: final}", args))
    assert demo.run("rebase", "--target", "app").exit_code == 0
    edited_by(demo, "ARG MODE=slow", "ARG MODE=other")
    ran = demo.run("absorb", "--target", "app", "--why", "x")
    line = (
        demo.path(OVERLAY).read_text()[: demo.path(OVERLAY).read_text().index("MODE:")].count("\n")
    )
    assert (ran.exit_code, f"at {OVERLAY}:{line + 1}" in ran.stderr) == (Exit.REFUSED, True)


def test_a_result_that_is_not_there_is_no_edit(demo: Demo) -> None:
    demo.path(RESULT).unlink()
    ran = demo.run("absorb", "--target", "app", "--why", "x")
    assert (ran.exit_code, "run: midstream rebase --target app" in ran.stderr) == (2, True)


def test_a_templates_result_is_the_templates(tmp_path: Path) -> None:
    demo = make(
        tmp_path, "FROM ubuntu:22.04 AS final\nCMD a\n",
        "template: Dockerfile.j2\nedits:\n"
        "  - {id: f, at: final / FROM, drop: true, scope: instruction, why: ours}\n"
        "  - {id: c, at: final / CMD, drop: true, scope: instruction, why: ours}\n",
        app__Dockerfile_j2="FROM registry.access.redhat.com/ubi9/ubi:9.6 AS final\nCMD b\n",
    )  # fmt: skip
    assert demo.run("rebase", "--target", "app").exit_code == 0
    edited_by(demo, "CMD b", "CMD c")
    ran = demo.run("absorb", "--target", "app", "--why", "x")
    assert ran.exit_code == Exit.REFUSED
    assert "make the change in overlays/app/Dockerfile.j2" in ran.stderr


# --- our own files ---


def with_file(tmp_path: Path, name: str = "x.sh") -> Demo:
    demo = make(
        tmp_path, f"{UPSTREAM}COPY tools/x.sh /x.sh\n",
        f"files: {{tools/x.sh: {{with: {name}, why: ours}}}}\n",
        upstream={"tools/x.sh": "apt-get install x\n"}, **{f"app__{name}": "echo ours\n"},
    )  # fmt: skip
    assert demo.run("rebase", "--target", "app").exit_code == 0
    demo.write("rendered/demo/app.files/tools/x.sh", "echo theirs\n")
    return demo


def test_a_file_of_ours_goes_back_to_where_it_came_from(tmp_path: Path) -> None:
    demo = with_file(tmp_path)
    assert demo.run("absorb", "--target", "app", "--why", "x").exit_code == 0
    assert demo.path("overlays/app/x.sh").read_text() == "echo theirs\n"
    assert demo.run("rebase", "--target", "app", "--check").exit_code == 0


def test_a_file_that_is_made_from_a_template_is_not(tmp_path: Path) -> None:
    demo = with_file(tmp_path, "x.sh.j2")
    ran = demo.run("absorb", "--target", "app", "--why", "x")
    assert ran.exit_code == Exit.REFUSED
    assert "make the change at overlays/app/overlay.yaml:" in ran.stderr


# --- the command ---


def test_a_check_shows_the_edits_and_writes_nothing(demo: Demo) -> None:
    edited_by(demo, "--jobs 4", "--jobs 8")
    before, overlay = demo.outputs(), demo.path(OVERLAY).read_bytes()
    ran = demo.run("absorb", "--target", "app", "--check")
    assert ran.exit_code == Exit.FINDINGS
    assert "- id: absorbed-1\n  at: build / RUN / ./configure --jobs\n" in ran.stdout
    assert (demo.outputs(), demo.path(OVERLAY).read_bytes()) == (before, overlay)


@pytest.mark.parametrize("why", [[], ["--why", " "]])
def test_an_edit_without_a_reason_is_none(demo: Demo, why: list[str]) -> None:
    ran = demo.run("absorb", "--target", "app", *why)
    assert (ran.exit_code, "say it: --why TEXT" in ran.stderr) == (Exit.USAGE, True)


def test_json_is_one_object(demo: Demo) -> None:
    edited_by(demo, "--jobs 4", "--jobs 8")
    ran = demo.run("--json", "absorb", "--target", "app", "--why", "x")
    content = json.loads(ran.stdout)
    assert (content["kind"], content["files"]) == ("absorb", [OVERLAY])
    assert content["edits"] == [
        {"id": "absorbed-1", "at": "build / RUN / ./configure --jobs",
         "swap": ["--jobs 4", "--jobs 8"], "why": "x"}
    ]  # fmt: skip


# --- whatever somebody does ---

LINES = st.lists(
    st.sampled_from(
        [
            "RUN a",
            "ENV X=1",
            "# c",
            "RUN make all && b",
            "FROM final AS more",
            "COPY a b",
            "",
            "USER 7",
        ]
    ),
    max_size=2,
)


@given(data=st.data())
@settings(
    max_examples=25, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
def test_what_is_absorbed_is_what_was_edited_or_nothing_is_written(
    demo: Demo, data: st.DataObject
) -> None:
    kept = {**demo.outputs(), OVERLAY: demo.path(OVERLAY).read_bytes()}
    lines = demo.result().splitlines()
    at = data.draw(st.integers(0, len(lines)))
    gone = data.draw(st.integers(0, 2))
    lines[at : at + gone] = data.draw(LINES)
    demo.write(RESULT, "\n".join(lines) + "\n")
    edited = demo.path(RESULT).read_bytes()
    ran = demo.run("absorb", "--target", "app", "--why", "x")
    try:
        assert ran.exit_code in (0, Exit.REFUSED), ran.stderr
        made, wanted = parse(Source("a", demo.result())), parse(Source("b", edited.decode()))
        assert texts_of(made) == texts_of(wanted)
        assert ran.exit_code == 0 or demo.path(RESULT).read_bytes() == edited
    finally:
        for path, before in kept.items():
            demo.write(path, before)
