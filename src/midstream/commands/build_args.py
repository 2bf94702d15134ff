"""`midstream build-args`: what to build a target with, as a builder wants it."""

from __future__ import annotations

import json
import posixpath
import shlex
from typing import TYPE_CHECKING, Any

import click

from midstream import report
from midstream.commands import workspace as at
from midstream.commands.proved import hold
from midstream.errors import Exit, UsageError
from midstream.rebasing.flow import RENDERED
from midstream.source import Source
from midstream.upstream.lock import read_json

if TYPE_CHECKING:
    from midstream.cli import Workspace

FORMATS = ("buildah", "bake", "tekton", "json")


@click.command("build-args")
@click.option("--target", required=True, metavar="T")
@click.option(
    "--format",
    "shape",
    type=click.Choice(FORMATS),
    default="buildah",
    show_default=True,
    help="buildah's (and docker's) flags, a bake file, Tekton's parameters, or the plan itself.",
)
@click.pass_obj
def command(workspace: Workspace, target: str, shape: str) -> int:
    """Print what to build a target with, from the plan beside its result."""
    plan = _plan(workspace, target)
    hold(at.tree(workspace), plan, target, builds=True)
    if workspace.json or shape == "json":
        report.document("build-args", {"plan": plan})
    elif shape == "buildah":
        report.line(" ".join(shlex.quote(word) for word in _flags(plan)))
    elif shape == "bake":
        report.line(json.dumps(_bake(plan), indent=2))
    else:
        report.line(json.dumps(_tekton(plan), indent=2))
    return Exit.OK


def _plan(workspace: Workspace, target: str) -> dict[str, Any]:
    folder = at.tree(workspace)
    for project in folder.names(RENDERED):
        path = f"{RENDERED}/{project}/Dockerfile.{target}.ubi.build.json"
        data = folder.read(path)
        if data is not None:
            return _read(Source.from_bytes(path, data), target)
    raise UsageError(
        f"`{target}` has no build plan in {RENDERED}/",
        help=f"run: midstream rebase --target {target}",
    )


_KEYS = frozenset(
    ("target", "dockerfile", "stage", "platforms", "arguments", "contexts", "results", "labels")
)


def _read(source: Source, target: str) -> dict[str, Any]:
    """Raises `UnreadableLock` for what is no JSON, and `UsageError` for what is no plan."""
    content = read_json(source)
    if not content.keys() >= _KEYS:
        raise UsageError(
            f"{source.name} is no build plan of this midstream",
            help=f"run: midstream rebase --target {target}",
        )
    return content


def _flags(plan: dict[str, Any]) -> list[str]:
    words = ["--file", plan["dockerfile"], "--target", plan["stage"]]
    if plan["platforms"]:
        words += ["--platform", ",".join(plan["platforms"])]
    for name, path in _contexts(plan).items():
        words += ["--build-context", f"{name}={path}"]
    for each in plan["arguments"]:
        words += ["--build-arg", f"{each['name']}={each['value']}"]
    for name, value in plan["labels"].items():
        words += ["--label", f"{name}={value}"]
    return words


def _contexts(plan: dict[str, Any]) -> dict[str, str]:
    """Folders of files of ours, by the name under which the Dockerfile takes from them."""
    beside = posixpath.dirname(plan["dockerfile"])
    return {name: posixpath.join(beside, path) for name, path in plan["contexts"].items()}


def _bake(plan: dict[str, Any]) -> dict[str, Any]:
    """A bake file in JSON, which `docker buildx bake -f` reads."""
    return {
        "target": {
            plan["target"]: {
                "dockerfile": plan["dockerfile"],
                "target": plan["stage"],
                "platforms": plan["platforms"],
                "contexts": _contexts(plan),
                "args": {each["name"]: each["value"] for each in plan["arguments"]},
                "labels": plan["labels"],
            }
        }
    }


def _tekton(plan: dict[str, Any]) -> dict[str, Any]:
    """Parameters of Konflux' buildah task."""
    arguments = [f"{each['name']}={each['value']}" for each in plan["arguments"]]
    labels = [f"{name}={value}" for name, value in plan["labels"].items()]
    contexts = [f"{name}={path}" for name, path in _contexts(plan).items()]
    return {
        "params": [
            {"name": "DOCKERFILE", "value": plan["dockerfile"]},
            {"name": "TARGET_STAGE", "value": plan["stage"]},
            {"name": "BUILD_ARGS", "value": arguments},
            {"name": "LABELS", "value": labels},
            {"name": "BUILD_CONTEXTS", "value": contexts},
            {"name": "PLATFORMS", "value": plan["platforms"]},
        ]
    }
