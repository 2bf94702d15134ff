"""The first files of an overlay tree: what to begin a midstream of one's own with."""

from __future__ import annotations

import json
import posixpath
import re
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.errors import UsageError
from midstream.upstream.config import is_dockerfile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from midstream.dockerfile.model import Dockerfile


_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


class Start(Struct, frozen=True):
    """What a person says: the project's name, where it comes from, and which Dockerfiles to carry,
    by target. `url` or `index` is empty where that isn't a source."""

    project: str
    url: str
    branch: str
    index: str
    dockerfiles: Mapping[str, str]

    def check(self) -> None:
        """Names become paths. Raises `UsageError` for one that can't."""
        for name in (self.project, *self.dockerfiles):
            if not _NAME.fullmatch(name):
                raise UsageError(
                    f"`{name}` can't be the name of a project or target",
                    help="letters, digits, `.`, `_` and `-`, a letter or digit first",
                )


def project_file(start: Start, watched: Iterable[str] = ()) -> str:
    """`upstream/<project>.yaml`, as `midstream track` reads it; `watched` are more globs."""
    lines = [f"# What is tracked of {start.project}. `midstream track` locks it.",
             f"project: {start.project}"]  # fmt: skip
    if start.url:
        lines += ["git:", f"  url: {_scalar(start.url)}", f"  branch: {_scalar(start.branch)}"]
        lines += ['  tags: "v*"']
    if start.index:
        lines += ["index:", f"  name: {_scalar(start.index)}"]
    lines += [
        f"first: {'index' if start.index else 'git'}",
        "",
        "# The target, and the path of its Dockerfile.",
        "dockerfiles:",
        *(f"  {target}: {_scalar(path)}" for target, path in start.dockerfiles.items()),
        "",
        "# Upstream Dockerfiles that nobody here ships: a path or glob, and why.",
        "ignore: {}",
        "",
        "# Companion files: what the Dockerfiles read, and what their RUNs call.",
        "watch:",
        *(f'  - "{glob}"' for glob in (*_COMPANIONS, *watched)),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


_COMPANIONS = ("requirements*/**", "*requirements*.txt", "**/*.sh", "LICEN*")
EVERY_DOCKERFILE = ("**/Dockerfile*", "**/*.Dockerfile", "**/Containerfile*")
"""Globs to find out with which Dockerfiles a project has."""


def overlay_files(
    start: Start, target: str, dockerfile: Dockerfile, at_root: Iterable[str]
) -> dict[str, str]:
    """The overlay of a target that ships the last stage, by paths below `overlays/`.

    `at_root` are the names of upstream's files beside the Dockerfile's context: one of them may be
    the licence. Raises `UsageError` where the Dockerfile has no stage.
    """
    if not dockerfile.stages:
        name = dockerfile.source.name
        raise UsageError(f"{name} has no stage to ship", help="name another Dockerfile")
    licence = next((n for n in sorted(at_root) if n.upper().startswith(("LICENSE", "LICENCE"))), "")
    overlay = _OVERLAY.format(
        target=target, project=start.project, path=start.dockerfiles[target],
        stage=_scalar(dockerfile.stages[-1].label),
    )  # fmt: skip
    copied = f"\nCOPY {licence} /licenses/{start.project}\n\n" if licence else _NO_LICENCE
    return {
        f"{target}/overlay.yaml": overlay,
        f"{target}/ubi.j2": copied + _UBI.replace("USERNAME", _user(start.project)),
    }


def targets_of(project: str, paths: Iterable[str]) -> dict[str, str]:
    """A target for each Dockerfile, named as its ending or its folder says: `Dockerfile.rocm` is
    `rocm`, `images/worker/Dockerfile` is `worker`."""
    found: dict[str, str] = {}
    for path in sorted(filter(is_dockerfile, paths), key=lambda each: (each.count("/"), each)):
        folder, name = posixpath.split(path)
        ending = name.removesuffix(".Dockerfile").partition(".")[2] or name.partition(".Docker")[0]
        plain = ending if ending not in ("Dockerfile", "Containerfile") else project
        names = (plain, posixpath.basename(folder), path.replace("/", "-"))
        found[next(each for each in names if each and each not in found)] = path
    return found


def _scalar(text: str) -> str:
    """A text as YAML takes it, in quotes where it holds more than names and paths do."""
    return text if re.fullmatch(r"[\w@/][\w./:@+~-]*", text) else json.dumps(text)


def _user(project: str) -> str:
    """A name that `useradd` takes."""
    return "".join(c if c.isalnum() else "-" for c in project.lower())[:32].strip("-") or "app"


_OVERLAY = """\
# {target} on UBI: what differs from upstream's {path}.
target: {target}
upstream: {{file: {project}/{target}}}
platform: ubi9                         # or ubi10
ship: {{stage: {stage}}}
repositories: [epel, centos-stream]    # what packages may come from, beside UBI's own
labels:
  name: {project}/{target}
  vendor: The {project} midstream
  maintainer: The {project} midstream
  summary: {project} on UBI
  description: {project}'s image for {target}, on UBI
edits:
  - id: ours
    at: "@ship"
    end: [ubi.j2]
    why: OpenShift's arbitrary user, the licence, and the labels of certification
# What is new here asks before it is carried.
review: [{{at: "@ship-lineage / ENV,ENTRYPOINT,CMD,EXPOSE,USER"}}]
"""

_NO_LICENCE = """
# Upstream has no licence file at its root: copy its terms to /licenses/ here (MS357).

"""

_UBI = """\
# OpenShift runs the image under an arbitrary user of group 0, which may write below $HOME.
USER 0
ENV HOME=/home/USERNAME
RUN useradd --uid 2000 --gid 0 --no-log-init --create-home --home-dir ${HOME} USERNAME \\
    && chgrp -R 0 ${HOME} \\
    && chmod -R g=u ${HOME}
LABEL name="{{ labels.name }}" \\
      vendor="{{ labels.vendor }}" \\
      maintainer="{{ labels.maintainer }}" \\
      version="{{ release }}" \\
      release="1" \\
      summary="{{ labels.summary }}" \\
      description="{{ labels.description }}"
USER 2000
"""
