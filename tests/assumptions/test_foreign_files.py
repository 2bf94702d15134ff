from __future__ import annotations

import pytest

from assumptions.looking import MANYLINUX, MINIMAL, look, on_ubi, sibling, told
from midstream.assumptions.foreign_files import check


@pytest.mark.parametrize(
    ("line", "marked"),
    [
        ("COPY --from=debian:12 /usr/bin/x /usr/bin/", "--from=debian:12"),
        ("ONBUILD COPY --from=ubuntu:24.04 /x /", "--from=ubuntu:24.04"),
        ("RUN --mount=type=bind,from=ubuntu:24.04,target=/u cp /u/x /", "from=ubuntu:24.04"),
    ],
)
def test_files_of_a_debian_image_are_found(line: str, marked: str) -> None:
    (found,) = check(look(on_ubi(line)))
    assert told([found]) == [("MS321", 2, marked)]
    assert found.is_error


@pytest.mark.parametrize(
    "line",
    [
        f"COPY --from={MINIMAL} /usr/bin/x /usr/bin/",
        "COPY --from=ghcr.io/someone/static:1 /x /",  # a rebase asks about it the first time
        "COPY --from=debian /usr/bin/x /usr/bin/",  # the stage below
        "COPY --from=quay.io/a/b:1 /x /",
    ],
)
def test_a_stage_or_another_image_is_fine(line: str) -> None:
    text = f"FROM {MINIMAL} AS debian\n" + on_ubi(line)
    assert told(check(look(text, siblings=sibling("quay.io/a/b:1")))) == []


def test_a_base_that_is_kept_is_nobodys_business() -> None:
    line = "COPY --from=debian:12 /usr/bin/x /usr/bin/"
    assert told(check(look(on_ubi(line, base=MANYLINUX)))) == []
