"""`midstream convert`: the mechanical part alone, for any Dockerfile."""

from __future__ import annotations

import difflib
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from midstream import report
from midstream.adapters import files
from midstream.commands import workspace as at
from midstream.converting import Converted, convert
from midstream.errors import Exit, UsageError
from midstream.overlay.tables import Tables, load_tables
from midstream.source import Source
from midstream.ubi.subject import PythonLayout
from midstream.ubi.tables import read_packages

if TYPE_CHECKING:
    from midstream.cli import Workspace


@click.command("convert")
@click.argument("paths", nargs=-1, required=True, metavar="FILE|DIR|-...")
@click.option("--platform", default="ubi9", show_default=True, help="ubi9 or ubi10.")
@click.option(
    "--packages",
    type=click.Path(path_type=Path, dir_okay=False),
    help="More rows for the table of packages; they win over its own.",
)
@click.option("--venv", metavar="PATH", help="Python packages go into a virtual environment here.")
@click.option("--diff", is_flag=True, help="Show what changes in place of the result.")
@click.option("--in-place", is_flag=True, help="Write over the file, and keep it as FILE.orig.")
@click.option("--jobs", default=1, show_default=True, help="Files of a folder side by side.")
@click.pass_obj
def command(
    workspace: Workspace,
    paths: tuple[str, ...],
    platform: str,
    packages: Path | None,
    venv: str | None,
    diff: bool,
    in_place: bool,
    jobs: int,
) -> int:
    """Convert any Dockerfile onto UBI, as far as it can be done without asking."""
    tables = _tables(workspace, platform, packages)
    found = _files(paths)
    if len(found) > 1 and not (diff or in_place or workspace.json):
        raise UsageError("several results don't fit on stdout", help="use --in-place or --diff")
    layout = PythonLayout("venv", venv) if venv else None
    done = _convert_all([_read(path) for path in found], tables, layout, jobs)
    for path, converted in zip(found, done, strict=True):
        _show(workspace, path, converted, diff=diff, in_place=in_place)
    if workspace.json:
        report.document("convert", {"files": [_as_json(each) for each in done]})
    whole = all(each.is_whole and not (workspace.strict and each.findings) for each in done)
    return Exit.OK if whole else Exit.FINDINGS


def _tables(workspace: Workspace, platform: str, packages: Path | None) -> Tables:
    tables = load_tables(at.shared_tree(workspace), platform)
    if packages is None:
        return tables
    source = Source.from_bytes(str(packages), files.read(packages))
    extra = read_packages(source, platform, tables.platform.repositories)
    return replace(tables, packages=tables.packages.merged(extra))


def _files(paths: tuple[str, ...]) -> list[str]:
    """The files that are meant: a folder stands for its Dockerfiles and Containerfiles."""
    found: list[str] = []
    for path in paths:
        folder = Path(path)
        if path != "-" and folder.is_dir():
            inside = sorted(
                str(each)
                for name in ("*Dockerfile*", "*Containerfile*")
                for each in folder.rglob(name)
                if each.is_file() and not each.name.endswith(".orig")
            )
            if not inside:
                raise UsageError(f"`{path}` holds no Dockerfile")
            found += inside
        else:
            found.append(path)
    return found


def _read(path: str) -> Source:
    if path == "-":
        return Source.from_bytes("<stdin>", sys.stdin.buffer.read())
    return Source.from_bytes(path, files.read(Path(path)))


def _convert_all(
    sources: list[Source], tables: Tables, layout: PythonLayout | None, jobs: int
) -> list[Converted]:
    if jobs < 2 or len(sources) < 2:
        return [convert(source, tables, layout) for source in sources]
    with ProcessPoolExecutor(jobs) as pool:
        count = len(sources)
        return list(pool.map(convert, sources, [tables] * count, [layout] * count))


def _show(
    workspace: Workspace, path: str, converted: Converted, *, diff: bool, in_place: bool
) -> None:
    source = converted.assembled.source
    if not workspace.json:
        report.show_findings(converted.findings)
    if diff:
        report.raw(_difference(path, converted))
    elif in_place and converted.assembled.edits:
        original = files.read(Path(path))
        files.write(Path(f"{path}.orig"), original)
        files.write(Path(path), source.data)
        report.note(f"wrote {path}; the file as it was is {path}.orig")
    elif not in_place and not workspace.json:
        report.raw(source.data)


def _difference(path: str, converted: Converted) -> bytes:
    old = _read(path).text if path != "-" else ""
    lines = difflib.unified_diff(
        old.splitlines(keepends=True),
        converted.assembled.source.text.splitlines(keepends=True),
        f"a/{path}",
        f"b/{path}",
    )
    return "".join(lines).encode("utf-8", "surrogateescape")


def _as_json(converted: Converted) -> dict[str, object]:
    source = converted.assembled.source
    return {
        "file": source.name,
        "converted": source.text,
        "whole": converted.is_whole,
        "edits": [
            {
                "rule": edit.rule,
                "why": edit.why,
                "start": edit.span.start,
                "end": edit.span.end,
                "after": edit.text,
            }
            for edit in converted.assembled.edits
        ],
        "findings": [report.finding_as_json(each) for each in converted.findings],
    }
