"""Redirections belong to the command that the shell gives them to, whatever the grammar says."""

from __future__ import annotations

from midstream.dockerfile.shell import read_text


def written(text: str) -> dict[str, list[str]]:
    """The files that each command of a script writes."""
    return {
        command.name: [r.target.value for r in command.redirections if r.target is not None]
        for command in read_text(text).commands
    }


def test_a_redirection_behind_a_pipeline_is_the_last_commands() -> None:
    assert written("a | b > f") == {"a": [], "b": ["f"]}


def test_a_redirection_within_a_chain_is_its_neighbours() -> None:
    assert written("a && b > f && c && d") == {"a": [], "b": ["f"], "c": [], "d": []}


def test_a_redirection_behind_a_pipeline_within_a_chain_is_the_last_commands() -> None:
    assert written("a && b | c > f && d") == {"a": [], "b": [], "c": ["f"], "d": []}


def test_what_is_taken_out_of_a_chain_takes_its_redirection_along() -> None:
    text = "a && b > f && c && d"
    command = next(c for c in read_text(text).commands if c.name == "b")
    assert command.removal is not None
    assert text[: command.removal.start] + text[command.removal.end :] == "a && c && d"


def test_a_pipeline_knows_its_neighbours() -> None:
    text = "a && b | c > f && d"
    pipeline = next(b for b in read_text(text).blocks if b.kind == "pipeline")
    assert (pipeline.before, pipeline.after) == ("&&", "&&")
    assert pipeline.next_start == text.index("d")
    assert text[pipeline.span.start : pipeline.span.end] == "b | c > f"
