"""`.build.json`: what to build a result with, and the labels that promotion checks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from midstream.adapters.blobs import digest_of
from midstream.overlay.model import After, Before, End, Replace
from midstream.rebasing.context_files import CONTEXT
from midstream.source import Source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from midstream.dockerfile.graph import Graph
    from midstream.overlay.model import Overlay
    from midstream.rebasing.shipping import Shipping
    from midstream.upstream.origin import Origin

VERSION = 1


class BuildPlan(Struct, frozen=True):
    """All that a builder needs beside the build context: a git checkout of upstream's commit.

    `contexts` in it are folders beside the Dockerfile, by the name that the build gives each, and
    `results` the hashes of what was proved, by path.
    """

    target: str
    dockerfile: str
    stage: str
    content: Mapping[str, Any]

    def as_bytes(self) -> bytes:
        return f"{json.dumps(self.content, indent=1)}\n".encode()


def outputs(result: Source, target: str, files: Mapping[str, str]) -> dict[str, bytes]:
    """What a build reads of a rebase, by path: the result first, then each of our own files."""
    folder = f"{result.name.rpartition('/')[0]}/{_folder(target)}"
    return {
        result.name: result.data,
        **{f"{folder}/{path}": Source(path, text).data for path, text in files.items()},
    }


def _folder(target: str) -> str:
    """Where our own files stand, beside the result."""
    return f"{target}.files"


def plan_build(
    overlay: Overlay,
    origin: Origin,
    shipping: Shipping,
    graph: Graph,
    name: str,
    stage: str,
    ledger: bytes,
    texts: Mapping[str, bytes],
) -> BuildPlan:
    """The plan for a result that stands at `name`. `graph` is the result's, `stage` what the
    shipped stage is called in it, and `texts` what `outputs` gives."""
    arguments = [
        {"name": each.name, "value": each.value, "why": each.why} for each in shipping.arguments
    ]
    images = {arrow.image for arrow in graph.arrows if arrow.image != "scratch"}
    content = {
        "midstream": VERSION,
        "target": overlay.target,
        "dockerfile": name,
        "stage": stage,
        "platforms": [str(each) for each in overlay.ship.platforms],
        "upstream": {
            "project": origin.project,
            "release": origin.release,
            "commit": origin.commit,
            "path": origin.dockerfile.name,
            "blob": origin.blob,
        },
        "arguments": arguments,
        "contexts": {CONTEXT: _folder(overlay.target)} if overlay.files else {},
        "images": sorted(image for image in images if image),
        "results": {path: digest_of(data) for path, data in texts.items()},
        "set_aside": {
            each.name: each.why for each in overlay.ship.set_aside_at(origin.counts_as).values()
        },
        "labels": labels(overlay, origin, ledger),
    }
    return BuildPlan(overlay.target, name, stage, content)


def labels(overlay: Overlay, origin: Origin, ledger: bytes) -> dict[str, str]:
    """What an image says of its making. They go in as `--label`, since the ledger can't be known
    before the result is."""
    release = f"{origin.project}@{origin.release}" if origin.release else origin.project
    return {
        "io.midstream.upstream": f"{release}#{origin.blob}",
        "io.midstream.overlay": digest_of(
            "\0".join(f"{name}\0{text}" for name, text in sorted(_texts(overlay))).encode(
                "utf-8", "surrogateescape"
            )
        ),
        "io.midstream.ledger": digest_of(ledger),
    }


def _texts(overlay: Overlay) -> set[tuple[str, str]]:
    """All that a person wrote about the target, by file: the YAML and the fragments."""
    found = {(source.name, source.text) for source in overlay.sources}
    fragments = [file.text for file in overlay.files.values() if file.text]
    fragments += [overlay.template] if overlay.template else []
    for edit in overlay.edits:
        if isinstance(edit.verb, Replace):
            fragments.append(edit.verb.text)
        elif isinstance(edit.verb, Before | After | End):
            fragments += edit.verb.fragments
    return found | {(each.source.name, each.source.text) for each in fragments}
