"""Running shell text where nothing can happen: bash, and a recorder in every command's place.

The sandbox has a root of its own with bash and its libraries and nothing else, no network, no other
processes, and nobody's rights. What a text would have run is written down and given back.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

from msgspec import Struct, field

from midstream.adapters import process
from midstream.errors import Exit, MidstreamError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_NOBODY = "65534"
_ALONE = (
    "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc",
)  # fmt: skip
_TIMEOUT = 120.0  # seconds for one text under all its settings
_ROUNDS = 4  # how often a text is run again with what it turned out to need
_MOST = 4_000_000  # bytes that are read of what one run wrote
_BETWEEN = "\x1e"  # what stands around each command that fails
_OWN = Path(__file__).parent


class NoSandbox(MidstreamError):
    """The machine doesn't let us make one."""

    exit_code = Exit.OUTSIDE


class Setting(Struct, frozen=True):
    """What a text finds when it runs: variables, whether files are there, how every test comes out
    (None: as it stands), the machine, and the commands that fail, each with blanks between its
    words."""

    variables: Mapping[str, str] = field(default_factory=dict)
    files: bool = True
    tests: bool | None = None
    machine: str = "x86_64"
    fails: tuple[str, ...] = ()

    def as_shell(self) -> str:
        given = {
            "__FILES": "there" if self.files else "",
            "__TESTS": {None: "", True: "0", False: "1"}[self.tests],
            "__MACHINE": self.machine,
            "__FAIL": "".join(f"{_BETWEEN}{line}{_BETWEEN}" for line in self.fails),
            "__WRAPPED": "",
            "__FOLDER": "",
            **self.variables,
        }
        return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in given.items())


class Call(Struct, frozen=True):
    """A command as it was called. `wrappers` is what stands before it (`sudo -E `), `output` and
    `errors` say where its output goes: out, err, null, pipe or file."""

    words: tuple[str, ...]
    input: str = ""
    wrappers: str = ""
    folder: str = ""
    output: str = "out"
    errors: str = "err"
    environment: tuple[tuple[str, str], ...] = ()

    @property
    def line(self) -> str:
        return " ".join(self.words)

    @property
    def said(self) -> str:
        """What it printed, unless it answers a question (`__answer` of recorder.sh)."""
        return re.sub(r"[^A-Za-z0-9._-]", ".", f"OUT.{self.line}")[:120]


class Trace(Struct, frozen=True):
    """What one run did. `cut` says that it was ended, since it went on and on."""

    calls: tuple[Call, ...]
    files: Mapping[str, str]
    status: int
    cut: bool = False


class Sandbox:
    """A place to trace in. Raises `NoSandbox` when it is first used, where there can't be one."""

    def __init__(self) -> None:
        self._home: tempfile.TemporaryDirectory[str] | None = None
        self._way: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._home is not None:
            self._home.cleanup()
            self._home = None

    def trace(
        self,
        body: str,
        settings: Sequence[Setting],
        names: Iterable[str] = (),
        folders: Iterable[str] = (),
        options: Sequence[str] = (),
    ) -> tuple[Trace, ...]:
        """Run a text under each setting. `names` are commands that it may call by path, `folders`
        those that it may write to, `options` those of its shell (`-e`).

        Raises `NoSandbox`, and `TimedOut` of `process` where it can't be ended otherwise.
        """
        known, places = set(names), set(folders)
        traces: tuple[Trace, ...] = ()
        for _ in range(_ROUNDS):
            traces, lacking = self._run(body, settings, known, places, options)
            fresh = lacking - known
            if not fresh:
                break
            known |= fresh
            places |= {str(Path(name).parent) for name in fresh}
        return traces

    def _run(
        self,
        body: str,
        settings: Sequence[Setting],
        names: set[str],
        folders: set[str],
        options: Sequence[str],
    ) -> tuple[tuple[Trace, ...], set[str]]:
        with tempfile.TemporaryDirectory(dir=self._folder(), prefix="run-") as made:
            root = Path(made)
            root.chmod(0o777)
            shutil.copytree(self._template, root, copy_function=os.link, dirs_exist_ok=True)
            inside = _furnish(root, body, settings, names, folders)
            driver = ("/bin/bash", "/.trace/driver.sh", str(len(settings)), *options)
            done = process.run(
                *self._way, f"--root={root}", "--wd=/", "--", *driver,
                timeout=_TIMEOUT, env=_ENVIRONMENT,
            )  # fmt: skip
            if not (inside / f"status.{len(settings) - 1}").exists():
                said = done.stderr.decode(errors="replace").strip()
                raise NoSandbox(f"the sandbox ended early, with {done.exit_code}: {said[:300]}")
            numbers = range(len(settings))
            return (
                tuple(_read(inside, number, settings[number]) for number in numbers),
                {name for number in numbers for name in _lacking(inside, number)},
            )

    @property
    def _template(self) -> Path:
        return self._folder() / "template"

    def _folder(self) -> Path:
        if self._home is None:
            self._home = tempfile.TemporaryDirectory(prefix="midstream-trace-")
            Path(self._home.name).chmod(0o755)
            template = Path(self._home.name) / "template"
            _install_bash(template)
            self._way = _way_in(template)
        return Path(self._home.name)


_ENVIRONMENT = {"PATH": "/nothing", "HOME": "/root", "LC_ALL": "C"}


def _install_bash(template: Path) -> None:
    bash = shutil.which("bash")
    if bash is None or shutil.which("unshare") is None:
        raise NoSandbox(
            "a sandbox needs bash and unshare", help="install bash and util-linux on this machine"
        )
    (template / "bin").mkdir(parents=True)
    shutil.copy(bash, template / "bin" / "bash")
    listed = process.check(process.run("ldd", bash, timeout=30)).decode()
    for library in re.findall(r"(?<![\w.])/\S+", listed):
        there = template / library.lstrip("/")
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, there)
    own = template / ".trace"
    own.mkdir()
    for name in ("recorder.sh", "driver.sh"):
        shutil.copy(_OWN / name, own / name)
    for file in template.rglob("*"):
        file.chmod(0o755 if file.is_dir() else 0o555)
    (template / "proc").mkdir()
    (template / "dev").mkdir()


def _way_in(template: Path) -> tuple[str, ...]:
    """`unshare`, with the options that this machine lets us use."""
    ways: list[tuple[str, ...]] = [
        ("--user", f"--map-user={_NOBODY}", f"--map-group={_NOBODY}", *_ALONE),
    ]
    if os.geteuid() == 0:
        ways.insert(0, (*_ALONE, f"--setuid={_NOBODY}", f"--setgid={_NOBODY}"))
    said = b""
    for way in ways:
        start = (shutil.which("unshare") or "unshare", *way)
        test = (f"--root={template}", "--wd=/", "--", "/bin/bash", "-c", ":")
        done = process.run(*start, *test, timeout=30, env=_ENVIRONMENT)
        if done.exit_code == 0:
            return start
        said = done.stderr
    reason = said.decode(errors="replace").strip().splitlines()
    raise NoSandbox(
        f"this machine allows no sandbox: {reason[-1] if reason else 'no reason given'}",
        help="run it as root, or where user namespaces are allowed "
        "(sysctl kernel.unprivileged_userns_clone, AppArmor's userns rule)",
    )


_USUAL = (
    "/", "/dev", "/etc", "/etc/apt", "/etc/apt/sources.list.d", "/etc/apt/apt.conf.d",
    "/etc/apt/keyrings", "/etc/apt/preferences.d", "/etc/ld.so.conf.d", "/etc/profile.d",
    "/etc/yum.repos.d", "/opt", "/root", "/tmp", "/tmp/made", "/usr/share/keyrings",  # noqa: S108 - folders of the sandbox
)  # fmt: skip


def _furnish(
    root: Path, body: str, settings: Sequence[Setting], names: set[str], folders: set[str]
) -> Path:
    inside = root / ".trace"
    inside.chmod(0o777)
    made = dict.fromkeys((*_USUAL, *(each for each in sorted(folders) if _is_inside(each))))
    for folder in made:
        _make_folder(root, folder)
    content = {
        "body": body,
        "folders": "".join(f"{each}\n" for each in made),
        "names": "".join(_function(name) for name in sorted(names)),
        "nothing": "", "out": "", "err": "", "killed": "", "xtrace": "",
        **{f"setting.{number}": each.as_shell() for number, each in enumerate(settings)},
    }  # fmt: skip
    for name, text in content.items():
        path = inside / name
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        path.chmod(0o666 if name in _WRITABLE else 0o644)
    (root / "dev" / "fd").symlink_to("/proc/self/fd")
    null = root / "dev" / "null"
    null.write_bytes(b"")
    null.chmod(0o666)
    (root / "etc" / "profile").write_text("builtin . /.trace/recorder.sh\n")
    return inside


_WRITABLE = frozenset(("out", "err", "killed", "xtrace"))


def _make_folder(root: Path, folder: str) -> None:
    at = root
    for part in Path(folder).parts[1:]:
        at /= part
        if at.is_file():
            return
        at.mkdir(exist_ok=True)
    if at.stat().st_uid == os.geteuid():
        at.chmod(0o777)


def _is_inside(folder: str) -> bool:
    parts = folder.split("/")
    return (
        folder.startswith("/") and ".." not in parts and "\n" not in folder and len(folder) < 1000
    )


_CALLABLE = re.compile(r"[\w./@%+:,{}$-]+")
_NATIVE = frozenset(
    ("set", "export", "local", "return", "exit", "break", "continue", "shift", "unset", "eval",
     "trap", "read", "declare", "typeset", "readonly", "wait", "shopt", "getopts", "let", ":",
     "true", "false", "mapfile", "ulimit", "times", "alias", "builtin", "command", "echo",
     "printf", "cd", "pushd", "popd", "source", ".", "umask", "type", "hash", "kill", "[", "test",
     "[[", "sudo", "env", "timeout", "nice", "ionice", "nohup", "stdbuf", "eatmydata", "chronic",
     "bash", "sh", "dash", "/bin/bash", "/bin/sh", "/usr/bin/bash", "/usr/bin/sh", "time", "if",
     "then", "else", "fi", "for", "while", "until", "do", "done", "case", "esac", "in",
     "function", "select", "coproc", "jobs", "caller", "bg", "fg", "disown", "enable")
)  # fmt: skip


def _function(name: str) -> str:
    if name == "exec":
        return 'exec() { __exec "$@"; }\n'
    plain = _CALLABLE.fullmatch(name) and not name.startswith("-") and not name.isdecimal()
    if not plain or name in _NATIVE or "$" in name or "{" in name:
        return ""
    return f'{name}() {{ __trace {name} "$@"; }}\n'


def _read(inside: Path, number: int, setting: Setting) -> Trace:
    status = int(_bytes(inside / f"status.{number}") or 0)
    calls = tuple(_calls(_bytes(inside / f"log.{number}"), setting))
    parts = _text(_bytes(inside / f"files.{number}")).split("\0")
    files: dict[str, str] = {}
    for path, content in zip(parts[::2], parts[1::2], strict=False):
        files[path.replace("//", "/")] = content
    return Trace(calls, files, status, cut=status in (137, 152, 153))


def _calls(data: bytes, setting: Setting) -> Iterator[Call]:
    parts = _text(data).split("\0")
    at = 0
    while at < len(parts) - 1:
        count = int(parts[at])
        fields = parts[at + 1 : at + count + 7]
        if len(fields) < count + 6:
            return  # the run was ended while it wrote
        words, rest = fields[:count], fields[count:]
        yield Call(
            words=tuple(_without_descriptors(word) for word in words),
            input=rest[0], wrappers=rest[1], folder=rest[2], output=rest[3], errors=rest[4],
            environment=tuple(_exported(rest[5], setting)),
        )  # fmt: skip
        at += count + 7


def _without_descriptors(word: str) -> str:
    return re.sub(r"/dev/fd/\d+", "/dev/fd/N", word)


_EXPORTED = re.compile(
    r'^declare -\w*x\w* (\w+)(?:="((?:[^"\\]|\\.)*)")?$', re.MULTILINE | re.DOTALL
)
_EVERYWHERE = frozenset(
    ("BASH_ENV", "PWD", "OLDPWD", "SHLVL", "PATH", "HOME", "LC_ALL", "_", "DEBIAN_FRONTEND",
     "DEBIAN_PRIORITY", "DEBCONF_NONINTERACTIVE_SEEN")
)  # fmt: skip


def _exported(text: str, setting: Setting) -> Iterator[tuple[str, str]]:
    """What the body exports, beside what it was given."""
    for name, raw in _EXPORTED.findall(text):
        value = re.sub(r"\\(.)", r"\1", raw, flags=re.DOTALL)
        if name.startswith("__") or setting.variables.get(name) == value:
            continue
        if name not in _EVERYWHERE or (name == "PATH" and value != _ENVIRONMENT["PATH"]):
            yield name, value


_LACKS = re.compile(r"(?:line \d+|bash|body): (\S+): No such file or directory")


def _lacking(inside: Path, number: int) -> set[str]:
    """The paths that a run looked for in vain."""
    text = _text(_bytes(inside / f"errors.{number}"))
    return {name for name in _LACKS.findall(text) if _is_inside(name)}


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MOST)
    except FileNotFoundError:
        return b""


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
