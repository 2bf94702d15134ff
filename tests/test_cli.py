from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click
import pytest

from demo import ROOT
from midstream import __version__
from midstream.cli import Cli, main
from midstream.errors import Exit, IntegrityError

if TYPE_CHECKING:
    from pathlib import Path

    from midstream.adapters.process import Finished


def exit_code(group: click.Group, *arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        group.main(list(arguments))
    return int(caught.value.code or 0)


def failing(error: BaseException) -> Cli:
    def callback() -> None:
        raise error

    return Cli("midstream", invoke_without_command=True, callback=callback)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (click.exceptions.Abort(), Exit.INTERRUPTED),
        (KeyboardInterrupt(), Exit.INTERRUPTED),
        (click.UsageError("no"), Exit.USAGE),
        (IntegrityError("not it"), Exit.INTEGRITY),
        (BrokenPipeError(), Exit.OUTSIDE),
    ],
)
def test_every_failure_has_its_exit_code(error: BaseException, code: Exit) -> None:
    assert exit_code(failing(error)) == code


def test_a_defect_of_ours_is_said_and_its_traceback_is_in_a_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert exit_code(failing(ZeroDivisionError("oh"))) == Exit.BUG
    err = capsys.readouterr().err
    assert "a defect of midstream" in err
    assert "Traceback" not in err
    [log] = tmp_path.iterdir()
    assert "ZeroDivisionError: oh" in log.read_text()
    assert __version__ in log.read_text()


def test_the_version_and_every_command_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(main, "--version") == Exit.OK
    assert exit_code(main, "--help") == Exit.OK
    out = capsys.readouterr().out
    assert __version__ in out
    assert all(name in out for name in main.list_commands(click.Context(main)))


def test_an_unknown_command_is_a_usage_error() -> None:
    assert exit_code(main, "no-such-command") == Exit.USAGE


@pytest.mark.parametrize(
    ("loaded", "slow"),
    [
        ("cli", {"rich", "tree_sitter", "dockerfile_parse", "git"}),
        (
            "commands.promote_shown commands.ordering adapters.skopeo promotion.apply "
            "promotion.journal promotion.record promotion.registries",
            {"email", "ssl", "logging", "dataclasses", "difflib", "tempfile", "random"},
        ),
    ],
    ids=["any run", "a promotion"],
)
def test_nothing_slow_is_loaded_to_start(loaded: str, slow: set[str]) -> None:
    modules = ", ".join(f"midstream.{each}" for each in loaded.split())
    done = alone(f"import {modules}; print(*{slow} & set(sys.modules))")
    assert (done.exit_code, done.stdout.strip()) == (0, b"")


def test_a_run_ends_without_looking_for_garbage() -> None:
    done = alone(
        "import atexit, gc; atexit.register(lambda: print(gc.get_freeze_count() > 10_000)); "
        "from midstream.__main__ import main; sys.argv[1:] = ['--version']; main()"
    )
    assert done.stdout.split()[-1] == b"True"


def alone(script: str) -> Finished:
    """What a Python of its own says."""
    from midstream.adapters.process import run

    return run(
        sys.executable, "-c", f"import sys; {script}", env={"PYTHONPATH": ":".join(sys.path)}
    )


@pytest.mark.parametrize("words", [["--json", "targets"], ["targets", "--json"]])
def test_an_option_of_the_program_stands_before_a_command_or_behind_it(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(main, *words, "--root", str(tmp_path)) == Exit.USAGE
    assert f"in `{tmp_path}`" in capsys.readouterr().err
    assert exit_code(main, *words, "--root", str(ROOT)) == Exit.OK
    assert json.loads(capsys.readouterr().out)["kind"] == "targets"


def test_every_command_takes_the_options_of_the_program() -> None:
    context = click.Context(main)
    commands = [main.get_command(context, name) for name in main.list_commands(context)]
    groups = [each for each in commands if isinstance(each, click.Group)]
    commands += [below for group in groups for below in group.commands.values()]
    assert len(commands) > 20
    for command in commands:
        assert command is not None
        names = [each.name for each in command.params]
        for shared in ("json", "root", "strict", "verbose"):
            assert names.count(shared) == 1, (command.name, shared)
