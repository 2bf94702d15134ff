"""YAML written for midstream, read so that every mistake is shown at its line.

The YAML library gives nodes with marks; a `Node` here hands out typed values, and notes what is
wrong with its place. Reading goes on after a mistake, so that a person sees them all at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml
from msgspec import Struct, field

from midstream.diagnostic import Diagnostic, Place, Rule, Severity, counted
from midstream.errors import UsageError
from midstream.source import Source, Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # a PyYAML built without libyaml reads the same, more slowly
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

_NULL = "tag:yaml.org,2002:null"
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))


class Loader(_Loader):
    """Gives nodes. Scalars are texts or nothing: what a number or a date is, their reader says.

    YAML's own rules try regular expressions on each scalar, and follow each node's path.
    """

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        if kind is yaml.ScalarNode:
            return _NULL if implicit[0] and value in _NULLS else self.DEFAULT_SCALAR_TAG
        return self.DEFAULT_SEQUENCE_TAG if kind is yaml.SequenceNode else self.DEFAULT_MAPPING_TAG

    def descend_resolver(self, current_node: Any, current_index: Any) -> None:
        pass

    def ascend_resolver(self) -> None:
        pass


NOT_YAML = Rule("MS501", "not-yaml", "The file is not YAML that midstream can read.")
UNKNOWN_KEY = Rule("MS502", "unknown-key", "A key that this file's format does not have.")
MISSING_KEY = Rule("MS503", "missing-key", "A key that this file's format requires.")
WRONG_VALUE = Rule("MS504", "wrong-value", "A value of another kind than the key takes.")
DUPLICATE_KEY = Rule("MS505", "duplicate-key", "One key stands twice in one mapping.")
RULES = (NOT_YAML, UNKNOWN_KEY, MISSING_KEY, WRONG_VALUE, DUPLICATE_KEY)


class ConfigurationError(UsageError):
    """A file written for midstream has mistakes; each is a finding."""

    def __init__(self, source: Source, diagnostics: Iterable[Diagnostic]) -> None:
        found = tuple(diagnostics)
        mistakes = counted(len(found), "mistake")
        super().__init__(f"{mistakes} in {source.name}", diagnostics=found)


class Mistakes(Struct):
    """The findings about one file, in the order they were met."""

    source: Source
    found: list[Diagnostic] = field(default_factory=list)

    def add(
        self,
        rule: Rule,
        message: str,
        span: Span,
        *,
        help: str | None = None,
        also: Place | None = None,
    ) -> None:
        self.found.append(
            Diagnostic(
                rule=rule,
                severity=Severity.ERROR,
                message=message,
                source=self.source,
                span=span,
                help=help,
                also=also,
            )
        )

    def raise_if_any(self) -> None:
        if self.found:
            raise ConfigurationError(self.source, self.found)


def load(source: Source) -> tuple[Node, Mistakes]:
    """The root of a YAML file, and the list that mistakes found while reading it go to.

    Raises `ConfigurationError` at once where the text is no YAML at all. The caller reads what
    it wants, and then calls `mistakes.raise_if_any()`.
    """
    mistakes = Mistakes(source)
    loader = None
    try:
        loader = Loader(source.text)
        root = loader.get_single_node()
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        mark = getattr(error, "problem_mark", None)
        at = min(mark.index, len(source.text)) if mark else 0
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
        mistakes.add(NOT_YAML, f"not YAML: {problem}", Span(at, at))
        raise ConfigurationError(source, mistakes.found) from None
    finally:
        if loader is not None:
            loader.dispose()
    if root is None:
        mistakes.add(NOT_YAML, "the file is empty", Span(0, 0))
        raise ConfigurationError(source, mistakes.found)
    return Node(root, mistakes), mistakes


class Node(Struct, frozen=True):
    """One value of a YAML file, with its place."""

    raw: yaml.Node
    mistakes: Mistakes

    @property
    def source(self) -> Source:
        return self.mistakes.source

    @property
    def span(self) -> Span:
        return Span(self.raw.start_mark.index, self.raw.end_mark.index)

    @property
    def place(self) -> Place:
        return Place(self.source, self.span)

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.raw, yaml.MappingNode)

    @property
    def is_sequence(self) -> bool:
        return isinstance(self.raw, yaml.SequenceNode)

    @property
    def is_scalar(self) -> bool:
        return isinstance(self.raw, yaml.ScalarNode)

    @property
    def is_null(self) -> bool:
        return self.is_scalar and self.raw.tag == _NULL

    def wrong(self, message: str, *, help: str | None = None, rule: Rule = WRONG_VALUE) -> None:
        """Note a mistake at this value."""
        self.mistakes.add(rule, message, self.span, help=help)

    def text(self) -> str:
        """A scalar as it is written: `3.10` stays `3.10`, `no` stays `no`."""
        if isinstance(self.raw, yaml.ScalarNode):
            return str(self.raw.value)
        self.wrong(f"expected a text, found a {self._kind()}")
        return ""

    def number(self) -> int:
        text = self.text()
        try:
            return int(text)
        except ValueError:
            self.wrong(f"expected a whole number, found `{text}`")
            return 0

    def flag(self) -> bool:
        if self.is_scalar and self.raw.value in ("true", "false"):
            return bool(self.raw.value == "true")
        self.wrong("expected true or false")
        return False

    def items(self) -> list[Node]:
        """The values of a list."""
        if isinstance(self.raw, yaml.SequenceNode):
            return [Node(value, self.mistakes) for value in self.raw.value]
        self.wrong(f"expected a list, found a {self._kind()}")
        return []

    def texts(self) -> tuple[str, ...]:
        """A list of texts; one text stands for a list of one."""
        if self.is_scalar:
            return (self.text(),)
        return tuple(item.text() for item in self.items())

    def entries(self) -> Iterator[tuple[Node, Node]]:
        """The keys and values of a mapping whose keys are free; each key at most once."""
        if not isinstance(self.raw, yaml.MappingNode):
            self.wrong(f"expected a mapping, found a {self._kind()}")
            return
        seen: dict[str, Node] = {}
        for raw_key, raw_value in self.raw.value:
            key, value = Node(raw_key, self.mistakes), Node(raw_value, self.mistakes)
            name = key.text()
            if name in seen:
                self.mistakes.add(
                    DUPLICATE_KEY,
                    f"`{name}` stands here twice",
                    key.span,
                    also=Place(self.source, seen[name].span, "the first one"),
                )
                continue
            seen[name] = key
            yield key, value

    def record(self, *, required: Iterable[str] = (), optional: Iterable[str] = ()) -> Record:
        """A mapping whose keys are known: an unknown or missing one is a mistake."""
        required, known = tuple(required), (*required, *optional)
        values: dict[str, Node] = {}
        for key, value in self.entries():
            name = key.text()
            if name not in known:
                key.wrong(f"unknown key `{name}`", help=_advice(name, known), rule=UNKNOWN_KEY)
                continue
            values[name] = value
        if self.is_mapping:
            for name in required:
                if name not in values:
                    start = Span(self.span.start, self.span.start)
                    self.mistakes.add(MISSING_KEY, f"`{name}` is missing", start)
        return Record(self, values)

    def _kind(self) -> str:
        if self.is_mapping:
            return "mapping"
        return "list" if self.is_sequence else "text"


def _advice(name: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches  # only for who has made a mistake

    near = get_close_matches(name, known, n=1)
    return f"did you mean `{near[0]}`?" if near else f"known: {', '.join(known)}"


class Record(Struct, frozen=True):
    """A mapping with known keys. Absent keys give the default that the caller names."""

    node: Node
    values: dict[str, Node]

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def get(self, key: str) -> Node | None:
        value = self.values.get(key)
        return None if value is None or value.is_null else value

    def text(self, key: str, default: str = "") -> str:
        value = self.get(key)
        return default if value is None else value.text()

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.get(key)
        return () if value is None else value.texts()

    def flag(self, key: str, *, default: bool = False) -> bool:
        value = self.get(key)
        return default if value is None else value.flag()

    def number(self, key: str, default: int = 0) -> int:
        value = self.get(key)
        return default if value is None else value.number()

    def items(self, key: str) -> list[Node]:
        value = self.get(key)
        return [] if value is None else value.items()

    def entries(self, key: str) -> Iterator[tuple[Node, Node]]:
        value = self.get(key)
        return iter(()) if value is None else value.entries()
