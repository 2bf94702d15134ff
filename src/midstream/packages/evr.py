"""Versions of RPMs: epoch, version and release, in the order that rpm has them."""

from __future__ import annotations

import re
from functools import cmp_to_key
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable

_PART = re.compile(r"~|\^|[0-9]+|[A-Za-z]+")


class Evr(Struct, frozen=True):
    """`1:2.34-5.el9`; an epoch of 0 isn't written."""

    epoch: str
    version: str
    release: str

    @classmethod
    def parse(cls, text: str) -> Evr:
        """What `str` gives, as a value again."""
        epoch, _, rest = text.rpartition(":")
        version, _, release = rest.rpartition("-")
        return cls(epoch or "0", version, release)

    def __str__(self) -> str:
        before = "" if self.epoch in ("", "0") else f"{self.epoch}:"
        return f"{before}{self.version}-{self.release}"


def newest(found: Iterable[Evr]) -> Evr:
    """The highest of some versions, of which there is at least one."""
    return max(found, key=cmp_to_key(compare))


def compare(one: Evr, other: Evr) -> int:
    """Less than 0 where `one` is older, more where it is newer."""
    return (
        compare_texts(one.epoch or "0", other.epoch or "0")
        or compare_texts(one.version, other.version)
        or compare_texts(one.release, other.release)
    )


def compare_texts(one: str, other: str) -> int:
    """rpm's order of two versions or releases: -1, 0 or 1.

    Numbers by their value, letters by their code, a number above letters; `~` is older than the
    end of the text, `^` newer than it and older than anything else (rpm-version(7)).
    """
    ours, theirs = _PART.findall(one), _PART.findall(other)
    for mine, its in zip(ours, theirs, strict=False):
        answer = _compare_parts(mine, its)
        if answer:
            return answer
    shared = min(len(ours), len(theirs))
    if len(ours) == len(theirs):
        return 0
    longer, sign = (ours, 1) if len(ours) > shared else (theirs, -1)
    return -sign if longer[shared] == "~" else sign


def _compare_parts(one: str, other: str) -> int:
    if one == other:
        return 0
    for mark, sign in (("~", -1), ("^", -1)):
        if mark in (one, other):
            return sign if one == mark else -sign
    if one.isdigit() and other.isdigit():
        mine, its = one.lstrip("0"), other.lstrip("0")
        ours, theirs = (len(mine), mine), (len(its), its)
        return (ours > theirs) - (ours < theirs)
    if one.isdigit() or other.isdigit():
        return 1 if one.isdigit() else -1
    return 1 if one > other else -1
