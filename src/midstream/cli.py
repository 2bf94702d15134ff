"""The command line: its commands, and the one place where errors become exit codes."""

from __future__ import annotations

import importlib
import signal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from msgspec import Struct
from msgspec.structs import replace

from midstream import __version__, report
from midstream.errors import Exit, MidstreamError

if TYPE_CHECKING:
    from types import FrameType

_COMMANDS = {
    # what a person types: the module under midstream.commands, and one line of help
    "absorb": ("absorb", "Make edits of the overlay of what was edited by hand."),
    "build-args": ("build_args", "Print what to build a target with."),
    "check": ("check", "Check results against the platform and the policy."),
    "convert": ("convert", "Convert any Dockerfile, as far as it goes without asking."),
    "decide": ("decide", "Answer what a rebase asks."),
    "explain": ("explain", "Explain a rule, or where a line of a result comes from."),
    "graph": ("graph", "Show which stage needs which."),
    "init": ("init", "Begin an overlay tree for somebody else's Dockerfiles."),
    "packages": ("packages", "Look up packages in the repositories."),
    "pin": ("pin", "Look up the digests of base images."),
    "promote": ("promote", "Copy tested images to their registry, by digest."),
    "rebase": ("rebase", "Carry targets onto UBI."),
    "replay": ("replay", "Back-test the overlays over a line of releases."),
    "status": ("status", "Show how far behind upstream each target is."),
    "sync": ("sync", "Keep a midstream repository at upstream's pace."),
    "targets": ("targets", "List the targets and what they are locked to."),
    "track": ("track", "Lock an upstream release."),
}


class Workspace(Struct, frozen=True):
    """What every command is given: the tree it runs on, and how it answers."""

    root: Path
    json: bool
    strict: bool
    verbose: bool


class Cli(click.Group):
    """Imports a command's module only when it is typed: starting is most of a short run."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module = importlib.import_module(f"midstream.commands.{_COMMANDS[name][0]}")
        command: click.Command = module.command
        return _with_shared(command)

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, what) for name, (_, what) in sorted(_COMMANDS.items())])

    def main(self, *args: Any, **extra: Any) -> Any:  # as click declares it
        extra["standalone_mode"] = False
        try:
            exit_code = super().main(*args, **extra) or Exit.OK
        except click.exceptions.Abort:
            raise SystemExit(Exit.INTERRUPTED) from None
        except click.ClickException as error:
            error.show()
            raise SystemExit(Exit.USAGE) from None
        except MidstreamError as error:
            report.show_error(error)
            raise SystemExit(error.exit_code) from None
        except KeyboardInterrupt:
            raise SystemExit(Exit.INTERRUPTED) from None
        except BrokenPipeError:
            raise SystemExit(Exit.OUTSIDE) from None
        except Exception as error:  # the last resort: our own defect, said as one
            _own_defect(error)
        raise SystemExit(exit_code)


@cache
def _shared() -> list[click.Option]:
    """What goes for every command, before its name or behind it: the same ones for all."""
    return [
        click.Option(
            ("-v", "--verbose"), is_flag=True, expose_value=False, callback=_given,
            help="Show every program midstream runs.",
        ),
        click.Option(
            ("--json",), is_flag=True, expose_value=False, callback=_given,
            help="Print one versioned JSON object on stdout.",
        ),
        click.Option(
            ("--strict",), is_flag=True, expose_value=False, callback=_given,
            help="Exit with 1 on warnings too.",
        ),
        click.Option(
            ("--root",), type=click.Path(path_type=Path, file_okay=False), expose_value=False,
            callback=_given, help="Run on the overlay tree in this folder.",
        ),
    ]  # fmt: skip


def _given(ctx: click.Context, option: click.Parameter, value: Any) -> None:
    """Note one of these options. It counts for the command that it stands at, and those below."""
    workspace: Workspace = ctx.obj or Workspace(Path(), json=False, strict=False, verbose=False)
    ctx.obj = replace(workspace, **{option.name: value}) if value and option.name else workspace
    if value and option.name == "verbose":
        import logging  # by itself it shows warnings, and costs as much as reading a plan

        logging.basicConfig(format="%(message)s")
        logging.getLogger("midstream").setLevel(logging.DEBUG)


def _with_shared(command: click.Command) -> click.Command:
    if not any(each.name == "json" for each in command.params):
        command.params += _shared()
        for each in command.commands.values() if isinstance(command, click.Group) else ():
            _with_shared(each)
    return command


@click.group(cls=Cli, params=[*_shared()])
@click.version_option(__version__, package_name="midstream")
def main() -> None:
    """Carry upstream Dockerfiles onto UBI, prove the result, and promote the images."""
    signal.signal(signal.SIGTERM, _terminated)


def _terminated(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(Exit.TERMINATED)


def _own_defect(error: Exception) -> NoReturn:
    import platform
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile(
        "w", prefix="midstream-", suffix=".log", delete=False, encoding="utf-8", errors="replace"
    ) as log:
        log.write(f"midstream {__version__}, Python {platform.python_version()}\n\n")
        traceback.print_exception(error, file=log)
    failure = MidstreamError(
        f"a defect of midstream {__version__} itself: {type(error).__name__}: {error}",
        help=f"nothing was written after this; please report it with {log.name}",
    )
    report.show_error(failure)
    raise SystemExit(Exit.BUG) from None
