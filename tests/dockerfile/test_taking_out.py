from __future__ import annotations

import pytest

from midstream.dockerfile.scan import parse
from midstream.dockerfile.shell import read_script
from midstream.dockerfile.taking_out import Statements, take_out
from midstream.edit import apply_edits
from midstream.source import Source


@pytest.mark.parametrize(
    ("run", "left"),
    [
        ("x 1 && a", "a"),
        ("a && x 1", "a"),
        ("a && x 1 && b", "a && b"),
        ("x 1 && x 2 && a", "a"),
        ("a && x 1 && x 2", "a"),
        ("a \\\n  && x 1 \\\n  && x 2", "a"),
        ("a && x 1 && x 2 && b", "a && b"),
        ("a && x 1 && x 2 && x 3; b && x 4", "a; b"),
        ("a && x 1 && b && x 2", "a && b"),
        ("if a; then b; fi && x 1 && x 2", "if a; then b; fi"),
        ("a || x 1 && b", "a || : && b"),
        ("a || x 1 && x 2 && b", "a || : && b"),
        ("x 1 || a && b", ": || a && b"),
        ("a && x 1 > f && b", "a && : > f && b"),
        ("a && \\\n# why\n  x 1 && b", "a \\\n# why\n && b"),
        ("a || x 1 && x 2", "a || :"),
        ("x 1; x 2", ":"),
        ("x 1 && x 2", ":"),
        ("sh -c 'a && x 1 && x 2'", "sh -c 'a'"),
    ],
)
def test_what_stays_runs_as_if_what_is_taken_out_had_gone_well(run: str, left: str) -> None:
    dockerfile = parse(Source("Dockerfile", f"FROM y\nRUN {run}\nRUN next\n"))
    script = read_script(dockerfile, dockerfile.instructions[1])
    doomed = {c.span: ("rule", "why") for c in script.commands if c.name == "x"}
    edits = take_out(dockerfile, dockerfile.instructions[1], Statements(script), doomed)
    made = apply_edits(dockerfile.source.text, edits)
    assert made == f"FROM y\nRUN {left}\nRUN next\n"
