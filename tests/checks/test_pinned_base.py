from __future__ import annotations

from assumptions.looking import UBI, told, view
from midstream.checks.pinned_base import check
from midstream.diagnostic import Severity

DIGEST = f"{UBI}@sha256:{'0' * 64}"


def test_an_image_without_a_digest_is_found_once() -> None:
    text = (
        f"FROM {UBI} AS a\nFROM {UBI}\nCOPY --from=busybox:1 /a /a\nCOPY --from=busybox:1 /b /b\n"
    )
    found = list(check(view(text)))
    assert told(found) == [("MS354", 1, UBI), ("MS354", 3, "--from=busybox:1")]
    assert {each.severity for each in found} == {Severity.WARNING}


def test_a_mount_names_an_image_too() -> None:
    text = f"FROM {DIGEST}\nRUN --mount=type=bind,from=tool:1,target=/t make\n"
    assert told(check(view(text))) == [("MS354", 2, "from=tool:1")]


def test_digests_stages_and_scratch_are_fine() -> None:
    text = f"FROM {DIGEST} AS a\nFROM scratch AS b\nFROM a\nCOPY --from=b /a /a\n"
    assert told(check(view(text))) == []
