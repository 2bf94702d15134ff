"""Nothing that the shipped image runs with lies in root's home, which its user can't look into."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.diagnostic import Rule, Severity
from midstream.dockerfile.users import created, group_of
from midstream.dockerfile.variables import expand
from midstream.ubi.tables import INSTALLERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.checks.view import View
    from midstream.diagnostic import Diagnostic
    from midstream.dockerfile.commands import Command
    from midstream.dockerfile.model import Instruction

NAME = "root-home"

BELOW_ROOT = Rule(
    "MS365",
    NAME,
    """\
**What it says.** The shipped image runs as another user than root, and something that it needs was
put below `/root`: a Python that uv downloaded, the program that it starts with, its folder, or
packages that `pip install --user` installed as root.

**Why it matters.** Upstream's image runs as root and never notices. `/root` has the mode 0550 on
UBI: only root and its group get in. An environment whose Python is a link there doesn't start. What
`--user` installs is looked for in the home of who runs it, so that no other user finds it, whatever
the mode.

**The way out.** `ENV UV_PYTHON_INSTALL_DIR=/opt/uv/python` before the environment is made; packages
without `--user`; programs in `/usr/local/bin` (`UV_INSTALL_DIR`, `CARGO_HOME`). Or a user of root's
group, as `user.j2` makes one and OpenShift runs all: that group may read there.

**Source.** The RPM `filesystem` for the mode; uv's documentation for its folders; PEP 370 for
`--user`.
""",
)
RULES = (BELOW_ROOT,)

_HOME = "/root"
_ROOT = frozenset(("", "0", "root"))


class _Runs(Struct, frozen=True):
    """Whom the image runs as at its end, and whether that user is of root's group."""

    user: str
    in_roots_group: bool


def check(view: View) -> Iterator[Diagnostic]:
    """Each such thing in the shipped lineage; nothing where the image runs as root."""
    runs = _runs_as(view)
    if runs is None:
        return
    yield from _left_in_user_folders(view, runs)
    if not runs.in_roots_group:
        yield from _pythons_of_uv(view, runs)
        yield from _starts_there(view, runs)


# --- who it runs as ---


def _runs_as(view: View) -> _Runs | None:
    last = _last(view, "USER")
    said = _expanded(view, last) if last else ""
    user, _, group = said.partition(":")
    if user in _ROOT:
        return None
    if group:
        return _Runs(user, group in _ROOT)
    groups = [
        group_of(command)
        for _, instruction in view.shipped()
        for command in view.subject.script(instruction).commands
        if user in created(command)
    ]
    # Without an entry in /etc/passwd, or with a base image's own, it is a user of root's group.
    return _Runs(user, groups[-1] in _ROOT if groups else True)


def _last(view: View, keyword: str) -> Instruction | None:
    found = [each for _, each in view.shipped() if each.keyword == keyword]
    return found[-1] if found else None


def _expanded(view: View, instruction: Instruction) -> str:
    values = view.subject.graph.scope.at(instruction)
    escape = view.subject.dockerfile.escape
    return expand(instruction.value.strip(), values, escape).text.strip("\"'")


# --- what is put there ---


def _as_root(view: View) -> Iterator[tuple[Instruction, Command]]:
    """The commands of the shipped lineage that root runs, with its own home."""
    user = ""
    for _, instruction in view.shipped():
        if instruction.keyword == "USER":
            user = _expanded(view, instruction).partition(":")[0]
        if user in _ROOT and _setting(view, instruction, None, "HOME") in ("", _HOME):
            for command in view.subject.script(instruction).commands:
                yield instruction, command


def _setting(view: View, instruction: Instruction, command: Command | None, name: str) -> str:
    """A variable's value where a command runs; a blank where the script gives it one."""
    assigned = view.subject.script(instruction).assigned
    given = {each.name for each in command.assignments} if command else set()
    if name in assigned | given:
        return " "
    return view.subject.graph.scope.environment_at(instruction).get(name, "")


def _left_in_user_folders(view: View, runs: _Runs) -> Iterator[Diagnostic]:
    home = view.subject.graph.scope.environment(view.ship.index).get("HOME", "")
    if home == _HOME and runs.in_roots_group:
        return  # it is looked for there, and can be read
    for instruction, command in _as_root(view):
        words = [word.value for word in command.arguments]
        flag = next((word for word in command.arguments if word.value == "--user"), None)
        by_pip = re.fullmatch(r"pip[\d.]*", command.name) or words[:2] == ["-m", "pip"]
        base = _setting(view, instruction, command, "PYTHONUSERBASE")
        if flag and by_pip and "install" in words and not base:
            yield view.finding(
                BELOW_ROOT, flag.span,
                f"`--user` installs into {_HOME}/.local, where the image's user `{runs.user}` "
                "doesn't look",
                "take `--user` away with an edit: args: {--user: null}",
                severity=Severity.WARNING,
            )  # fmt: skip


_NO_DOWNLOAD = frozenset(("--no-managed-python", "--no-python-downloads", "--system"))
_UNREAD = frozenset(("conda", "make", "mamba", "pyenv"))  # they may bring any Python


def _pythons_of_uv(view: View, runs: _Runs) -> Iterator[Diagnostic]:
    base = view.subject.platform.base_for(view.subject.graph.root(view.ship.index).image or "")
    there = {base.python} if base is not None and base.python else set()
    is_known = base is not None
    for instruction, command in _as_root(view):
        values = view.subject.graph.scope.at(instruction)
        words = [expand(word.value, values).text for word in command.arguments]
        if command.name in INSTALLERS and "install" in words:
            there |= {found[1] for word in words if (found := _PACKAGE.match(word))}
        elif command.name in _UNREAD and any("install" in word for word in words):
            is_known = False
        wanted = _downloads(command.name, words)
        brings = wanted == "always" or (is_known and wanted and wanted not in there)
        elsewhere = any(_setting(view, instruction, command, name) for name in _PLACES)
        if brings and not elsewhere:
            yield view.finding(
                BELOW_ROOT, command.core,
                f"uv downloads a Python to {_HOME}/.local/share/uv, which the image's user "
                f"`{runs.user}` can't read",
                "before it, with an edit: ENV UV_PYTHON_INSTALL_DIR=/opt/uv/python",
            )  # fmt: skip


_PACKAGE = re.compile(r"python(3\.\d+)(?:-|$)")
_PLACES = (
    "UV_PYTHON_INSTALL_DIR", "XDG_DATA_HOME", "UV_PYTHON_DOWNLOADS", "UV_PYTHON_PREFERENCE",
    "UV_NO_MANAGED_PYTHON",
)  # fmt: skip
_ASKED = re.compile(r"(?:cpython-?|python)?(3\.\d+)(?:\.\d+)?")


def _downloads(name: str, words: list[str]) -> str:
    """The version of Python that uv downloads where it isn't installed; `always`, or nothing."""
    if name != "uv" or _NO_DOWNLOAD & set(words):
        return ""
    if words[:2] == ["python", "install"]:
        options = (word.partition("=")[0] for word in words)
        return "" if {"--install-dir", "-i"} & set(options) else "always"
    if words[:1] not in (["venv"], ["sync"], ["run"]):
        return ""
    if "--managed-python" in words:
        return "always"
    for index, word in enumerate(words):
        option, equals, value = word.partition("=")
        if option in ("--python", "-p"):
            found = _ASKED.fullmatch(value if equals else "".join(words[index + 1 : index + 2]))
            return found[1] if found else ""
    return ""


# --- what it starts with ---


def _starts_there(view: View, runs: _Runs) -> Iterator[Diagnostic]:
    entry, folder = _last(view, "ENTRYPOINT"), _last(view, "WORKDIR")
    command = _last(view, "CMD")
    if entry and command and not _is_of(view, entry, command):
        command = None  # an ENTRYPOINT takes away the CMD that its image inherited
    for each in (entry, command):
        words = (each.json or each.value.split()) if each else ()
        below = next((word for word in words if word.startswith(f"{_HOME}/")), None)
        if each and below:
            yield view.finding(
                BELOW_ROOT, each.arguments,
                f"the image starts with `{below}`, which its user `{runs.user}` can't reach",
                "put it somewhere else, such as /usr/local/bin, with an edit",
            )  # fmt: skip
    if folder and f"{_expanded(view, folder)}/".startswith(f"{_HOME}/"):
        yield view.finding(
            BELOW_ROOT, folder.arguments,
            f"the image starts in `{_expanded(view, folder)}`, where its user `{runs.user}` "
            "can't be",
            "give it another WORKDIR, with an edit",
        )  # fmt: skip


def _is_of(view: View, entry: Instruction, command: Instruction) -> bool:
    """Whether a CMD is of the stage that the ENTRYPOINT is of, or comes after it."""
    order = [stage.index for stage, _ in view.shipped()]
    stages = {each.span.start: stage.index for stage, each in view.shipped()}
    first, second = stages[entry.span.start], stages[command.span.start]
    return order.index(second) >= order.index(first)
