"""Whether a promotion could be done from here: looked at one by one, before it is night.

Each check is a value with a rule; nothing is changed but an upload that is begun and cancelled,
and that only where writing is asked about.
"""

from __future__ import annotations

import json
import re
import stat
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.adapters import authfile
from midstream.adapters.authfile import CannotLogIn
from midstream.adapters.registry_errors import NotFound
from midstream.diagnostic import Rule, Severity
from midstream.errors import Exit, MidstreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from midstream.adapters.http import Reply
    from midstream.adapters.registry import Registry
    from midstream.promotion.attachments import Side

OLDEST_SKOPEO = (1, 9, 0)
_VERSION = re.compile(r"skopeo version (\d+)\.(\d+)(?:\.(\d+))?")
_SKEW = 60.0  # seconds: tokens live for minutes, and are dated


class Check(Struct, frozen=True):
    """One thing that was looked at. `severity` is None where it is well."""

    about: str
    message: str
    severity: Severity | None = None
    rule: Rule | None = None
    help: str | None = None
    exit_code: Exit = Exit.OK

    @property
    def is_well(self) -> bool:
        return self.severity is None


def exit_code(checks: Iterable[Check]) -> Exit:
    return Exit.worst(each.exit_code for each in checks if each.severity is Severity.ERROR)


def check_skopeo(version: Callable[[], str]) -> Check:
    """`version` gives what `skopeo --version` prints, or raises as `process` does."""
    try:
        said = version()
    except MidstreamError as error:
        return _bad("skopeo", error, SKOPEO, "install skopeo 1.9 or newer")
    found = _VERSION.search(said)
    if found is None:
        message = "`skopeo --version` says nothing that is a version"
        return Check("skopeo", message, Severity.ERROR, SKOPEO, None, Exit.OUTSIDE)
    numbers = tuple(int(each or 0) for each in found.groups())
    shown = ".".join(str(each) for each in numbers)
    if numbers < OLDEST_SKOPEO:
        wanted = ".".join(str(each) for each in OLDEST_SKOPEO)
        message = f"skopeo {shown} is older than {wanted}"
        way_out = "install a newer skopeo; Debian 12 and RHEL 9 have one"
        return Check("skopeo", message, Severity.ERROR, SKOPEO, way_out, Exit.OUTSIDE)
    return Check("skopeo", f"version {shown}")


def check_policy(path: Path) -> Check:
    """The signature policy that skopeo is given."""
    about = f"policy {path}"
    try:
        content = json.loads(path.read_bytes())
        default = [each["type"] for each in content["default"]]
    except OSError as error:
        message = f"can't read it: {(error.strerror or '').lower()}"
        return Check(about, message, Severity.ERROR, POLICY, _POLICY_HELP, Exit.OUTSIDE)
    except (ValueError, KeyError, TypeError, RecursionError):
        message = "it is no policy: there is no `default` in it"
        return Check(about, message, Severity.ERROR, POLICY, _POLICY_HELP, Exit.OUTSIDE)
    if "reject" in default:
        message = "images are refused unless their registry is named under `transports`"
        return Check(about, message, Severity.WARNING, POLICY)
    return Check(about, f"by default: {', '.join(map(str, default)) or 'nothing'}")


def check_authfile(path: Path | None, wanted: Iterable[tuple[str, str]] = ()) -> Check:
    """The file with the logins; by default the one that is found where skopeo looks, too.

    `wanted` are the repositories that it is for: where a registry is called, and the path there.
    """
    try:
        logins = authfile.read(path)
        without = _without_login(logins, wanted)
    except CannotLogIn as error:
        return _bad("logins", error, LOGINS)
    if logins.path is None:
        where = f" for {without}" if without else ""
        return Check("logins", f"there are none{where}; only public repositories can be read")
    about = f"logins {logins.path}"
    mode = stat.S_IMODE(logins.path.stat().st_mode)
    if mode & 0o077:
        message = f"others may read or change it: its mode is {mode:04o}"
        return Check(about, message, Severity.WARNING, LOGINS, f"chmod 600 {logins.path}")
    lacks = f"; none in it for {without}" if without else ""
    return Check(about, f"readable, and only for its owner{lacks}")


def _without_login(logins: authfile.Authfile, wanted: Iterable[tuple[str, str]]) -> str:
    """The registries of which no repository has a login."""
    found: dict[str, bool] = {}
    for host, repository in sorted(wanted):
        found[host] = found.get(host) or logins.credentials(host, repository) is not None
    return ", ".join(f"`{host}`" for host, has_one in found.items() if not has_one)


def check_registry(registry: Registry, now: float) -> tuple[Check, ...]:
    """That it answers, over what, and what time it has. `now` is in seconds since 1970."""
    about = registry.endpoint.host
    try:
        reply = registry.ping()
    except MidstreamError as error:
        return (_bad(about, error, CONNECTION),)
    said = "plain http, as the registries file says" if registry.endpoint.plain else "TLS, trusted"
    severity = Severity.WARNING if registry.endpoint.plain else None
    rule = CONNECTION if registry.endpoint.plain else None
    return (Check(about, f"answers over {said}", severity, rule), _clock(about, reply, now))


def check_readable(side: Side, *, must_exist: bool = True) -> Check:
    """That its tags can be listed. A destination may be made by the first push."""
    about = str(side)
    try:
        next(side.registry.tags(side.repository), None)
    except NotFound as error:
        if must_exist:
            return _bad(about, error, REPOSITORY)
        return Check(about, "isn't there yet; the first push may make it")
    except MidstreamError as error:
        return _bad(about, error, REPOSITORY)
    return Check(about, "can be read")


def check_writable(side: Side) -> Check:
    """By beginning an upload and cancelling it: no tag, manifest or blob is made."""
    try:
        side.registry.check_writable(side.repository)
    except MidstreamError as error:
        return _bad(str(side), error, REPOSITORY)
    return Check(str(side), "can be written")


def _clock(about: str, reply: Reply, now: float) -> Check:
    try:
        theirs = parsedate_to_datetime(reply.header("Date") or "").timestamp()
    except (TypeError, ValueError):
        return Check(f"{about} clock", "isn't told")
    skew = now - theirs
    if abs(skew) > _SKEW:
        way = "ahead of" if skew > 0 else "behind"
        message = f"this machine is {abs(skew):.0f} s {way} the registry"
        way_out = "set the clock; dated tokens and certificates are refused otherwise"
        return Check(f"{about} clock", message, Severity.WARNING, CLOCK, way_out)
    return Check(f"{about} clock", f"differs by {abs(skew):.0f} s")


def _bad(about: str, error: MidstreamError, rule: Rule, help: str | None = None) -> Check:
    return Check(
        about, error.message, Severity.ERROR, rule, error.help or help, Exit(error.exit_code)
    )


_POLICY_HELP = "containers-policy.json(5) says what goes in; midstream brings one of its own"

SKOPEO = Rule(
    "MS460",
    "doctor-skopeo",
    """\
skopeo, which copies the images, is missing or too old.

**Why it matters.** Before 1.6 it can't keep digests, and before 1.9 nobody has measured what it
does with a registry's errors. A copy that changes the digest isn't what was tested.

**Way out.** `dnf install skopeo` or `apt-get install skopeo`; Debian 12 has 1.9.3.
""",
)
POLICY = Rule(
    "MS461",
    "doctor-policy",
    """\
The signature policy that skopeo is given can't be read, or refuses every image.

**Why it matters.** skopeo reads it before each copy, and stops where it is missing.

**Example.** `{"default": [{"type": "insecureAcceptAnything"}]}` accepts unsigned images; name the
registries whose signatures have to be good under `transports`.

Source: containers-policy.json(5).
""",
)
LOGINS = Rule(
    "MS462",
    "doctor-logins",
    """\
The file with the registry logins can't be used, or can be read by others.

**Why it matters.** Whoever reads it can push to the destination in your name.

**Way out.** `chmod 600 FILE`; `skopeo login --authfile FILE REGISTRY` writes a new one.

Source: containers-auth.json(5).
""",
)
CONNECTION = Rule(
    "MS463",
    "doctor-connection",
    """\
A registry doesn't answer, its certificate can't be trusted, or it is spoken to without TLS.

**Why it matters.** Without TLS, everybody on the way can read the login and change what is read.
midstream never falls back to plain http by itself: only the registries file can say so.

**Way out.** Name the registry's own authority as `ca:` in the registries file.
""",
)
REPOSITORY = Rule(
    "MS464",
    "doctor-repository",
    """\
A repository can't be read or written with the logins at hand.

**Why it matters.** A promotion would stop in the middle; it is better known before.

**Way out.** `skopeo login REGISTRY`, or ask its owner for the right. quay says that a login is
wanted also of repositories that don't exist. Writing is looked at by beginning an upload and
cancelling it, so nothing is left behind.
""",
)
CLOCK = Rule(
    "MS465",
    "doctor-clock",
    """\
This machine's clock and the registry's differ by more than a minute.

**Why it matters.** Tokens are valid from one time to another. With a wrong clock they are refused
now and then, in words that speak of the login.

**Way out.** `timedatectl set-ntp true`, or `chronyc makestep`.
""",
)
RULES = (SKOPEO, POLICY, LOGINS, CONNECTION, REPOSITORY, CLOCK)
