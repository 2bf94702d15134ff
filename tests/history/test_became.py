from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from demo import DOCKERFILE, make

if TYPE_CHECKING:
    from pathlib import Path

    from demo import Demo, Ran

TEXT = DOCKERFILE.replace(
    "&& make install", "&& make install PREFIX=/opt \\\n    && strip /opt/app/run"
)
AT = "build / RUN / make install"
BODY = f"""\
edits:
  - {{id: inst, at: {AT}, replace: "make fast", why: ours is faster}}
"""


def moved(folder: Path, old: str, new: str, body: str = BODY, text: str = TEXT) -> tuple[Demo, Ran]:
    """What a rebase says after upstream wrote one text for another."""
    demo = make(folder, text, body)
    first = demo.run("rebase", "--target", "app")
    assert first.exit_code == 0, first.stderr
    assert old in text
    demo.track("2.2", {"docker/Dockerfile": text.replace(old, new)})
    return demo, demo.run("rebase", "--target", "app")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("make install P", "ninja install P", "was edited, now line 8, 67% alike"),
        ("make install PREFIX=/opt", "if true; then gmake install PREFIX=/opt; fi",
         "was edited and stands in `if` now"),
        ("AS build", "AS compile", "is in `compile`, since `build` is no more"),
        (
            " \\\n    && make install P",
            "\nRUN gmake install P",
            "was edited, its RUN was split, now line 8",
        ),
        ("git make\nRUN make -j 4 all \\\n    && make", "git make && make -j 4 all && gmake",
         "was edited, its RUN was joined with another, now line 6"),
        (
            "make install PREFIX=/opt",
            "cmake --install build",
            "may be what is new there, now line 8, 0% alike",
        ),
        ("&& strip", "&& make install DESTDIR=/x && strip", "is there still, now line 8, 100%"),
    ],
    ids=["edited", "if", "renamed", "split", "joined", "new", "twice"],
)  # fmt: skip
def test_what_a_target_became_comes_with_an_address_that_finds_it(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    demo, ran = moved(tmp_path, old, new)
    if "AS compile" in new:
        text = demo.files["docker/Dockerfile"].decode().replace("--from=build", "--from=compile")
        demo.track("2.3", {"docker/Dockerfile": text})
        ran = demo.run("rebase", "--target", "app")
    assert said in ran.stderr
    offered = re.search(r"write\n +at: (.+)", ran.stderr)
    assert offered is not None, ran.stderr
    demo.write(
        "overlays/app/overlay.yaml",
        demo.path("overlays/app/overlay.yaml").read_text().replace(AT, f'"{offered[1]}"'),
    )
    again = demo.run("rebase", "--target", "app")
    assert not {"MS520", "MS521", "MS522"} & {*again.codes}, again.stderr


def test_what_is_nowhere_any_more_is_gone(tmp_path: Path) -> None:
    old = " \\\n    && make install PREFIX=/opt \\\n    && strip /opt/app/run"
    _, ran = moved(tmp_path, old, "")
    assert "= help: what it was about (line 8 then) is gone\n" in ran.stderr


def test_where_it_came_twice_both_places_are_told_apart(tmp_path: Path) -> None:
    _, ran = moved(tmp_path, "&& strip", "&& make install DESTDIR=/x && strip")
    assert "at: build / RUN / make install PREFIX=/opt" in ran.stderr
    assert "at: build / RUN / make install DESTDIR=/x" in ran.stderr


DROP = """\
edits:
  - {id: key, at: build / RUN / apt-key add, drop: true, why: no keys here}
"""
KEYED = TEXT.replace("RUN make -j", "RUN curl -f https://x.example/key | apt-key add - && make -j")


@pytest.mark.parametrize(
    ("old", "new"),
    [("apt-key add -", "apt-key adv --import -"), ("apt-key add -", "gpg --dearmor -o /etc/key")],
)
def test_a_drop_in_whose_place_something_new_stands_is_an_error(
    tmp_path: Path, old: str, new: str
) -> None:
    _, ran = moved(tmp_path, old, new, DROP, KEYED)
    assert ran.exit_code == 1
    assert (
        "error[MS527]: `key`: what it drops is gone, and something new stands there" in ran.stderr
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("curl -f https://x.example/key | apt-key add - && ", ""),
        ("RUN curl -f https://x.example/key | apt-key add - && make -j 4 all", "RUN make -j 4 all"),
    ],
)
def test_a_drop_of_what_upstream_took_out_is_dead(tmp_path: Path, old: str, new: str) -> None:
    _, ran = moved(tmp_path, old, new, DROP, KEYED)
    assert (ran.exit_code, "warning[MS527]" in ran.stderr) == (0, True)
