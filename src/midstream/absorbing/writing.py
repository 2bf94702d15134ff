"""More edits in an overlay's YAML: what a person wrote there stays as it is, comments and all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from midstream import configuration
from midstream.source import Source

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MARKS = ("{{", "{%", "{#")


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks, and lists on one line."""


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style)


def _list(dumper: _Dumper, value: list[Any]) -> yaml.SequenceNode:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(list, _list)


def with_edits(source: Source, edits: Sequence[Mapping[str, Any]]) -> Source:
    """An overlay's YAML with these edits behind those that it has."""
    node = next(
        (v for k, v in configuration.load(source)[0].entries() if k.text() == "edits"), None
    )
    written = [as_yaml(each) for each in edits]
    if node is None:
        return Source(source.name, f"{_ended(source.text)}edits:\n{_items(written, '  ')}")
    if not node.is_sequence:
        at = _line_behind(source, node.span.end)
        head = _ended(source.text[: node.span.start] + source.text[node.span.end : at])
        return Source(source.name, f"{head}{_items(written, '  ')}{source.text[at:]}")
    if source.text[node.span.start] == "[":
        return _in_brackets(source, node, edits)
    indent = " " * (source.position(node.span.start).column - 1)
    at = _end_of(source, node.items()[-1])
    head = _ended(source.text[:at])
    return Source(source.name, f"{head}{_items(written, indent)}{source.text[at:]}")


def as_yaml(edit: Mapping[str, Any]) -> str:
    """One edit as it is written into an overlay."""
    return str(yaml.dump(
        _escaped(edit), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000,
    ))  # fmt: skip


def _items(written: Sequence[str], indent: str) -> str:
    lines = []
    for each in written:
        first, *rest = each.splitlines()
        lines.append(f"{indent}- {first}\n")
        lines += [f"{indent}  {line}\n" if line else "\n" for line in rest]
    return "".join(lines)


def _in_brackets(
    source: Source, node: configuration.Node, edits: Sequence[Mapping[str, Any]]
) -> Source:
    """`edits: [{…}]` stays on its line."""
    items = node.items()
    at = items[-1].span.end if items else node.span.end - 1
    written = ", ".join(
        str(yaml.dump(
            _escaped(each), Dumper=yaml.SafeDumper, sort_keys=False, allow_unicode=True,
            width=10_000, default_flow_style=True,
        )).strip()
        for each in edits
    )  # fmt: skip
    joint = ", " if items else ""
    return Source(source.name, f"{source.text[:at]}{joint}{written}{source.text[at:]}")


def _end_of(source: Source, node: configuration.Node) -> int:
    """Where the line behind a value starts. A value's own end may lie behind comments below it."""
    text = source.text[: node.span.end].rstrip()
    while text.rpartition("\n")[2].lstrip().startswith("#"):
        text = text.rpartition("\n")[0].rstrip()
    return _line_behind(source, len(text))


def _line_behind(source: Source, offset: int) -> int:
    end = source.text.find("\n", offset)
    return end + 1 if end != -1 else len(source.text)


def _ended(text: str) -> str:
    return text if text.endswith("\n") or not text else f"{text}\n"


def _escaped(edit: Mapping[str, Any]) -> dict[str, Any]:
    """What goes through Jinja2 is kept as it is."""
    templates = ("replace", "before", "after", "end")
    return {
        key: f"{{% raw %}}{value}{{% endraw %}}"
        if key in templates and any(mark in value for mark in _MARKS)
        else value
        for key, value in edit.items()
    }
