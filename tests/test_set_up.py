"""`set_up('repository')` in a fragment: the command that enables it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from demo import make
from midstream.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

EDIT = """\
repositories: [epel]
edits:
  - id: tool
    at: "@ship"
    why: a test
    end: {text: "RUN {{ set_up('NAME') }} && dnf install -y tool"}
"""


def test_a_fragment_enables_a_repository_as_the_table_says(tmp_path: Path) -> None:
    text = make(tmp_path, body=EDIT.replace("NAME", "epel")).rebase().result.text
    assert "RUN dnf install -y https://dl.fedoraproject.org/pub/epel/epel-release-latest-9" in text


@pytest.mark.parametrize("name", ["eple", "rhel"])
def test_what_cannot_be_set_up_is_said_with_what_can(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=f"`{name}` can't be set up with dnf on ubi9") as caught:
        make(tmp_path, body=EDIT.replace("NAME", name)).rebase()
    assert "epel" in (caught.value.help or "")
