"""Folders in memory, and a small overlay tree of our own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MAIN = "overlays/app/overlay.yaml"

HEAD = """\
target: app
upstream: {file: demo/app, releases: ">=2"}
platform: ubi9
ship: {stage: final}
"""


class Tree:
    """A folder that lives in a mapping of paths to texts."""

    def __init__(self, files: Mapping[str, str | bytes]) -> None:
        self.files = {
            path: text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
            for path, text in files.items()
        }

    def read(self, path: str) -> bytes | None:
        return self.files.get(path)

    def names(self, folder: str) -> tuple[str, ...]:
        inside = [path.removeprefix(f"{folder}/") for path in self.files if path.startswith(folder)]
        return tuple(sorted({path.split("/")[0] for path in inside}))


def app(body: str = "", **more: str) -> Tree:
    """The overlay of `app` with more keys, and more files named `a__b` for `overlays/a/b`."""
    others = {f"overlays/{path}": text for path, text in more.items()}
    return Tree({MAIN: HEAD + body, **others})
