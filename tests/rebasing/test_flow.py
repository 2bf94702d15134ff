from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from demo import DOCKERFILE, HEAD, make, places
from midstream.edit import EditConflict
from midstream.errors import Exit, UsageError
from midstream.ledger import Fate
from midstream.overlay.template import BadTemplate
from midstream.rebasing.flow import CannotRebase

if TYPE_CHECKING:
    from pathlib import Path

    from demo import Demo

UBI = "registry.access.redhat.com/ubi9/ubi:9.8"
HEADER = (
    "# Made by midstream from docker/Dockerfile of demo, by overlays/app. "
    "Edit the overlay, not this file.\n"
)


def edits(*lines: str) -> str:
    return "edits:\n" + "".join(f"  - {line}\n" for line in lines)


# --- a base that edits add to ---


TWICE = (
    "FROM ubuntu:22.04 AS build\nRUN true\n\nFROM ubuntu:22.04 AS final\nCOPY --from=build /a /a\n"
)


@pytest.mark.parametrize(
    ("lines", "codes"),
    [
        (("{id: sdk, at: final / FROM, after: RUN echo sdk, why: w}",), ["MS535"]),
        (("{id: sdk, at: '* / FROM', expect: 2, after: RUN echo sdk, why: w}",), []),
        (("{id: sdk, at: final / COPY, after: RUN echo sdk, why: w}",), []),
    ],
)
def test_what_is_added_to_a_base_in_one_stage_is_missed_in_another(
    tmp_path: Path, lines: tuple[str, ...], codes: list[str]
) -> None:
    rebased = make(tmp_path, TWICE, edits(*lines)).rebase()
    assert [found.rule.code for found in rebased.findings] == codes


# --- what comes out ---


def test_a_target_is_converted_without_the_stages_that_it_does_not_need(tmp_path: Path) -> None:
    rebased = make(tmp_path).rebase()
    assert rebased.is_proved
    assert rebased.findings == ()
    assert rebased.result.text == DOCKERFILE.replace("ubuntu:22.04", UBI).replace(
        "apt-get update && apt-get install -y git make", "dnf install -y --nodocs git make"
    ).replace("FROM ${BASE} AS unused\nRUN echo nobody needs this\n\n", "").replace(
        "ARG BASE", f"{HEADER}ARG BASE"
    )


@pytest.mark.parametrize(
    ("head", "rest"),
    [
        ("", ""),
        ("# syntax=docker/dockerfile:1\n", ""),
        ("# check=skip=all\n# escape=`\n", ""),
        ("\ufeff", ""),
        ("\ufeff# syntax=docker/dockerfile:1\n", ""),
        ("#!/usr/bin/env docker-build\n# syntax=docker/dockerfile:1\n", ""),
        ("", "# a comment\n\n"),
    ],
)
def test_the_line_that_says_what_the_file_is_stands_behind_the_directives(
    tmp_path: Path, head: str, rest: str
) -> None:
    rebased = make(tmp_path, f"{head}{rest}FROM ubuntu:22.04 AS final\nUSER 1\n").rebase()
    assert rebased.result.text == f"{head}{HEADER}{rest}FROM {UBI} AS final\nUSER 1\n"


def test_line_endings_of_upstream_stay(tmp_path: Path) -> None:
    rebased = make(tmp_path, DOCKERFILE.replace("\n", "\r\n")).rebase()
    lines = rebased.result.text.split("\n")
    assert all(line.endswith("\r") for line in lines[:-1])
    assert rebased.result.text == make(tmp_path / "lf").rebase().result.text.replace("\n", "\r\n")


def test_bytes_that_are_no_utf_8_come_out_as_they_went_in(tmp_path: Path) -> None:
    text = b"FROM ubuntu:22.04 AS final\n# caf\xe9\nRUN echo '\xff\xfe' && apt-get install -y git\n"
    data = make(tmp_path, text).rebase().result.data
    assert data.endswith(b"# caf\xe9\nRUN echo '\xff\xfe' && dnf install -y --nodocs git\n")


def test_a_stage_that_only_a_dropped_instruction_needed_goes_along(tmp_path: Path) -> None:
    demo = make(tmp_path, body=edits("{id: x, at: final / COPY, drop: true, why: w}"))
    rebased = demo.rebase()
    assert rebased.is_proved
    assert "AS build" not in rebased.result.text
    counts = rebased.ledger.counts()
    assert (counts[Fate.UNREACHABLE], counts[Fate.DROPPED]) == (5, 1)


def test_a_stage_that_another_instruction_needs_as_well_stays(tmp_path: Path) -> None:
    text = DOCKERFILE + "COPY --from=build /a /a\n"
    demo = make(tmp_path, text, edits("{id: x, at: final / COPY / /a, drop: true, why: w}"))
    assert "AS build" in demo.rebase().result.text


NUMBERED = """\
FROM ubuntu:22.04
RUN echo zero
FROM ubuntu:22.04
RUN echo one
FROM ubuntu:22.04
RUN echo two
FROM ubuntu:22.04 AS final
COPY --from=2 /a /a
COPY --chown=0 --from=0 /b /b
"""


def test_a_stage_that_is_named_by_number_gets_its_new_number(tmp_path: Path) -> None:
    rebased = make(tmp_path, NUMBERED).rebase()
    assert rebased.is_proved
    assert rebased.result.text.endswith("COPY --from=1 /a /a\nCOPY --chown=0 --from=0 /b /b\n")
    (copy,) = [e for e in rebased.ledger.entries if e.first_line == 8]
    assert (copy.fate, [r.by for r in copy.reasons]) == (Fate.CONVERTED, ["stage-number"])


def test_a_shipped_stage_that_has_only_a_number_is_the_same_one_afterwards(tmp_path: Path) -> None:
    text = "FROM ubuntu:22.04\nRUN one\nFROM ubuntu:22.04\nRUN two\nFROM ubuntu:22.04\nRUN three\n"
    rebased = make(tmp_path, text, head=HEAD.replace("final", '"1"')).rebase()
    assert rebased.is_proved, places(rebased.findings)
    assert "RUN two" in rebased.result.text
    assert "RUN three" not in rebased.result.text
    assert rebased.plan.content["stage"] == "0"


# --- build arguments ---

ARGUMENTS = """\
ARG MODE=slow
ARG PLAIN
ARG UNUSED=1
FROM ubuntu:22.04 AS final
ARG MODE
ARG PLAIN
ARG OWN=here
ARG TARGETARCH
ARG OWN_TOO
RUN echo $MODE $PLAIN $OWN $TARGETARCH $OWN_TOO
"""


def with_args(**values: str) -> str:
    lines = "".join(
        f"    {k}: {{value: {json.dumps(v)}, why: because}}\n" for k, v in values.items()
    )
    return HEAD.replace("ship: {stage: final}", f"ship:\n  stage: final\n  args:\n{lines}")


def test_a_build_argument_becomes_the_default_where_it_is_declared(tmp_path: Path) -> None:
    head = with_args(MODE="fast", PLAIN="a b", OWN="there", TARGETARCH="amd64", OWN_TOO="")
    rebased = make(tmp_path, ARGUMENTS, head=head).rebase()
    assert rebased.is_proved, places(rebased.findings)
    assert rebased.result.text == HEADER + (
        ARGUMENTS.replace("MODE=slow", "MODE=fast")
        .replace("ARG PLAIN\nARG UNUSED", 'ARG PLAIN="a b"\nARG UNUSED')
        .replace("OWN=here", "OWN=there")
        .replace("TARGETARCH\nARG OWN", "TARGETARCH=amd64\nARG OWN")
        .replace("ARG OWN_TOO\n", "ARG OWN_TOO=\n")
        .replace("ubuntu:22.04", UBI)
    )
    first = rebased.ledger.entries[0]
    assert first.fate is Fate.EDITED
    assert [(reason.by, reason.why) for reason in first.reasons] == [("ship", "because")]


def test_a_stages_own_default_is_written_over_as_well(tmp_path: Path) -> None:
    text = "ARG A=1\nFROM ubuntu:22.04 AS final\nARG A=2\nRUN echo $A\n"
    rebased = make(tmp_path, text, head=with_args(A="3")).rebase()
    assert rebased.result.text.count("ARG A=3") == 2


def test_a_value_keeps_its_meaning_whatever_stands_in_it(tmp_path: Path) -> None:
    value = 'a "b" $C \\ #d'
    text = "FROM ubuntu:22.04 AS final\nARG A=1\nENV B=$A\n"
    rebased = make(tmp_path, text, head=with_args(A=value)).rebase()
    assert r'ARG A="a \"b\" \$C \\ #d"' in rebased.result.text
    again = make(tmp_path / "again", rebased.result.text).rebase()
    assert again.sibling.environment["B"] == value


def test_a_value_is_written_by_the_files_own_escape(tmp_path: Path) -> None:
    text = "# escape=`\nFROM ubuntu:22.04 AS final\nARG A=1\nENV B=$A\n"
    rebased = make(tmp_path, text, head=with_args(A='a "b" \\')).rebase()
    assert 'ARG A="a `"b`" \\"' in rebased.result.text
    again = make(tmp_path / "again", rebased.result.text).rebase()
    assert again.sibling.environment["B"] == 'a "b" \\'


def test_a_build_argument_that_nothing_declares_is_an_error_in_the_overlay(tmp_path: Path) -> None:
    rebased = make(tmp_path, ARGUMENTS, head=with_args(MODES="1")).rebase()
    ((code, name, _, message),) = places(rebased.findings)
    assert (code, name) == ("MS240", "overlays/app/overlay.yaml")
    assert message == "no ARG of the shipped stages declares `MODES`"


def test_a_proxy_needs_no_declaration(tmp_path: Path) -> None:
    rebased = make(tmp_path, ARGUMENTS, head=with_args(HTTP_PROXY="http://p.example")).rebase()
    assert rebased.findings == ()


# --- findings ---


def test_a_finding_about_the_result_is_shown_at_upstreams_line(tmp_path: Path) -> None:
    text = "FROM ubuntu:22.04 AS gone\nRUN a\n" + DOCKERFILE + "RUN tar -x && make\n"
    rebased = make(tmp_path, text.replace("ARG BASE=ubuntu:22.04\n", "").replace(
        "${BASE}", "ubuntu:22.04")).rebase()  # fmt: skip
    (found,) = rebased.findings
    position = found.source.position(found.span.start)
    assert (found.rule.code, found.source.name, str(position)) == (
        "MS307", "docker/Dockerfile", "18:15"
    )  # fmt: skip
    assert found.context == "demo 2.1, stage final"


def test_a_finding_about_an_overlays_own_text_is_shown_with_the_edits_name(tmp_path: Path) -> None:
    body = edits(
        '{id: own, at: "@ship", end: "RUN apt-get install -y vim", why: w}',
        "{id: part, at: build / RUN / make all, replace: make $NO, why: w}",
    )
    rebased = make(tmp_path, body=body).rebase()
    shown = {(f.rule.code, f.source.name, f.context) for f in rebased.findings}
    assert ("MS260", "rendered/demo/Dockerfile.app.ubi", "written by `own`") in shown
    assert ("MS352", "docker/Dockerfile", "as `part` has it, stage build") in shown


def test_what_can_not_be_converted_is_an_error_and_its_instruction_undecided(
    tmp_path: Path,
) -> None:
    rebased = make(tmp_path, DOCKERFILE.replace("git make", "git make libnobodyknows9")).rebase()
    assert not rebased.is_proved
    assert places(rebased.findings)[0][:3] == ("MS203", "docker/Dockerfile", 6)
    (entry,) = [e for e in rebased.ledger.entries if e.fate is Fate.UNDECIDED]
    assert (entry.first_line, entry.reasons[-1].by) == (6, "MS203")


def test_shell_that_an_edit_breaks_is_an_error(tmp_path: Path) -> None:
    body = edits("{id: x, at: build / RUN / make all, replace: 'if true', why: w}")
    rebased = make(tmp_path, body=body).rebase()
    assert [f.rule.code for f in rebased.findings if f.is_error] == ["MS261"]


def test_a_shipped_stage_that_an_edit_drops_is_an_error(tmp_path: Path) -> None:
    rebased = make(tmp_path, body=edits("{id: x, at: final, drop: true, why: w}")).rebase()
    assert [found.rule.code for found in rebased.findings if found.is_error] == ["MS522"]
    assert not rebased.is_proved


def test_a_stage_that_is_dropped_though_it_is_needed_is_an_error(tmp_path: Path) -> None:
    text = "FROM ubuntu:22.04 AS a\nFROM a AS b\nRUN b\nFROM ubuntu:22.04 AS final\n" \
        "COPY --from=b /x /x\n"  # fmt: skip
    rebased = make(tmp_path, text, edits("{id: x, at: b, drop: true, why: w}")).rebase()
    assert not rebased.is_proved


def test_a_stage_and_what_needs_it_are_dropped_together(tmp_path: Path) -> None:
    text = "FROM ubuntu:22.04 AS a\nFROM a AS b\nRUN b\nFROM a AS final\nCOPY --from=b /x /x\n"
    body = edits(
        "{id: x, at: b, drop: true, why: w}", "{id: y, at: final / COPY, drop: true, why: w}"
    )
    rebased = make(tmp_path, text, body).rebase()
    assert rebased.is_proved, places(rebased.findings)
    assert rebased.result.text == HEADER + f"FROM {UBI} AS a\nFROM a AS final\n"


def test_a_fragment_may_use_a_stage_that_upstream_does_not_ship(tmp_path: Path) -> None:
    body = edits('{id: x, at: "@ship", end: "COPY --from=unused /x /x", why: w}')
    rebased = make(tmp_path, body=body).rebase()
    assert rebased.is_proved, places(rebased.findings)
    assert "AS unused\nRUN echo nobody" in rebased.result.text


# --- edits that don't fit each other ---


def test_two_edits_of_one_text_are_a_conflict_that_names_both(tmp_path: Path) -> None:
    body = edits(
        "{id: one, at: build / RUN / make all, replace: ninja, why: w}",
        "{id: two, at: build / RUN / make all, swap: [all, most], why: w}",
    )
    with pytest.raises(EditConflict, match="`one` and `two` both change the same text") as caught:
        make(tmp_path, body=body).rebase()
    assert caught.value.exit_code == Exit.USAGE
    ((_, name, line, _),) = places(caught.value.diagnostics)
    assert (name, line) == ("overlays/app/overlay.yaml", HEAD.count("\n") + 3)


def test_an_edit_in_a_stage_that_another_edit_takes_out_is_a_conflict(tmp_path: Path) -> None:
    body = edits(
        "{id: gone, at: final / COPY, drop: true, why: w}",
        "{id: lost, at: build / RUN / make all, replace: ninja, why: w}",
    )
    with pytest.raises(EditConflict) as caught:
        make(tmp_path, body=body).rebase()
    ((_, name, line, _),) = places(caught.value.diagnostics)
    assert (name, line) == ("overlays/app/overlay.yaml", HEAD.count("\n") + 3)


def test_the_overlays_word_stands_above_a_conversions(tmp_path: Path) -> None:
    body = edits("{id: x, at: build / RUN / git, replace: dnf install -y git-core make, why: w}")
    rebased = make(tmp_path, body=body).rebase()
    assert rebased.is_proved, places(rebased.findings)
    assert "RUN dnf install -y git-core make\n" in rebased.result.text


# --- waivers ---


def waivers(*lines: str) -> str:
    return HEAD + "".join(f"  - {line}\n" for line in lines)


def test_a_waiver_accepts_findings_by_code_name_and_place(tmp_path: Path) -> None:
    text = "FROM ubuntu:22.04 AS final\nRUN make\nRUN gcc\n"
    assert [p[2] for p in places(make(tmp_path / "0", text).rebase().findings)] == [2, 3]
    for number, rule in enumerate(("MS307", "missing-tool"), start=1):
        demo = make(tmp_path / str(number), text, head=waivers(f"{{rule: {rule}, why: known}}"))
        assert demo.rebase().findings == ()
    head = waivers("{rule: MS307, why: known, at: final / RUN / make}")
    assert [p[2] for p in places(make(tmp_path / "at", text, head=head).rebase().findings)] == [3]


def test_a_waiver_that_accepts_nothing_is_a_warning(tmp_path: Path) -> None:
    demo = make(tmp_path, head=waivers("{rule: MS307, why: known}"))
    rebased = demo.rebase()
    assert rebased.is_proved
    assert places(rebased.findings) == [
        (
            "MS525", "overlays/app/overlay.yaml", HEAD.count("\n") + 1,
            "nothing is found that this waiver of `MS307` accepts",
        )
    ]  # fmt: skip


def test_a_waiver_holds_until_its_day(tmp_path: Path) -> None:
    text = "FROM ubuntu:22.04 AS final\nRUN make\n"
    for day, codes in (("2026-06-01", []), ("2026-05-31", ["MS307", "MS525"])):
        head = waivers(f"{{rule: MS307, why: known, until: {day}}}")
        rebased = make(tmp_path / day, text, head=head).rebase()
        assert [found.rule.code for found in rebased.findings] == codes


def test_a_waiver_of_several_places_accepts_what_is_found_in_one_of_them(tmp_path: Path) -> None:
    text = "FROM ubuntu:22.04 AS final\nRUN make\nRUN echo one\n"
    head = waivers("{rule: MS307, why: known, at: final / RUN}")
    assert make(tmp_path, text, head=head).rebase().findings == ()


def test_a_waiver_of_a_place_upstream_says_nothing_about_other_files(tmp_path: Path) -> None:
    # A place in the overlay, whose offset happens to lie in upstream's instruction.
    text = "FROM ubuntu:22.04 AS final\nRUN echo " + "x" * 2000 + "\n"
    head = with_args(MODES="1") + "  - {rule: MS240, why: known, at: final / RUN}\n"
    assert [f.rule.code for f in make(tmp_path, text, head=head).rebase().findings] == [
        "MS240", "MS525"
    ]  # fmt: skip


# --- siblings ---

BASE_HEAD = """\
target: base
upstream: {file: demo/base, releases: ">=2"}
platform: ubi9
ship: {stage: final}
promote: {repository: quay.example/demo/base}
repositories: [epel]
waivers:
  - {rule: MS354, why: a test}
  - {rule: MS355, why: a test}
  - {rule: MS356, why: a test}
  - {rule: MS357, why: a test}
"""
BASE = """\
FROM ubuntu:22.04 AS final
ENV ROOT_PATH=/opt/root
RUN apt-get update && apt-get install -y make && useradd -m -u 2000 app
"""
ON_BASE = """\
ARG BASE=ubuntu:22.04
FROM ${BASE} AS final
RUN make -C ${ROOT_PATH}/src
"""
SIBLING = with_args(BASE="{{ sibling('base') }}")


def two(
    folder: Path,
    app: str = ON_BASE,
    base: str = BASE,
    base_head: str = BASE_HEAD,
    app_head: str = SIBLING,
) -> Demo:
    """`app`, which is built on `base`."""
    return make(
        folder, app, head=app_head, upstream={"docker/Dockerfile.base": base},
        **{"base__overlay.yaml": base_head},
    )  # fmt: skip


def test_the_images_that_a_build_needs_are_listed_in_order(tmp_path: Path) -> None:
    names = [f"x.example/{name}:1" for name in "cafbed"]
    lines = "".join(f"COPY --from={name} /a /b\n" for name in names)
    rebased = make(tmp_path, f"FROM ubuntu:22.04 AS final\n{lines}").rebase()
    ubi = "registry.access.redhat.com/ubi9/ubi:9.8"
    assert rebased.plan.content["images"] == [ubi, *sorted(names)]


def test_a_sibling_is_rebased_in_memory_for_what_it_brings(tmp_path: Path) -> None:
    demo = two(tmp_path)
    rebased = demo.rebase()
    assert places(rebased.findings) == []
    assert "ARG BASE=quay.example/demo/base:2.1\n" in rebased.result.text
    assert not demo.path("rendered").exists()
    assert rebased.plan.content["images"] == ["quay.example/demo/base:2.1"]


@pytest.mark.parametrize(
    ("base", "codes"),
    [
        (BASE.replace("ENV ROOT_PATH=/opt/root\n", ""), ["MS352"]),
        (BASE.replace(" make ", " git "), ["MS307"]),
    ],
)
def test_what_the_sibling_does_not_bring_is_missing(
    tmp_path: Path, base: str, codes: list[str]
) -> None:
    assert [found.rule.code for found in two(tmp_path, base=base).rebase().findings] == codes


def test_a_user_of_the_sibling_is_not_created_again(tmp_path: Path) -> None:
    rebased = two(tmp_path, ON_BASE + "RUN useradd -u 2000 other\n").rebase()
    assert [found.rule.code for found in rebased.findings] == ["MS308"]


def test_a_repository_of_the_sibling_is_not_set_up_again(tmp_path: Path) -> None:
    install = "RUN apt-get update && apt-get install -y ccache\n"
    head = SIBLING.replace("waivers:", "repositories: [epel]\nwaivers:")
    alone = two(tmp_path / "a", ON_BASE + install, app_head=head).rebase()
    both = two(tmp_path / "b", ON_BASE + install, BASE + install, app_head=head).rebase()
    assert "epel-release" in alone.result.text
    assert "epel-release" not in both.result.text


def test_targets_made_from_each_other_in_a_circle_are_refused(tmp_path: Path) -> None:
    head = BASE_HEAD.replace(
        "ship: {stage: final}",
        "ship:\n  stage: final\n  args:\n    B: {value: \"{{ sibling('app') }}\", why: w}",
    )
    with pytest.raises(UsageError, match="in a circle: app -> base -> app"):
        two(tmp_path, base=BASE.replace("FROM", "ARG B\nFROM"), base_head=head).rebase()


def test_a_sibling_with_errors_stops_what_is_built_on_it(tmp_path: Path) -> None:
    demo = two(tmp_path, base=BASE.replace("make", "libnobodyknows9"))
    with pytest.raises(CannotRebase, match="`app` is built on `base`, which has errors") as caught:
        demo.rebase()
    assert [found.rule.code for found in caught.value.diagnostics] == ["MS203"]
    assert caught.value.exit_code == Exit.FINDINGS


def test_a_sibling_that_asks_stops_what_is_built_on_it_and_says_so(tmp_path: Path) -> None:
    review = 'review: [{at: "@ship / ENV"}]\n'
    demo = two(tmp_path, base_head=BASE_HEAD + review)
    assert demo.run("rebase", "--target", "base").exit_code == 0
    demo.track("2.2", {"docker/Dockerfile.base": BASE + "ENV NEW=1\n"})
    ran = demo.run("rebase", "--target", "app")
    assert ran.exit_code == Exit.FINDINGS
    assert "`app` is built on `base`, which has open questions" in ran.stderr


def test_a_sibling_without_a_repository_has_no_image_to_build_on(tmp_path: Path) -> None:
    head = BASE_HEAD.replace("promote: {repository: quay.example/demo/base}\n", "")
    with pytest.raises(UsageError, match="doesn't say where its image goes"):
        two(tmp_path, base_head=head).rebase()


def test_a_target_that_nobody_promotes_is_rebased_all_the_same(tmp_path: Path) -> None:
    head = HEAD.replace("promote: {repository: quay.example/demo/app}\n", "")
    assert make(tmp_path, head=head).rebase().is_proved


def test_a_target_is_rebased_once_for_all_that_ask(tmp_path: Path) -> None:
    rebaser = two(tmp_path).rebaser()
    assert rebaser.rebase("base") is rebaser.rebase("base")
    assert rebaser.rebase("app").is_proved


def test_one_rebaser_over_releases_gives_what_a_new_one_gives_at_each(tmp_path: Path) -> None:
    odd = DOCKERFILE.replace("git make", "nosuch")
    demo = make(tmp_path)
    rebaser = demo.rebaser()
    texts = (DOCKERFILE, odd, odd, DOCKERFILE, odd.replace("fast", "faster"))
    for number, text in enumerate(texts):
        demo.track(f"2.{number}", {"docker/Dockerfile": text})
        rebaser.forget()
        again, fresh = rebaser.rebase("app"), demo.rebase()
        assert (again.findings, again.result) == (fresh.findings, fresh.result)
        assert again.ledger.as_bytes() == fresh.ledger.as_bytes()
        assert again.has_errors == ("nosuch" in text)
        # What is shown where is told by the source itself.
        assert again.origin.dockerfile is again.subject.dockerfile.source
        assert all(each.source is again.origin.dockerfile for each in again.findings)


# --- templates ---


def test_templates_see_what_there_is_of_upstream(tmp_path: Path) -> None:
    body = edits('{id: x, at: "@ship", end: x.j2, why: w}') + (
        "facts:\n  - {name: TORCH, from: requirements/x.txt, pin: torch}\n"
        "labels: {name: 'demo-{{ release }}'}\n"
    )
    fragment = (
        "LABEL v='{{ release }} {{ target }} {{ platform }} {{ facts.TORCH }} {{ labels.name }}"
        ' {{ upstream.release }} {{ upstream.commit }} {{ upstream.arg("BASE") }}'
        " {{ python.layout }}'\n"
    )
    demo = make(tmp_path, body=body, upstream={"requirements/x.txt": "torch==2.9\n"},
                app__x_j2=fragment)  # fmt: skip
    assert demo.rebase().result.text.endswith(
        "LABEL v='2.1 app ubi9 2.9 demo-2.1 2.1 c0ffee ubuntu:22.04 system'\n"
    )


@pytest.mark.parametrize(
    ("fragment", "said"),
    [
        ("{{ upstream.arg('NO') }}", "`NO` has no default"),
        ("{{ upstream.arg('MANY') }}", "`MANY` has several defaults"),
        ("{{ sibling('nobody') }}", "no target `nobody`"),
    ],
)
def test_a_template_that_asks_for_what_is_not_there_is_told_so(
    tmp_path: Path, fragment: str, said: str
) -> None:
    text = DOCKERFILE + "ARG MANY=1\nARG MANY=2\n"
    demo = make(tmp_path, text, edits('{id: x, at: "@ship", end: x.j2, why: w}'),
                app__x_j2=fragment)  # fmt: skip
    with pytest.raises(UsageError, match=said):
        demo.rebase()


def test_a_templates_mistake_is_one_finding_at_its_line(tmp_path: Path) -> None:
    demo = make(tmp_path, body=edits('{id: x, at: "@ship", end: x.j2, why: w}'),
                app__x_j2="USER 1\nUSER {{ no }}\n")  # fmt: skip
    with pytest.raises(BadTemplate) as caught:
        demo.rebase()
    assert places(caught.value.diagnostics) == [
        ("MS531", "overlays/app/x.j2", 2, "template: 'no' is undefined")
    ]


# --- the ledger ---


def test_every_instruction_has_one_fate_and_the_counts_add_up(tmp_path: Path) -> None:
    body = edits(
        "{id: e, at: build / RUN / make all, args: {-j: '8'}, why: faster}",
        "{id: r, at: final / COPY, replace: COPY --from=build /a /a, why: less}",
        "{id: d, at: final / ENV, drop: true, why: none}",
    )
    ledger = make(tmp_path, body=body).rebase().ledger
    assert [
        (e.first_line, str(e.fate), sorted({r.by for r in e.reasons})) for e in ledger.entries
    ] == [
        (2, "converted", ["base-image"]),
        (4, "carried", []),
        (6, "converted", ["apt-to-dnf"]),
        (7, "edited", ["e"]),
        (10, "unreachable", []),
        (11, "unreachable", []),
        (13, "carried", []),
        (14, "dropped", ["d"]),
        (15, "replaced", ["r"]),
        (16, "carried", []),
    ]
    assert sum(ledger.counts().values()) == len(ledger.entries) == 10
    assert ledger.counts()[Fate.UNDECIDED] == 0


# --- what upstream's text may be ---


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("", "MS100", 1),
        ("# only a comment\n", "MS100", 1),
        (bytes(range(256)), "MS101", 1),
        ("ARG A=1\nRUN x\n", "MS102", 2),
        ("FROM a AS final\nRUM x\n", "MS103", 2),
        ("FROM a AS final\nRUN <<EOF\nx\n", "MS104", 2),
    ],
)
def test_a_text_that_is_no_dockerfile_is_one_clear_finding(
    tmp_path: Path, text: str | bytes, code: str, line: int
) -> None:
    with pytest.raises(CannotRebase, match="can't read docker/Dockerfile of demo") as caught:
        make(tmp_path, text).rebase()
    assert [(found[0], found[2]) for found in places(caught.value.diagnostics)] == [(code, line)]


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ("COPY --from=final /x /y\nFROM ubuntu:22.04 AS final\nCOPY --from=a /x /y\n", "MS120"),
        ("FROM ubuntu:22.04 AS final\nCOPY --from=7 /x /y\n", "MS121"),
        ("FROM ubuntu:22.04 AS final\nRUN echo 'open\n", "MS261"),
        ('FROM ubuntu:22.04 AS final\nENV A="open\n', "MS351"),
    ],
)
def test_what_buildkit_or_bash_would_refuse_is_an_error_at_its_line(
    tmp_path: Path, lines: str, code: str
) -> None:
    rebased = make(tmp_path, f"FROM ubuntu:22.04 AS a\n{lines}").rebase()
    assert [found.rule.code for found in rebased.findings if found.is_error] == [code]


def test_a_line_of_ten_megabytes_is_read(tmp_path: Path) -> None:
    text = f"FROM ubuntu:22.04 AS final\nRUN echo {'x' * 10_000_000}\n"
    assert len(make(tmp_path, text).rebase().result.text) > 10_000_000


def test_a_stage_to_ship_that_is_not_there_is_answered_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no stage `final` to ship") as caught:
        make(tmp_path, "FROM a AS first\nFROM b\n").rebase()
    assert "the last are first, 1" in (caught.value.help or "")
