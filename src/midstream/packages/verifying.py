"""Claims against what repositories answer: what is missing, elsewhere, hidden, or new."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.diagnostic import Diagnostic, Place, Severity
from midstream.packages.answers import unnamed
from midstream.packages.evr import Evr, newest
from midstream.packages.rules import (
    DROPPED,
    ELSEWHERE,
    FROM_ANOTHER,
    MISSING,
    NOT_IN_LOCK,
    NOT_LOOKED_UP,
    ONLY_IN_MODULE,
    PROVIDED,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from midstream.diagnostic import Rule
    from midstream.packages.answers import Answers, Sighting
    from midstream.packages.claims import Claim
    from midstream.ubi.tables import Package, Repository


class Verdict(Struct, frozen=True):
    """What one architecture's repositories make of a claim; `found` where all is well."""

    rule: Rule | None
    severity: Severity = Severity.INFO
    message: str = ""
    help: str = ""
    found: bool = False

    @property
    def is_wrong(self) -> bool:
        """Whether a package is not where it has to be."""
        return self.rule in (MISSING, ELSEWHERE, ONLY_IN_MODULE) and not self.found

    @property
    def is_unknown(self) -> bool:
        """Whether nobody could say."""
        return self.rule in (NOT_LOOKED_UP, NOT_IN_LOCK) or self is UNREAD


_GOOD = Verdict(None, found=True)
NOT_FOR_IT = Verdict(None)
"""The row's repositories have nothing for this architecture."""
UNREAD = Verdict(None)
"""A repository that it may be in could not be read: that failure is shown by itself."""


def judged(claim: Claim, answers: Answers, repositories: Mapping[str, Repository]) -> Verdict:
    """What the repositories of one platform and architecture make of a claim."""
    if not claim.wanted:
        return _unsure(claim)
    found = answers.find(claim.wanted)
    if found is None:
        return Verdict(
            NOT_IN_LOCK, Severity.ERROR, f"the lock doesn't know `{claim.wanted}`",
            "run: midstream packages lock --all",
        )  # fmt: skip
    here = [each for each in found if each.row in claim.repositories]
    seen = [each for each in here if not each.streams]
    if seen:
        return _another(claim, seen, repositories) or _seen(claim, seen, found)
    if _is_for_others(claim, answers.arch, repositories):
        return NOT_FOR_IT
    if any(name in answers.unread for name in claim.repositories):
        return UNREAD
    if claim.unsure:
        return _unsure(claim)
    return _not_seen(claim, here, found, _blind(claim, repositories))


_PRIORITY = re.compile(r"\bpriority\s*=\s*(\d+)")


def _another(
    claim: Claim, seen: list[Sighting], repositories: Mapping[str, Repository]
) -> Verdict | None:
    """What is wrong where dnf takes a target's package from another repository than its row's.

    UBI's own is never wrong: a row names another repository for what UBI hasn't.
    """
    row, named = claim.row, [each for each in seen if each.by == "name"]
    if row is None or not claim.target or len({each.row for each in named}) < 2:
        return None
    by_priority: defaultdict[int, list[Sighting]] = defaultdict(list)
    for each in named:
        by_priority[_priority(repositories.get(each.row))].append(each)
    first = by_priority[min(by_priority)]
    evr = str(newest(Evr.parse(each.evr) for each in first))
    taken = next(each for each in first if each.evr == evr)
    meant = [each for each in named if row.repository in _provided(repositories, each.row)]
    if not meant or taken.row in {"ubi", *(each.row for each in meant)}:
        return None
    return Verdict(
        FROM_ANOTHER, Severity.WARNING,
        f"dnf takes `{claim.wanted}` from `{taken.row}` ({taken.evr}), and its row names "
        f"`{row.repository}` ({meant[0].evr})",
        f"set `{meant[0].row}` up with a lower priority, or leave `{taken.row}` out",
        found=True,
    )  # fmt: skip


def _priority(repository: Repository | None) -> int:
    texts = repository.set_up.values() if repository is not None else ()
    found = _PRIORITY.search("\n".join(texts))
    return int(found[1]) if found is not None else 99


def _provided(repositories: Mapping[str, Repository], name: str) -> tuple[str, ...]:
    repository = repositories.get(name)
    return repository.provides if repository is not None else (name,)


def _blind(claim: Claim, repositories: Mapping[str, Repository]) -> list[str]:
    """The repositories that it may come from and that nobody can read from here.

    A row has to hold for whichever of them a target enables, so one that can be read is enough to
    say that it is wrong. A result has them all.
    """
    at_hand = [repositories[name] for name in claim.repositories if name in repositories]
    row = claim.row
    if row is not None:
        at_hand = [each for each in at_hand if row.repository in each.provides] or at_hand
    unreadable = [each.name for each in at_hand if not each.metadata]
    if not claim.target and len(unreadable) < len(at_hand):
        return []
    return unreadable if at_hand else list(claim.repositories)


def _is_for_others(claim: Claim, arch: str, repositories: Mapping[str, Repository]) -> bool:
    """Whether a row's repositories have packages, and none for this architecture. A result's
    install is never excused by that."""
    at_hand = [repositories[name] for name in claim.repositories if name in repositories]
    read = [part for each in at_hand for part in each.metadata]
    return not claim.target and bool(read) and not any(arch in part.arches for part in read)


def _unsure(claim: Claim) -> Verdict:
    name = f"`{claim.wanted}` was not found, and " if claim.wanted else ""
    severity = Severity.INFO if claim.foreign else Severity.WARNING
    return Verdict(NOT_LOOKED_UP, severity, f"{name}{claim.unsure}")


def _seen(claim: Claim, seen: list[Sighting], found: Iterable[Sighting]) -> Verdict:
    named = [each for each in seen if each.by == "name"]
    others = sorted({each.name for each in seen})
    if not named and len(others) > 1:
        listed = ", ".join(f"`{name}`" for name in others[:5])
        return Verdict(
            PROVIDED, Severity.WARNING,
            f"`{claim.wanted}` is no package, and several provide it: {listed}",
            "name the one that is meant",
            found=True,
        )  # fmt: skip
    in_ubi = any(each.row == "ubi" and not each.streams and each.by == "name" for each in found)
    if in_ubi and not claim.target and "ubi" not in claim.repositories:
        return Verdict(
            ELSEWHERE, Severity.INFO,
            f"`{claim.wanted}` is in UBI too, though its row names `{_from(claim)}`",
            "take `from:` out, and no other repository has to be enabled for it",
            found=True,
        )  # fmt: skip
    return _GOOD


def _not_seen(
    claim: Claim, here: list[Sighting], found: Iterable[Sighting], blind: list[str]
) -> Verdict:
    severity = Severity.WARNING if claim.perhaps else Severity.ERROR
    if here:
        streams = sorted({stream for each in here for stream in each.streams})
        return Verdict(
            ONLY_IN_MODULE, severity,
            f"`{claim.wanted}` is only in streams of modules: {', '.join(streams)}",
            f"enable one before the install: dnf module enable -y {streams[-1]}",
        )  # fmt: skip
    if blind:
        names = ", ".join(f"`{name}`" for name in blind)
        return Verdict(
            NOT_LOOKED_UP, Severity.WARNING,
            f"`{claim.wanted}` can't be looked up: nothing says where {names} can be read",
            "give it `metadata:` in overlays/_shared/repositories.yaml",
        )  # fmt: skip
    elsewhere = sorted({each.row for each in found if not each.streams})
    if elsewhere:
        return _elsewhere(claim, elsewhere, severity)
    names = " or ".join(f"`{name}`" for name in claim.repositories)
    return Verdict(
        MISSING, severity, f"there is no package `{claim.wanted}` in {names}",
        f"see what has it: dnf provides '*{unnamed(claim.wanted)}*'"
        + ("; then correct the row" if claim.row is not None else ""),
    )  # fmt: skip


def _elsewhere(claim: Claim, elsewhere: list[str], severity: Severity) -> Verdict:
    names = ", ".join(f"`{name}`" for name in elsewhere)
    if claim.target:
        return Verdict(
            ELSEWHERE, severity,
            f"`{claim.wanted}` is in {names}, which `{claim.target}` doesn't enable",
            f"add `{elsewhere[0]}` to `repositories:` of the overlay",
        )  # fmt: skip
    return Verdict(
        ELSEWHERE, severity,
        f"`{claim.wanted}` is in {names}, and its row names `{_from(claim)}`",
        f"write `from: {elsewhere[0]}` if that is meant" if elsewhere[0] != "ubi"
        else "take `from:` out",
    )  # fmt: skip


def _from(claim: Claim) -> str:
    return claim.row.repository if claim.row is not None else "ubi"


# --- the findings ---


class Judgement(Struct, frozen=True):
    """A claim, the platform and architecture that it was looked up for, and the verdict."""

    claim: Claim
    platform: str
    arch: str
    verdict: Verdict


def findings(judgements: Iterable[Judgement]) -> Iterator[Diagnostic]:
    """One finding for each thing that is wrong on a platform, however many say so.

    What a row lacks on some architectures only is a warning: it may serve the targets that are
    built for the others.
    """
    said: defaultdict[tuple[Place, Rule, str, str], list[Judgement]] = defaultdict(list)
    fine: set[tuple[Place, str, str]] = set()
    for each in judgements:
        claim, verdict = each.claim, each.verdict
        if verdict.rule is not None:
            said[_place(claim), verdict.rule, verdict.message, each.platform].append(each)
        if verdict.found:
            fine.add((_place(claim), claim.wanted, each.platform))
    for (place, rule, message, platform), several in said.items():
        claim, verdict = several[0].claim, several[0].verdict
        partly = (place, claim.wanted, platform) in fine and not claim.target
        worst = max((each.verdict.severity for each in several), key=_ORDER.index)
        yield Diagnostic(
            rule=rule,
            severity=min(worst, Severity.WARNING, key=_ORDER.index) if partly else worst,
            message=message,
            source=place.source,
            span=place.span,
            help=verdict.help or None,
            context=_context(several),
            also=_also(claim),
        )


_ORDER = (Severity.INFO, Severity.WARNING, Severity.ERROR)


def _place(claim: Claim) -> Place:
    """A wrong row is shown at the row, also where a result made it matter."""
    return claim.row.place if claim.row is not None else claim.place


def _also(claim: Claim) -> Place | None:
    if claim.row is None or not claim.target:
        return None
    return Place(claim.place.source, claim.place.span, f"`{claim.target}` installs it")


def _context(several: list[Judgement]) -> str:
    """`ubi9 for x86_64, s390x; rocm, stage final`"""
    arches = ", ".join(dict.fromkeys(each.arch for each in several))
    targets = dict.fromkeys(each.claim.target for each in several if each.claim.target)
    within = dict.fromkeys(each.claim.within for each in several if each.claim.within)
    where = [*targets, *within] if len(targets) == len(within) == 1 else [*targets]
    build = f"{several[0].platform} for {arches}"
    return f"{build}; {', '.join(where)}" if where else build


def news(rows: Iterable[Package], answers: Answers) -> Iterator[tuple[Package, str]]:
    """The dropped rows whose names packages have, and in which repositories."""
    for row in rows:
        named = [each for each in answers.find(row.debian) or () if each.by == "name"]
        if named:
            yield row, ", ".join(dict.fromkeys(f"`{each.row}`" for each in named))


def as_news(found: Iterable[tuple[Package, str]], build: str) -> Iterator[Diagnostic]:
    """A finding for each of them. `build` says for which platform and architectures."""
    for row, where in found:
        yield Diagnostic(
            rule=DROPPED,
            severity=Severity.INFO,
            message=f"`{row.debian}` is dropped, and {where} has a package of that name",
            source=row.place.source,
            span=row.place.span,
            help="leave the row as it is, if its reason still holds",
            context=build,
        )
