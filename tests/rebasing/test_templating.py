"""A template of one's own: what it reads, what it places, and the fate of everything upstream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from demo import HEAD, make
from midstream.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from demo import Demo
    from midstream.rebasing.flow import Rebased

UPSTREAM = """\
ARG VERSION=1.2
FROM ubuntu:22.04 AS build
ARG VERSION
RUN apt-get update && apt-get install -y git
RUN make VERSION=${VERSION}

FROM debian:12 AS unused
RUN echo nobody needs this

FROM ubuntu:22.04 AS final
ENV MODE=fast PORT=80
COPY --from=build /opt/app /opt/app
CMD ["/opt/app/run"]
"""
TEMPLATE = """\
ARG VERSION={{ upstream.arg('VERSION') }}

{{ upstream.stage('build') }}

FROM registry.access.redhat.com/ubi9/ubi:9.8 AS server
ENV MODE={{ upstream.env('final', 'MODE') }}
COPY --from=build /opt/app /opt/app
ENTRYPOINT ["/opt/app/run"]
"""
EDITS = """\
template: Dockerfile.j2
edits:
  - {id: base, at: final / FROM, drop: true, why: ours is on UBI}
  - {id: copied, at: final / COPY, drop: true, why: the template copies it}
  - {id: command, at: final / CMD, drop: true, why: the template has an entry point}
"""


def project(
    folder: Path,
    template: str = TEMPLATE,
    body: str = EDITS,
    *,
    upstream: str = UPSTREAM,
    files: Mapping[str, str] | None = None,
) -> Demo:
    demo = make(folder, upstream, body, upstream=files)
    demo.write("overlays/app/Dockerfile.j2", template)
    return demo


def errors(rebased: Rebased) -> list[tuple[str, int]]:
    """The errors: code, and the line in upstream's text or in the overlay."""
    found = (each for each in rebased.findings if each.is_error)
    return [(each.rule.code, each.source.position(each.span.start).line) for each in found]


def fates(rebased: Rebased) -> dict[int, str]:
    """By upstream line, the fate of what starts there."""
    return {each.first_line: str(each.fate) for each in rebased.ledger.entries}


def test_a_template_reads_values_and_places_converted_stages(tmp_path: Path) -> None:
    done = project(tmp_path).rebase()
    assert done.is_proved, done.findings
    assert done.result.text == (
        "# Made by midstream from docker/Dockerfile of demo, by overlays/app. "
        "Edit the overlay, not this file.\n"
        "ARG VERSION=1.2\n\n"
        "FROM registry.access.redhat.com/ubi9/ubi:9.8 AS build\n"
        "ARG VERSION\n"
        "RUN dnf install -y --nodocs git\n"
        "RUN make VERSION=${VERSION}\n\n"
        "FROM registry.access.redhat.com/ubi9/ubi:9.8 AS server\n"
        "ENV MODE=fast\n"
        "COPY --from=build /opt/app /opt/app\n"
        'ENTRYPOINT ["/opt/app/run"]\n'
    )
    assert done.plan.stage == "server"


def test_every_instruction_has_a_fate(tmp_path: Path) -> None:
    assert fates(project(tmp_path).rebase()) == {
        1: "fact", 2: "converted", 3: "carried", 4: "converted", 5: "carried",
        7: "unreachable", 8: "unreachable",
        10: "dropped", 11: "fact", 12: "dropped", 13: "dropped",
    }  # fmt: skip


def test_what_nobody_answers_for_is_an_error_at_its_line(tmp_path: Path) -> None:
    done = project(tmp_path, body=EDITS.replace("at: final / CMD", "at: final / FROM")).rebase()
    assert errors(done) == [("MS264", 13)]
    assert fates(done)[13] == "undecided"


def test_something_new_upstream_is_an_error_until_it_has_a_fate(tmp_path: Path) -> None:
    demo = project(tmp_path)
    assert demo.run("rebase", "--target", "app").exit_code == 0
    demo.track("2.2", {"docker/Dockerfile": UPSTREAM.replace("CMD", "EXPOSE 80\nCMD")})
    assert errors(demo.rebase()) == [("MS264", 13)]


def test_a_drop_of_a_part_is_no_answer_for_the_whole(tmp_path: Path) -> None:
    upstream = UPSTREAM.replace("CMD", "RUN a && b\nCMD")
    edit = "  - {id: part, at: final / RUN / b, drop: true, why: a test}\n"
    done = project(tmp_path, body=EDITS + edit, upstream=upstream).rebase()
    assert errors(done) == [("MS264", 13)]


def test_what_cannot_be_converted_only_matters_in_what_is_placed(tmp_path: Path) -> None:
    unknown = "RUN apt-get install -y libnobodyknows9\n"
    edit = "  - {id: odd, at: final / RUN, drop: true, why: a test}\n"
    left = UPSTREAM.replace("CMD", f"{unknown}CMD")
    assert project(tmp_path / "a", body=EDITS + edit, upstream=left).rebase().is_proved
    placed = UPSTREAM.replace("RUN make", f"{unknown}RUN make")
    assert ("MS203", 5) in errors(project(tmp_path / "b", upstream=placed).rebase())


def test_edits_reach_a_placed_stage(tmp_path: Path) -> None:
    edit = '  - {id: jobs, at: build / RUN / make, args: {-j: "4"}, why: a test}\n'
    done = project(tmp_path, body=EDITS + edit).rebase()
    assert "RUN make VERSION=${VERSION} -j 4\n" in done.result.text
    assert fates(done)[5] == "edited"


SPOILT = {
    "by a filter": "{{ upstream.stage('build') | upper }}",
    "in a comment": "{% set x = upstream.stage('build') %}# {{ x | replace('\n', ' ') }}",
    "never put in": "{% set x = upstream.stage('build') %}",
    "with more behind it": "{{ upstream.stage('build') }}\nRUN more",
}


@pytest.mark.parametrize("how", SPOILT.values(), ids=SPOILT)
def test_a_placed_stage_is_found_again_byte_for_byte(tmp_path: Path, how: str) -> None:
    template = TEMPLATE.replace("{{ upstream.stage('build') }}", how)
    assert "MS265" in [code for code, _ in errors(project(tmp_path, template).rebase())]


def test_debian_words_of_the_template_itself_are_found(tmp_path: Path) -> None:
    template = TEMPLATE.replace("ENTRYPOINT", "RUN apt-get install -y git\nENTRYPOINT")
    assert not project(tmp_path, template).rebase().is_proved


def test_broken_shell_of_the_template_is_found(tmp_path: Path) -> None:
    template = TEMPLATE.replace("ENTRYPOINT", "RUN if true; then\nENTRYPOINT")
    assert "MS261" in [code for code, _ in errors(project(tmp_path, template).rebase())]


def test_a_pin_is_read_from_upstreams_requirements(tmp_path: Path) -> None:
    files = {"requirements/a.txt": "torch==2.9\n", "requirements/b.txt": "torch==3.0\nother==1\n"}
    read = "{{ upstream.pin('torch', 'requirements/b.txt') }} {{ upstream.pin('other') }}"
    text = project(tmp_path, f"{TEMPLATE}# {read}\n", files=files).rebase().result.text
    assert text.endswith("# 3.0 1\n")


UNREADABLE = {
    "upstream.arg('NOPE')": "`NOPE` has no default",
    "upstream.env('final', 'NOPE')": "`NOPE` isn't in the environment of the stage `final`",
    "upstream.env('nope', 'MODE')": "has no stage `nope`",
    "upstream.stage('unused')": "the shipped stage doesn't need `unused`",
    "upstream.pin('torch')": "several pinned versions: 2.9, 3.0",
    "upstream.pin('nope')": "`nope` has no pinned version in requirements/",
}


@pytest.mark.parametrize(("read", "message"), UNREADABLE.items(), ids=UNREADABLE)
def test_a_value_that_upstream_has_not_is_an_error(tmp_path: Path, read: str, message: str) -> None:
    files = {"requirements/a.txt": "torch==2.9\n", "requirements/b.txt": "torch==3.0\n"}
    demo = project(tmp_path, f"{TEMPLATE}# {{{{ {read} }}}}\n", files=files)
    with pytest.raises(UsageError, match=message):
        demo.rebase()


def test_a_fragment_reads_values_but_places_no_stage(tmp_path: Path) -> None:
    edit = 'edits:\n  - {id: x, at: final, why: w, end: {text: "ENV X={{ upstream.READ }}"}}\n'
    read = edit.replace("READ", "env('final', 'MODE')")
    assert make(tmp_path / "a", UPSTREAM, read).rebase().result.text.endswith("ENV X=fast\n")
    with pytest.raises(UsageError, match="can't be placed here"):
        make(tmp_path / "b", UPSTREAM, edit.replace("READ", "stage('build')")).rebase()


def test_the_facts_of_the_overlay_are_read_too(tmp_path: Path) -> None:
    template = TEMPLATE.replace("upstream.arg('VERSION')", "facts.V")
    done = project(tmp_path, template, f"{EDITS}facts: [{{name: V, arg: VERSION}}]\n").rebase()
    assert done.is_proved, done.findings
    assert fates(done)[1] == "fact"


def test_a_build_argument_is_declared_by_the_template(tmp_path: Path) -> None:
    args = '{stage: final, args: {JOBS: {value: "4", why: a test}}}'
    demo = project(tmp_path)
    demo.write("overlays/app/overlay.yaml", HEAD.replace("{stage: final}", args) + EDITS)
    assert [code for code, _ in errors(demo.rebase())] == ["MS240"]
    demo.write("overlays/app/Dockerfile.j2", f"ARG JOBS\n{TEMPLATE}")
    assert demo.rebase().is_proved
