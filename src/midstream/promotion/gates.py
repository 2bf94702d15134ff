"""What an image must be before it gets a name: each gate is a function from an image to findings.

They read what the image itself says (its index, its settings), and never a tag or a build log.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.diagnostic import Rule, Severity, counted
from midstream.errors import Refused
from midstream.promotion.plan import Finding
from midstream.promotion.policy import Profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from midstream.promotion.image import Image, Part
    from midstream.promotion.plan import Plan
    from midstream.promotion.policy import ImagePolicy

BUILT_FROM = ("io.midstream.upstream", "io.midstream.overlay", "io.midstream.ledger")
EXPIRES = "quay.expires-after"
_SEVEN = ("name", "vendor", "version", "release", "summary", "description", "maintainer")
_RED_HAT = r"[^a-z0-9]*red[^a-z0-9]*hat"
_MOST_LAYERS = 40


class Wanted(Struct, frozen=True):
    """What an image is held against. `locked`: the labels of its rebase's `.build.json`.

    `locked` of None: the image has no target, so no rebase to come from. `values` fill in the
    labels that the policy requires.
    """

    policy: ImagePolicy
    values: Mapping[str, str]
    locked: Mapping[str, str] | None
    now: datetime


def findings(image: Image, wanted: Wanted) -> tuple[Finding, ...]:
    """All that is wrong, sorted by code."""
    found = [each for gate in _GATES for each in gate(image, wanted)]
    for part in image.parts:
        for rule in _PART_GATES:
            for each in rule(part, wanted):
                message = f"{each.message} ({part.platform})" if image.is_index else each.message
                found.append(Finding(each.code, each.name, message, each.help, each.severity))
    return tuple(dict.fromkeys(sorted(found, key=lambda each: (each.code, each.message))))


def refuse_what_became_too_old(plan: Plan, now: datetime) -> None:
    """What was young enough when the plan was made may be too old when it is applied."""
    for unit in plan.units:
        too_old = unit.until and now > datetime.fromisoformat(unit.until)
        if too_old and TOO_OLD.code not in unit.allowed:
            raise Refused(
                f"`{unit.name}` has become too old for its policy since it was planned "
                f"[{TOO_OLD.code}]",
                help="build and test a newer one; `max-age:` in promotion.yaml is the rule",
            )


def _is_an_image(image: Image, _wanted: Wanted) -> Iterator[Finding]:
    if not image.parts and not image.missing and not image.nested:
        kind = image.manifest.media_type or "nothing that says what it is"
        yield Finding.of(NO_IMAGE, f"there is no image in it: {kind}")


def _is_whole(image: Image, _wanted: Wanted) -> Iterator[Finding]:
    for digest in image.missing:
        yield Finding.of(
            INCOMPLETE, f"its index names `{digest[:19]}`, which isn't there", "build it again"
        )


def _is_flat(image: Image, _wanted: Wanted) -> Iterator[Finding]:
    for digest in image.nested:
        yield Finding.of(
            NESTED, f"its index holds another index, `{digest[:19]}`", "push the images, not lists"
        )


def _keeps_its_bytes(image: Image, _wanted: Wanted) -> Iterator[Finding]:
    for digest in image.odd:
        yield Finding.of(
            ODD_ENTRY,
            f"the entry `{digest[:19]}` of its index has an `artifactType`",
            "skopeo before 1.15 writes such an index anew; attach artifacts as referrers",
        )


def _platforms(image: Image, wanted: Wanted) -> Iterator[Finding]:
    there = set(image.platforms)
    # An amd64 image with a variant is an amd64 image; an arm/v7 is no arm64.
    there |= {each.rpartition("/")[0] for each in there if each.count("/") == 2}
    for platform in wanted.policy.platforms:
        if platform not in there:
            shown = ", ".join(image.platforms) or "none"
            yield Finding.of(NO_PLATFORM, f"it has no {platform}; it has {shown}")


def _age(image: Image, wanted: Wanted) -> Iterator[Finding]:
    most, created = wanted.policy.max_age, image.created
    if most is None or created is None:
        return
    age = wanted.now - created
    if age > most:
        message = f"it was built {shown_age(age)} ago, and {shown_age(most)} is the most"
        yield Finding.of(TOO_OLD, message, "build and test a newer one")


def _expires(part: Part, _wanted: Wanted) -> Iterator[Finding]:
    if EXPIRES in part.labels:
        yield Finding.of(
            EXPIRING,
            f"it is labelled `{EXPIRES}={part.labels[EXPIRES]}`, and would be deleted then",
            "build it without that label",
        )


def _required_labels(part: Part, wanted: Wanted) -> Iterator[Finding]:
    for name, template in wanted.policy.labels.require.items():
        value = part.labels.get(name)
        if not value:
            yield Finding.of(LABEL_MISSING, f"it has no label `{name}`")
        elif template is not None and value != (expected := template.render(wanted.values)):
            message = f"its label `{name}` is `{_short(value)}`, and not `{_short(expected)}`"
            yield Finding.of(LABEL_WRONG, message)


def _refused_labels(part: Part, wanted: Wanted) -> Iterator[Finding]:
    for name in wanted.policy.labels.refuse:
        if name in part.labels and name != EXPIRES:
            yield Finding.of(LABEL_REFUSED, f"it has the label `{name}`")


def _locked(part: Part, wanted: Wanted) -> Iterator[Finding]:
    if wanted.locked is None:
        return
    target = wanted.policy.target
    rebase = f"midstream rebase --target {target}"
    for name in BUILT_FROM:
        expected, value = wanted.locked.get(name), part.labels.get(name)
        if not expected:
            message = f"there is no locked rebase of `{target}` to compare `{name}` with"
            yield Finding.of(NOT_LOCKED, message, rebase)
        elif not value:
            message = f"it has no label `{name}`, so nobody knows what it was built from"
            yield Finding.of(
                NOT_LOCKED, message, f"build it with `midstream build-args` of {target}"
            )
        elif value != expected:
            message = (
                f"it was built from `{name}={_short(value)}`, and `{_short(expected)}` is locked"
            )
            yield Finding.of(NOT_LOCKED, message, f"build it again after `{rebase}`")


def _user(part: Part, wanted: Wanted) -> Iterator[Finding]:
    if wanted.policy.profile is Profile.NONE:
        return
    name = part.user.partition(":")[0]
    if name in ("", "root") or (name.isdigit() and int(name) == 0):
        yield Finding.of(ROOT, f"it runs as root: its user is `{part.user}`", "USER 2000")
    elif wanted.policy.profile is Profile.REDHAT and not name.isdigit():
        message = f"its user `{part.user}` is no number, so nobody can verify that it isn't root"
        yield Finding.of(NAMED_USER, message, "USER 2000")


def _preflight(part: Part, wanted: Wanted) -> Iterator[Finding]:
    if wanted.policy.profile is not Profile.REDHAT:
        return
    for name in _SEVEN:
        if not part.labels.get(name):
            yield Finding.of(PREFLIGHT, f"certification wants a label `{name}`")
    for name in ("name", "vendor", "maintainer"):
        value = part.labels.get(name, "")
        if re.match(_RED_HAT, value, re.IGNORECASE) and "for red hat" not in value.lower():
            yield Finding.of(
                PREFLIGHT, f"its label `{name}` claims to be Red Hat's: `{_short(value)}`"
            )
    if part.layers > _MOST_LAYERS:
        message = f"it has {part.layers} layers, and certification warns above {_MOST_LAYERS}"
        yield Finding.of(PREFLIGHT, message, severity=Severity.WARNING)


def _ports(part: Part, wanted: Wanted) -> Iterator[Finding]:
    if wanted.policy.profile is Profile.NONE:
        return
    for port in part.exposed:
        number = port.partition("/")[0]
        if number.isdigit() and int(number) < 1024:
            message = f"it exposes port {number}, which only root may open"
            yield Finding.of(PORT, message, severity=Severity.WARNING)


def shown_age(age: timedelta) -> str:
    """For a person: 3 days, 5 hours."""
    if age < timedelta(0):
        return "no time"
    number, unit = (age.days, "day") if age.days else (age.seconds // 3600, "hour")
    return counted(number, unit)


def _short(value: str) -> str:
    return value if len(value) <= 48 else f"{value[:45]}…"


_GATES: tuple[Callable[[Image, Wanted], Iterator[Finding]], ...] = (
    _is_an_image, _is_whole, _is_flat, _keeps_its_bytes, _platforms, _age,
)  # fmt: skip
_PART_GATES: tuple[Callable[[Part, Wanted], Iterator[Finding]], ...] = (
    _expires, _required_labels, _refused_labels, _locked, _user, _preflight, _ports,
)  # fmt: skip

NO_PLATFORM = Rule(
    "MS412",
    "missing-platform",
    """\
The image has no variant for a platform that `platforms:` requires.

**Why it matters.** Whoever pulls the tag on that platform gets an error where it worked before.
An index copied without all of its platforms looks the same by its tag.

**Way out.** Build and test the platform that is missing, or take it out of `promotion.yaml`.
""",
)
NESTED = Rule(
    "MS413",
    "nested-index",
    """\
The image's index has another index in it.

**Why it matters.** No container engine pulls through two levels, and skopeo refuses to copy it.

**Way out.** `podman manifest add` and `docker buildx imagetools create` take images: name those.
""",
)
EXPIRING = Rule(
    "MS414",
    "expiring-image",
    """\
The image has the label `quay.expires-after`.

**Why it matters.** quay reads that label at every push and deletes the tag when the time has come:
a promoted release would vanish from under its users.

**Way out.** Build without it; CI's own tags can expire by quay's settings instead.
""",
)
LABEL_MISSING = Rule(
    "MS415",
    "label-missing",
    """\
The image lacks a label that `labels: {require: …}` in `promotion.yaml` names.

**Way out.** Build it with that label: `midstream build-args --target T` prints those of the rebase.
""",
)
LABEL_REFUSED = Rule(
    "MS416",
    "label-refused",
    """\
The image has a label that `labels: {refuse: …}` in `promotion.yaml` forbids.

**Way out.** Build it without that label.
""",
)
ROOT = Rule(
    "MS417",
    "runs-as-root",
    """\
The image runs as root when nobody says otherwise: its `User` is empty, `0` or `root`.

**Why it matters.** OpenShift runs it as another user, where it then can't write; elsewhere it has
more rights than it needs. openshift-preflight refuses it (`RunAsNonRoot`).

**Way out.** End the Dockerfile with `USER 2000`.
""",
)
NOT_LOCKED = Rule(
    "MS418",
    "not-the-locked-rebase",
    """\
The image doesn't say that it was built from what is locked here: the upstream commit, the overlay
and the ledger in its labels are others than those in the rebase's `.build.json`, or missing.

**Why it matters.** Then what was reviewed isn't what was built. Nothing else connects an image with
the decisions that were taken for it.

**Way out.** Rebase, build with the labels of `.build.json`, test, and promote that. To promote it
all the same, say why: `--allow MS418="hotfix, built by hand"`; the reason goes into the record.
""",
)
TOO_OLD = Rule(
    "MS419",
    "too-old",
    """\
The image was built longer ago than `max-age:` allows.

**Why it matters.** Its base has had security updates since.

**Way out.** Build and test it again.
""",
)
INCOMPLETE = Rule(
    "MS422",
    "incomplete-image",
    """\
The image's index names an image that isn't in the repository.

**Why it matters.** skopeo stops in the middle of such a copy.

**Way out.** Push it again, with all platforms (`--all`).
""",
)
NO_IMAGE = Rule(
    "MS423",
    "no-image",
    """\
What the source holds is no container image: an artifact, a chart, or the format of 2014.

**Way out.** Look at the tag's template under `source:` in `promotion.yaml`.
""",
)
LABEL_WRONG = Rule(
    "MS424",
    "label-wrong",
    """\
A label that `labels: {require: …}` gives a value for has another one.

**Way out.** Promote the image that was built for these values, or build it again.
""",
)
PREFLIGHT = Rule(
    "MS425",
    "certification",
    """\
The image would not pass openshift-preflight: one of the seven labels is missing (name, vendor,
version, release, summary, description, maintainer), or claims to be Red Hat's own.

An image inherits the labels of UBI, which say `Red Hat, Inc.`; the shipped stage sets its own.

Source: openshift-preflight, `HasRequiredLabel`, `HasNoProhibitedLabels`, `LayerCountAcceptable`.
""",
)
NAMED_USER = Rule(
    "MS426",
    "named-user",
    """\
The image's user is a name. Kubernetes can only verify `runAsNonRoot` for a number.

**Way out.** `USER 2000` in place of `USER vllm`.
""",
)
PORT = Rule(
    "MS427",
    "privileged-port",
    """\
The image exposes a port below 1024, which only root may open.

**Way out.** `EXPOSE 8000`.
""",
)
ODD_ENTRY = Rule(
    "MS428",
    "artifact-in-index",
    """\
An entry of the image's index has an `artifactType`.

**Why it matters.** skopeo before 1.15 doesn't know the field: it writes the index anew without it,
so the digest that was tested is not what arrives, or it stops with words about converting a list.

**Way out.** Attach artifacts as referrers, and leave the index to images.
""",
)
RULES = (
    NO_PLATFORM, NESTED, EXPIRING, LABEL_MISSING, LABEL_REFUSED, ROOT, NOT_LOCKED, TOO_OLD,
    INCOMPLETE, NO_IMAGE, LABEL_WRONG, PREFLIGHT, NAMED_USER, PORT, ODD_ENTRY,
)  # fmt: skip
