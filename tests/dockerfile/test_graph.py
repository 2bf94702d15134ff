from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream.dockerfile.graph import RULES, Graph, Need, build_graph
from midstream.dockerfile.scan import parse
from midstream.source import Source

if TYPE_CHECKING:
    from collections.abc import Mapping


def graph(text: str, arguments: Mapping[str, str] | None = None) -> Graph:
    return build_graph(parse(Source("Dockerfile", text)), arguments)


def arrows(found: Graph, stage: int) -> list[tuple[str, int | str | None]]:
    return [
        (str(each.need), each.image if each.target is None else each.target)
        for each in found.needs(stage)
    ]


def findings(text: str, arguments: Mapping[str, str] | None = None) -> list[tuple[str, str, str]]:
    found = graph(text, arguments)
    return [
        (each.rule.code, found.dockerfile.text(each.span), each.context) for each in found.check()
    ]


SHOP = """\
ARG KIND=cpu
FROM alpine:3 AS base
RUN a
FROM base AS build-cpu
RUN --mount=type=bind,from=tools,source=/x,target=/x make
FROM base AS build-gpu
FROM scratch AS tools
COPY --from=busybox:1 /bin/sh /x
FROM build-${KIND} AS test
RUN check
FROM debian
COPY --from=Build-CPU /a /b
COPY --from=3 /x /y
"""


def test_a_stage_needs_its_base_its_copies_and_its_mounts() -> None:
    found = graph(SHOP)
    assert arrows(found, 0) == [("from", "alpine:3")]
    assert arrows(found, 1) == [("from", 0), ("mount", 3)]
    assert arrows(found, 3) == [("from", "scratch"), ("copy", "busybox:1")]
    assert arrows(found, 4) == [("from", 1)]
    assert arrows(found, 5) == [("from", "debian"), ("copy", 1), ("copy", 3)]
    assert found.check() == ()


def test_an_arrow_knows_what_is_written_and_where() -> None:
    found = graph(SHOP)
    base = found.base(4)
    assert base.reference == "build-${KIND}"
    assert found.dockerfile.text(base.span) == "build-${KIND}"
    mount = found.needs(1)[1]
    assert (mount.need, mount.reference) == (Need.MOUNT, "tools")
    assert found.dockerfile.text(mount.span) == "from=tools"
    assert mount.instruction.keyword == "RUN"


def test_the_arguments_decide_which_stage_a_variable_names() -> None:
    assert graph(SHOP, {"KIND": "gpu"}).base(4).target == 2
    assert graph(SHOP, {"KIND": "npu"}).base(4).image == "build-npu"


def test_the_closure_is_all_that_a_stage_needs_and_no_more() -> None:
    found = graph(SHOP)
    assert found.closure(0) == {0}
    assert found.closure(4) == {0, 1, 3, 4}
    assert found.closure(5) == {0, 1, 3, 5}
    assert graph(SHOP, {"KIND": "gpu"}).closure(4) == {0, 2, 4}


def test_the_lineage_goes_from_base_to_base() -> None:
    found = graph(SHOP)
    assert found.lineage(4) == (4, 1, 0)
    assert found.root(4).image == "alpine:3"
    assert found.lineage(5) == (5,)
    assert found.root(5).image == "debian"


@pytest.mark.parametrize(
    ("name", "index"),
    [("base", 0), ("BUILD-gpu", 2), ("3", 3), ("5", 5), ("6", None), ("none", None), ("-1", None)],
)
def test_a_stage_is_found_by_name_or_number(name: str, index: int | None) -> None:
    stage = graph(SHOP).find(name)
    assert (stage.index if stage else None) == index


def test_the_later_of_two_stages_of_one_name_is_meant_below_it() -> None:
    found = graph("FROM a AS x\nFROM x AS x\nFROM x\nCOPY --from=x a b\n")
    assert arrows(found, 1) == [("from", 0)]
    assert arrows(found, 2) == [("from", 1), ("copy", 1)]
    stage = found.find("x")
    assert stage is not None
    assert stage.index == 1


def test_a_stage_that_comes_later_is_an_image_to_from_and_a_stage_to_copy() -> None:
    found = graph("FROM later\nCOPY --from=later a b\nFROM a AS later\n")
    assert arrows(found, 0) == [("from", "later"), ("copy", 1)]


def test_a_stage_may_have_the_name_of_its_image() -> None:
    assert arrows(graph("FROM alpine AS alpine\nFROM alpine\n"), 0) == [("from", "alpine")]
    assert arrows(graph("FROM alpine AS alpine\nFROM alpine\n"), 1) == [("from", 0)]


def test_a_stage_whose_name_holds_a_variable_is_called_what_it_becomes() -> None:
    found = graph("ARG T=cpu\nFROM a AS run-$T\nFROM run-cpu\n")
    assert found.base(1).target == 0
    assert [found.name(stage) for stage in found.dockerfile.stages] == ["run-cpu", "1"]
    assert found.find("run-cpu") == found.dockerfile.stages[0]


def test_what_an_onbuild_needs_counts_for_the_stage_that_carries_it() -> None:
    text = (
        "FROM a AS src\nFROM b AS base\nONBUILD COPY --from=src x y\n"
        "ONBUILD RUN --mount=from=src,target=/s z\nFROM base\n"
    )
    found = graph(text)
    assert arrows(found, 1) == [("from", "b"), ("copy", 0), ("mount", 0)]
    assert found.closure(2) == {0, 1, 2}


def test_mounts_that_name_no_stage_need_none() -> None:
    found = graph("FROM a\nRUN --mount=type=cache,target=/c --mount=type=secret,id=x y\nADD a b\n")
    assert arrows(found, 0) == [("from", "a")]


# What is wrong


def test_every_rule_has_a_page() -> None:
    assert all(rule.page for rule in RULES)


def test_a_circle_is_shown_with_both_its_ends() -> None:
    text = (
        "FROM a AS x\nCOPY --from=z 1 2\nFROM x AS y\nFROM b AS z\nRUN --mount=from=y,target=/y c\n"
    )
    [found] = graph(text).check()
    assert found.rule.code == "MS120"
    assert found.message == "these stages need each other: x -> z -> y -> x"
    assert found.also is not None
    assert found.source[found.also.span] == "x"


def test_a_stage_that_copies_from_itself_is_a_circle() -> None:
    assert findings("FROM a AS x\nCOPY --from=0 1 2\n") == [("MS120", "--from=0", "stage x")]


def test_stages_that_share_what_they_need_are_no_circle() -> None:
    text = "FROM a AS x\nFROM x AS y\nFROM x AS z\nCOPY --from=y 1 2\nFROM z\nCOPY --from=y 1 2\n"
    assert findings(text) == []


def test_a_circle_below_stages_that_are_in_order_is_found() -> None:
    text = "FROM a AS x\nFROM x AS y\nCOPY --from=z 1 2\nFROM x AS z\nCOPY --from=y 1 2\n"
    assert [code for code, _, _ in findings(text)] == ["MS120"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM a\nCOPY --from=7 x y\n", [("MS121", "--from=7", "stage 0")]),
        ("FROM a\nFROM b\nRUN --mount=from=0,target=/x y\n", [("MS121", "from=0", "stage 1")]),
        ("FROM $X\n", [("MS122", "$X", "stage 0")]),
        ("ARG X\nFROM ${X} AS x\n", [("MS122", "${X}", "stage x")]),
        ("FROM ''\n", [("MS122", "''", "stage 0")]),
        ("ARG X=b\nFROM a AS b\nFROM c\nCOPY --from=$X y z\n", [("MS123", "--from=$X", "stage 1")]),
        ("FROM a\nRUN --mount=from=${X},target=/x y\n", [("MS123", "from=${X}", "stage 0")]),
        ("ARG X\nFROM ${X}a\n", []),
        ("FROM ${X:-a}\n", []),
    ],
)
def test_references_to_nothing_are_found(text: str, expected: list[tuple[str, str, str]]) -> None:
    assert findings(text) == expected


def test_a_variable_that_is_given_resolves() -> None:
    assert findings("FROM $X\n", {"X": "a"}) != []  # FROM sees declared names only
    assert findings("ARG X\nFROM $X\n", {"X": "a"}) == []


def test_ten_thousand_stages_are_no_problem() -> None:
    text = "FROM a AS s0\n" + "".join(f"FROM s{n} AS s{n + 1}\n" for n in range(10_000))
    found = graph(text)
    assert len(found.closure(10_000)) == 10_001
    assert found.check() == ()


# A law

EDGES = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=14)


@given(EDGES)
def test_a_circle_is_found_just_where_the_stages_can_not_be_put_in_order(
    edges: list[tuple[int, int]],
) -> None:
    lines = []
    for stage in range(8):
        lines.append(f"FROM scratch AS s{stage}\n")
        lines += [f"COPY --from=s{needs} a b\n" for of, needs in edges if of == stage]
    found = graph("".join(lines))
    assert bool(found.check()) != _can_be_ordered(edges)


def _can_be_ordered(edges: list[tuple[int, int]]) -> bool:
    left = set(range(8))
    while ready := {n for n in left if not any(a == n and b in left for a, b in edges)}:
        left -= ready
    return not left


def test_a_number_that_no_stage_has_is_the_name_of_an_image() -> None:
    graph = build_graph(parse(Source("Dockerfile", "FROM a\nFROM b\nCOPY --from=2 /x /y\n")))
    assert [(arrow.target, arrow.image) for arrow in graph.arrows][-1] == (None, "2")
