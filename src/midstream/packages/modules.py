"""modules.yaml: which packages belong to a module's stream, and which streams are on by default.

The format is modulemd's: https://github.com/fedora-modularity/libmodulemd/tree/main/yaml_specs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml
from msgspec import Struct, field

from midstream.packages.xml import BadMetadata

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from midstream.packages.primary import Rpm

# Every scalar is a text: a stream `1.10` is no number. Neither loader makes objects.
try:
    from yaml import CBaseLoader as _Loader
except ImportError:  # a PyYAML built without libyaml reads the same, more slowly
    from yaml import BaseLoader as _Loader  # type: ignore[assignment]


class Modules(Struct, frozen=True):
    """By a package's NEVRA the streams that it is in, as `nodejs:20`; and the default ones."""

    streams: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    defaults: frozenset[str] = frozenset()

    def hiding(self, rpm: Rpm) -> tuple[str, ...]:
        """The streams, one of which has to be enabled before dnf sees a package; often none."""
        streams = self.streams.get(rpm.nevra, ())
        return () if self.defaults.intersection(streams) else streams


def read_modules(data: bytes, what: str) -> Modules:
    """Raises `BadMetadata`."""
    streams: dict[str, tuple[str, ...]] = {}
    defaults: set[str] = set()
    try:
        for kind, content in _documents(data):
            name = f"{content.get('name')}:{content.get('stream')}"
            if kind == "modulemd":
                for nevra in _artifacts(content):
                    streams[nevra] = (*streams.get(nevra, ()), name)
            elif kind == "modulemd-defaults" and content.get("stream"):
                defaults.add(f"{content.get('module')}:{content['stream']}")
    except (yaml.YAMLError, UnicodeError, ValueError, AttributeError, TypeError) as error:
        raise BadMetadata(f"{what} can't be read: {' '.join(str(error).split())}") from None
    return Modules(streams, frozenset(defaults))


def _documents(data: bytes) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for each in yaml.load_all(data, _Loader):
        if each:
            yield each.get("document"), each.get("data") or {}


def _artifacts(content: Mapping[str, Any]) -> Iterable[str]:
    found: Iterable[str] = (content.get("artifacts") or {}).get("rpms") or ()
    return found
