from __future__ import annotations

import random
import shutil
import subprocess

from midstream.packages.evr import Evr, compare, compare_texts, newest

PIECES = ["1", "10", "010", "2", "a", "b", "rc", "A", ".", "_", "~", "^", "git", "0"]


def rpm_says(pairs: list[tuple[str, str]]) -> list[int]:
    """What rpm itself makes of pairs of versions."""
    calls = "".join(f"print(rpm.vercmp('{one}','{other}'), '') " for one, other in pairs)
    words = [shutil.which("rpm") or "rpm", "--eval", f"%{{lua: {calls}}}"]
    done = subprocess.run(words, capture_output=True, check=True, timeout=60)
    return [int(each) for each in done.stdout.split()]


def test_texts_are_in_the_order_that_rpm_has_them() -> None:
    chance = random.Random(9)  # noqa: S311 - the same pairs each time
    texts = ["".join(chance.choices(PIECES, k=chance.randint(1, 5))) for _ in range(600)]
    pairs = list(zip(texts[::2], texts[1::2], strict=True))
    pairs += [(one, one + more) for one in texts[:50] for more in ("", "~1", "^1", ".1", "a")]
    assert [compare_texts(*pair) for pair in pairs] == rpm_says(pairs)


def test_an_epoch_is_above_every_version() -> None:
    assert compare(Evr("1", "1.0", "1"), Evr("0", "9.0", "1")) > 0
    assert compare(Evr("", "1.0", "1"), Evr("0", "1.0", "1")) == 0
    assert compare(Evr("0", "1.0", "2.el9"), Evr("0", "1.0", "10.el9")) < 0


def test_numbers_may_be_longer_than_any_that_python_reads() -> None:
    assert compare_texts("9" * 9000, "8" * 9001) < 0
    assert newest([Evr("0", "2", "1"), Evr("0", "10", "1")]).version == "10"


def test_a_version_is_read_as_it_is_written() -> None:
    for text in ("1:2.34-5.el9", "2.34-5.el9"):
        assert str(Evr.parse(text)) == text
