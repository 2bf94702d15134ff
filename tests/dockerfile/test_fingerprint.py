from __future__ import annotations

import pytest

from midstream.dockerfile.fingerprint import of_all, of_instruction, of_text
from midstream.dockerfile.scan import parse
from midstream.source import Source


def mark(instruction: str) -> str:
    dockerfile = parse(Source("Dockerfile", f"FROM a\n{instruction}\n"))
    return of_instruction(dockerfile, dockerfile.instructions[1])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("RUN a && b", "RUN  a   && \\\n   b"),
        ("RUN a && b", "RUN a \\\n# why\n\n  && b"),
        ("run a", "RUN a"),
        ("RUN --mount=type=cache,target=/x a", "RUN   --mount=type=cache,target=/x \\\n a"),
        ("ENV A=1 B=2", "ENV A=1 \\\n    B=2"),
        ("COPY a b", "COPY  a  b   "),
    ],
)
def test_layout_and_comments_are_no_part_of_what_a_text_says(one: str, other: str) -> None:
    assert mark(one) == mark(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("RUN a && b", "RUN a; b"),
        ("RUN a", 'RUN ["a"]'),
        ("RUN a", "CMD a"),
        ("RUN --mount=type=cache,target=/x a", "RUN a"),
        ("ENV A=1 B=2", "ENV B=2 A=1"),
        ("RUN <<E\na\nE", "RUN <<E\nb\nE"),
        ("COPY <<E /x\na b\nE", "COPY <<E /x\na  b\nE"),
        ('CMD ["a"]', 'CMD ["b"]'),
    ],
)
def test_what_a_text_says_is(one: str, other: str) -> None:
    assert mark(one) != mark(other)


def test_several_texts_have_one_fingerprint_whatever_their_order() -> None:
    assert of_all(["a", "b"]) == of_all(["b", "a"]) != of_all(["a"])
    assert of_all(["a"]) == of_text("a")
    assert len(of_text("\udcff")) == 16
