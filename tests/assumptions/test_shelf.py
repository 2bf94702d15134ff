from __future__ import annotations

from pathlib import Path

from assumptions.looking import look
from conversions.subjects import subject
from midstream import assumptions
from midstream.assumptions import shelf
from midstream.conversions.shelf import convert_all
from midstream.edit import apply_edits
from midstream.ubi.outcome import Outcome

ROOM = Path(str(assumptions.__file__)).parent
NO_RULES = {"__init__", "places", "shelf"}
EVERY = {each.NAME: each for each in (*shelf.CONVERTING, *shelf.CHECKING)}


def test_every_file_of_the_room_is_on_the_shelf() -> None:
    files = {path.stem for path in ROOM.glob("*.py")} - NO_RULES
    assert {name.replace("-", "_") for name in EVERY} == files


def test_no_two_assumptions_share_a_code() -> None:
    codes = [rule.code for each in EVERY.values() for rule in each.RULES]
    assert len(set(codes)) == len(codes)
    pages = [rule.page for each in EVERY.values() for rule in each.RULES]
    assert all("**The way out.**" in page for page in pages)


def test_where_a_conversion_has_its_say_an_assumption_has_none() -> None:
    text = (
        "FROM ubuntu:22.04\n"
        "RUN echo 'Binary::apt::APT::Keep-Downloaded-Packages \"true\";\\n' \\\n"
        "    > /etc/apt/apt.conf.d/keep-cache \\\n"
        '    && echo "a\\n" > /b\n'
    )
    mechanical = convert_all(subject(text))
    assumed = shelf.convert_all(subject(text))
    assert len(assumed.edits) == 2
    both = Outcome.merged((mechanical, assumed.beside(mechanical)))
    after = apply_edits(text, both.edits)
    assert "apt" not in after
    assert after.endswith("RUN printf '%b\\n' \"a\\n\" > /b\n")
    assert shelf.convert_all(look(after)).edits == ()
