"""Reading every Dockerfile of three releases, beside dockerfile-parse's `structure`."""

from __future__ import annotations

import io

from dockerfile_parse import DockerfileParser

from bench.measuring import side_by_side
from bench.releases import dockerfiles
from midstream.dockerfile.scan import parse
from midstream.dockerfile.shell import read_script
from midstream.source import Source

RELEASES = ("0.11.0", "0.24.0", "0.33.0")


def main() -> None:
    texts = [(name, data) for release in RELEASES for name, data in dockerfiles(release)]

    def ours() -> None:
        for name, data in texts:
            dockerfile = parse(Source.from_bytes(name, data))
            for instruction in dockerfile.instructions:
                read_script(dockerfile, instruction)

    def theirs() -> None:
        for _, data in texts:
            _ = DockerfileParser(fileobj=io.BytesIO(data)).structure

    ours()
    mine, other = side_by_side(ours, theirs, rounds=7)
    size = sum(len(data) for _, data in texts)
    print(f"{len(texts)} Dockerfiles of {', '.join(RELEASES)}, {size / 1000:.0f} kB")
    print(f"stages, spans and shell          {mine * 1000:7.0f} ms  (median of 7)")
    print(f"dockerfile-parse's structure     {other * 1000:7.0f} ms")
    print(f"ratio                            {mine / other:7.1f}      (6 or less is promised)")
