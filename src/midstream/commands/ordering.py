"""What a person ordered to promote: the policy, the images chosen, the values for their tags."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from midstream.adapters import files
from midstream.commands.proved import hold
from midstream.errors import UsageError
from midstream.promotion import policy as policies
from midstream.promotion.planning import Order
from midstream.promotion.reference import parse_digest
from midstream.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from midstream.cli import Workspace
    from midstream.overlay.model import Overlay
    from midstream.promotion.policy import Policy
    from midstream.promotion.reference import Digest
    from midstream.upstream.lock import Lock

_RENDERED = "rendered"
_UPSTREAM = "upstream"


def policy(workspace: Workspace) -> Policy:
    tree = files.Tree(workspace.root)
    data = tree.read(policies.PATH)
    if data is None:
        raise UsageError(
            f"there is no `{policies.PATH}` in `{workspace.root}`",
            help="run midstream in the root of an overlay tree, or name it with --root",
        )

    def overlay_of(target: str) -> Overlay:
        from midstream.overlay.load import load_overlay

        found = lock(tree)
        return load_overlay(tree, target, found.counts_as if found else None)

    return policies.read(Source.from_bytes(policies.PATH, data), overlay_of)


def order(
    workspace: Workspace,
    policy: Policy,
    *,
    now: datetime,
    seen_before: Callable[[str], str | None],
    names: tuple[str, ...],
    group: str | None,
    digests: tuple[str, ...],
    values: tuple[str, ...],
    allowed: tuple[str, ...],
) -> Order:
    tree = files.Tree(workspace.root)
    chosen = _chosen(policy, names, group)
    locked = lock(tree)
    given = _pairs(values, "--set NAME=VALUE")
    return Order(
        policy=policy,
        names=chosen,
        values={**_values(locked), **given},
        now=now,
        digests=_digests(digests, chosen),
        locked=_labels(tree, (policy.images[each].target for each in chosen)),
        allowed=_pairs(allowed, "--allow CODE=REASON"),
        committed=_committed(locked, given),
        seen_before=seen_before,
    )


def lock(tree: files.Tree) -> Lock | None:
    """The one upstream's; None where there are several, whose values a person has to give."""
    from midstream.upstream.lock import read_lock

    names = [each for each in tree.names(_UPSTREAM) if each.endswith(".lock.json")]
    if len(names) != 1:
        return None
    path = f"{_UPSTREAM}/{names[0]}"
    return read_lock(Source.from_bytes(path, tree.read(path) or b""))


def _chosen(policy: Policy, names: tuple[str, ...], group: str | None) -> tuple[str, ...]:
    for name in names:
        if name not in policy.images:
            known = ", ".join(policy.images)
            raise UsageError(f"there is no image `{name}` in the policy", help=f"known: {known}")
    if group is None:
        return names or _the_only_group(policy)
    if group not in policy.groups:
        known = ", ".join(policy.groups) or "none"
        raise UsageError(f"there is no group `{group}` in the policy", help=f"known: {known}")
    members = policy.groups[group].images
    for name in names:
        if name not in members:
            raise UsageError(f"`{name}` isn't in the group `{group}`")
    return names or members


def _the_only_group(policy: Policy) -> tuple[str, ...]:
    if len(policy.groups) == 1:
        return next(iter(policy.groups.values())).images
    if not policy.groups and len(policy.images) == 1:
        return tuple(policy.images)
    known = ", ".join(policy.groups) or ", ".join(policy.images)
    flag = "--group" if policy.groups else "--only"
    raise UsageError("say what to promote", help=f"`{flag}` takes one of: {known}")


def _values(locked: Lock | None) -> dict[str, str]:
    if locked is None:
        return {}
    numbers = locked.release.split(".")
    found = {
        "version": locked.release,
        "major": numbers[0],
        "minor": ".".join(numbers[:2]) if len(numbers) > 1 else "",
        "commit": locked.commit,
    }
    return {name: value for name, value in found.items() if value}


def _pairs(given: Iterable[str], shape: str) -> dict[str, str]:
    found = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not name or not equals or not value.strip():
            raise UsageError(f"`{each}` isn't `{shape}`")
        found[name] = value
    return found


def _digests(given: tuple[str, ...], names: tuple[str, ...]) -> dict[str, Digest]:
    found = {}
    for each in given:
        name, equals, digest = each.rpartition("=")
        if not equals and len(names) == 1:
            name = names[0]
        if name not in names:
            raise UsageError(
                f"`{each}` doesn't say which image's digest it is", help="--digest NAME=sha256:…"
            )
        found[name] = parse_digest(digest)
    return found


def _labels(tree: files.Tree, targets: Iterable[str | None]) -> Mapping[str, Mapping[str, str]]:
    """What the locked rebase of each target says an image has to be labelled with.

    Raises `Refused` where somebody changed what was rebased: its labels speak of another text.
    """
    found = {}
    for target in targets:
        for project in tree.names(_RENDERED) if target else ():
            path = f"{_RENDERED}/{project}/Dockerfile.{target}.ubi.build.json"
            data = tree.read(path)
            if data is not None and target:
                plan, found[target] = _read_labels(data, path)
                hold(tree, plan, target, builds=False)
    return found


def _read_labels(data: bytes, path: str) -> tuple[dict[str, Any], dict[str, str]]:
    """A build plan, and its labels."""
    try:
        plan: dict[str, Any] = json.loads(data)
        return plan, {str(name): str(value) for name, value in plan["labels"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UsageError(
            f"`{path}` is no build plan", help="`midstream rebase` writes it"
        ) from None


def _committed(locked: Lock | None, given: Mapping[str, str]) -> datetime | None:
    """When the commit was made: as it is said, or as the lock knows of its own commit."""
    if "committed" in given:
        said = _date(given["committed"])
        if said is None:
            raise UsageError(
                f"`{given['committed']}` is no time", help="--set committed=2026-11-02T10:12:56Z"
            )
        return said
    if locked is None or given.get("commit", locked.commit) != locked.commit:
        return None
    return _date(locked.date)


def _date(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None
