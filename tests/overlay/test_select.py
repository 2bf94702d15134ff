from __future__ import annotations

import pytest

from midstream.overlay.select import holds, nothing_found, select, ship_stage, stages_of
from overlay.edits import overlay_with, refused, subject_of

TEXT = """\
ARG VERSION=1
ARG BASE=ubuntu
FROM ${BASE} AS Base
ENV PATH=/x:$PATH MODE=a
RUN curl -sS https://x.example/get-pip.py | python3 \\
    && pipx install uv
FROM base
RUN make all && bash -c "make test" && if true; then make more; fi
RUN <<EOF
make heredoc
EOF
FROM other AS unused
RUN make all
FROM base AS final
COPY --from=1 --chmod=755 /opt/a /opt/b
ONBUILD RUN make later
HEALTHCHECK CMD curl -f http://localhost
EXPOSE 80 443
USER 1
"""


def found(at: str) -> list[str]:
    """The texts that an address finds."""
    subject, ship = subject_of(TEXT)
    (edit,) = overlay_with(f"{{id: x, at: '{at}', drop: true, why: w}}").edits
    matches = select(subject, ship, edit.at)
    return [subject.dockerfile.text(match.span).rstrip() for match in matches]


@pytest.mark.parametrize(
    ("at", "texts"),
    [
        ("@global / ARG / BASE", ["BASE=ubuntu"]),
        ("@global / ARG", ["ARG VERSION=1", "ARG BASE=ubuntu"]),
        ("base / ENV / PATH", ["PATH=/x:$PATH"]),
        ("BASE / ENV / MODE", ["MODE=a"]),
        ("base / ENV / ~^MO", ["MODE=a"]),
        ("base / RUN / get-pip.py", ["curl -sS https://x.example/get-pip.py"]),
        ("base / RUN / pip", ["curl -sS https://x.example/get-pip.py"]),
        ("base / RUN / ~pip[sx]", ["pipx install uv"]),
        ("base / RUN / ~ ^pipx", ["pipx install uv"]),
        ("1 / RUN / make all", ["make all"]),
        ("1 / RUN / make test", ["make test"]),
        ("1 / RUN / test", ["make test"]),
        ("1 / RUN / more", ["make more"]),
        ("1 / RUN / heredoc", ["make heredoc"]),
        ("1 / RUN / all make", []),
        ("@ship / COPY / /opt/b", ["COPY --from=1 --chmod=755 /opt/a /opt/b"]),
        ("@ship / COPY / --chmod=755", ["COPY --from=1 --chmod=755 /opt/a /opt/b"]),
        ("@ship / RUN", ["ONBUILD RUN make later"]),
        ("@ship / RUN / later", ["make later"]),
        ("@ship / HEALTHCHECK / curl", ["curl -f http://localhost"]),
        ("@ship / EXPOSE / 443", ["EXPOSE 80 443"]),
        ("@ship-lineage / ENV,USER", ["ENV PATH=/x:$PATH MODE=a", "USER 1"]),
        ("fin* / USER", ["USER 1"]),
        ("* / * / make", ["make all", "make test", "make more", "make heredoc", "make later"]),
        ("unused / RUN", []),
    ],
)
def test_an_address_finds_places_in_what_ships(at: str, texts: list[str]) -> None:
    assert found(at) == texts


@pytest.mark.parametrize(
    ("word", "text", "answer"),
    [
        ("pip", "pip", True),
        ("pip", "/usr/bin/pip", True),
        ("pip", "pip3", False),
        ("pip", "get_pip", False),
        ("--plat", "--plat=x", True),
        ("-j", "-j8", False),
        ("x.py", "x.py5", False),
    ],
)
def test_a_word_is_found_whole(word: str, text: str, answer: bool) -> None:
    assert holds(word, text) is answer


def test_a_stage_is_known_by_its_name_or_number_and_the_last_of_a_name_wins() -> None:
    subject, _ = subject_of("FROM a AS x\nFROM b AS x\nFROM c\n")
    stages = subject.dockerfile.stages
    assert ship_stage(stages, "x") is stages[1]
    assert ship_stage(stages, "2") is stages[2]
    assert ship_stage(stages, "y") is None


def test_only_stages_that_ship_are_stages_of_an_edit() -> None:
    subject, ship = subject_of(TEXT)
    assert [stage.label for stage in stages_of(subject, ship, "*")] == ["Base", "1", "final"]
    assert stages_of(subject, ship, "unused") == ()


def candidates(text: str, at: str) -> list[str]:
    """The candidates that are shown for an address that finds nothing."""
    subject, ship = subject_of(text)
    (edit,) = overlay_with(f"{{id: x, at: '{at}', drop: true, why: w}}").edits
    shown = nothing_found(subject, ship, edit.at, "`x`")
    return (shown.help or "").split("\n")[1:]


@pytest.mark.parametrize(
    ("at", "nearest"),
    [
        ("1 / RUN / make al", "line 8: 1 / RUN / make all"),
        ("base / ENV / PATHS", "line 4: Base / ENV / PATH"),
        ("@global / ARG / VERSIONS", "line 1: @global / ARG / VERSION"),
        ("final / COPY / /opt/c", "line 15: final / COPY / COPY --from=1 --chmod=755 /opt/a"),
        ("1 / RUN / ~make [a]ny", "line 8: 1 / RUN / make all"),
    ],
)
def test_the_nearest_candidates_are_shown_where_an_address_finds_nothing(
    at: str, nearest: str
) -> None:
    assert candidates(TEXT, at)[0].startswith(nearest)


@pytest.mark.parametrize("at", ["base / WORKDIR", "base / RUN / zzzzzzzzzzz"])
def test_where_nothing_is_alike_no_candidate_is_made_up(at: str) -> None:
    assert candidates(TEXT, at) == []


def test_a_long_candidate_is_cut() -> None:
    text = f"FROM a AS final\nRUN configure {'--with-x ' * 20}\n"
    (shown,) = candidates(text, "final / RUN / configure --no")
    assert shown.endswith("…")
    assert len(shown) < 110


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ("unused", "the shipped stage doesn't need `unused`, so an edit there does nothing"),
        ("2", "the shipped stage doesn't need `2`, so an edit there does nothing"),
        ("fnal", "there is no stage `fnal`"),
    ],
)
def test_a_stage_that_is_not_built_is_told_from_one_that_is_not_there(
    stage: str, message: str
) -> None:
    assert refused(TEXT, f"{{id: x, at: '{stage} / RUN', swap: [a, b], why: w}}") == [
        ("MS522", 6, message)
    ]


def test_too_many_places_are_counted() -> None:
    assert refused(TEXT, "{id: x, at: '* / RUN / make', drop: true, why: w}") == [
        ("MS521", 6, "`x` finds 5 places at `* / RUN / make`, not 1")
    ]
