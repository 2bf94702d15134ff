"""The sections of an `overlay.yaml`, each read into values, with every mistake at its line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, TypeVar

from midstream.configuration import MISSING_KEY
from midstream.diagnostic import Place, Rule
from midstream.overlay.address import read_address
from midstream.overlay.fragments import inline
from midstream.overlay.model import (
    After,
    Args,
    Before,
    ContextFile,
    Drop,
    End,
    FactKind,
    FactRule,
    Fragment,
    OverlayEdit,
    Promote,
    Replace,
    Review,
    Set,
    SetAside,
    ShipArgument,
    Swap,
    Upstream,
    Value,
    Verb,
    Waiver,
)
from midstream.overlay.releases import is_range
from midstream.source import Span
from midstream.ubi.subject import PythonLayout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from midstream.configuration import Mistakes, Node, Record
    from midstream.overlay.fragments import Fragments
    from midstream.overlay.model import Address

DUPLICATE_ID = Rule(
    "MS511",
    "duplicate-id",
    """\
Two entries of one overlay have one name: edits have an `id`, facts a `name`. The ledger, the lock
and the decisions know an edit by its `id`, so each must be its own.

An edit that is inherited through `extends:` is replaced by one with the same `id`; that is no
mistake.
""",
)
ONE_VERB = Rule(
    "MS512",
    "one-verb",
    """\
An edit has exactly one verb, which says what is done at its `at:`

    replace   drop   set   args   swap   before   after   end

Make two edits of it where two things are to be done.
""",
)
WRONG_VERB = Rule(
    "MS513",
    "verb-and-address",
    """\
The verb and the `at:` of an edit don't belong together: `end` takes a stage alone
(`at: "@ship"`), `args` a phrase that finds one command (`at: builder / RUN / auditwheel repair`),
and every other verb but `drop` at least `stage / KIND`.
""",
)
RULES = (DUPLICATE_ID, ONE_VERB, WRONG_VERB)

_VERBS = ("replace", "drop", "set", "args", "swap", "before", "after", "end")
_COMMAND_KINDS = frozenset({"RUN", "CMD", "ENTRYPOINT", "HEALTHCHECK", "ONBUILD"})
_T = TypeVar("_T")


@dataclass(slots=True)
class Layer:
    """What one YAML file says, before it is joined with what it extends."""

    root: Node
    path: str
    values: Record
    parents: list[Layer] = field(default_factory=list)
    upstream: Upstream | None = None
    platform: Value | None = None
    python: PythonLayout | None = None
    stage: Value | None = None
    args: dict[str, ShipArgument] = field(default_factory=dict)
    set_aside: dict[str, SetAside] = field(default_factory=dict)
    platforms: tuple[Value, ...] | None = None
    repositories: tuple[Value, ...] = ()
    edits: dict[str, OverlayEdit] = field(default_factory=dict)
    dropped: dict[str, Node] = field(default_factory=dict)
    files: dict[str, ContextFile] = field(default_factory=dict)
    images: tuple[Node, ...] = ()
    facts: dict[str, FactRule] = field(default_factory=dict)
    labels: dict[str, Fragment] = field(default_factory=dict)
    review: tuple[Review, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    promote: Promote | None = None
    template: Fragment | None = None


def _read_upstream(layer: Layer, node: Node, _fragments: Fragments) -> None:
    record = node.record(required=("file",), optional=("releases",))
    file, releases = record.get("file"), record.get("releases")
    project, slash, target = file.text().partition("/") if file else ("", "", "")
    if file is not None and not (project and slash and target):
        file.wrong(f"expected project/target, such as vllm/rocm, found `{file.text()}`")
    layer.upstream = Upstream(project, target, _range(releases), node.place)


def _range(node: Node | None) -> str | None:
    if node is None:
        return None
    if not is_range(node.text()):
        node.wrong(
            f"`{node.text()}` is no range of releases", help='such as ">=0.11,<0.33" (PEP 440)'
        )
        return None
    return node.text()


def _read_platform(layer: Layer, node: Node, _fragments: Fragments) -> None:
    layer.platform = _value(node)


def _read_python(layer: Layer, node: Node, _fragments: Fragments) -> None:
    record = node.record(required=("layout",), optional=("path", "version"))
    layout, path = record.text("layout", "system"), record.text("path")
    if layout not in ("system", "venv"):
        record.values["layout"].wrong(f"expected system or venv, found `{layout}`")
    if layout == "venv" and not path.startswith("/"):
        (record.get("path") or node).wrong("a venv needs its absolute `path`")
    if layout == "system" and path:
        record.values["path"].wrong("only a venv has a `path`")
    layer.python = PythonLayout(layout, path, record.text("version"))


def _read_ship(layer: Layer, node: Node, _fragments: Fragments) -> None:
    record = node.record(optional=("stage", "args", "platforms", "set_aside"))
    stage, platforms = record.get("stage"), record.get("platforms")
    layer.stage = _value(stage) if stage else None
    layer.platforms = _values(platforms) if platforms else None
    for key, value in record.entries("args"):
        argument = _ship_argument(key, value)
        if argument is not None:
            layer.args[argument.name] = argument
    for key, value in record.entries("set_aside"):
        layer.set_aside[key.text()] = _set_aside(key, value)


def _set_aside(key: Node, node: Node) -> SetAside:
    if node.is_mapping:
        record = node.record(required=("why",), optional=("releases",))
        return SetAside(key.text(), _why(record), key.place, _range(record.get("releases")))
    if node.is_null or (node.is_scalar and not node.text().strip()):
        node.wrong("say why: `set_aside: {NAME: WHY}`", rule=MISSING_KEY)
        return SetAside(key.text(), "", key.place)
    return SetAside(key.text(), node.text(), key.place)


def _ship_argument(key: Node, node: Node) -> ShipArgument | None:
    record = node.record(required=("value", "why"))
    value = record.get("value")
    if value is None:
        return None
    # A build argument is a value: `.j2` at its end doesn't make it a file.
    return ShipArgument(key.text(), inline(value, value.text()), record.text("why"), node.place)


def _read_repositories(layer: Layer, node: Node, _fragments: Fragments) -> None:
    layer.repositories = _values(node)


def _read_edits(layer: Layer, node: Node, fragments: Fragments) -> None:
    for each in node.items():
        edit = _edit(each, fragments)
        if edit is not None:
            _add_once(layer.edits, edit.id, edit, edit.place, layer.root.mistakes)


def _edit(node: Node, fragments: Fragments) -> OverlayEdit | None:
    record = node.record(
        required=("id", "at", "why"), optional=(*_VERBS, "expect", "until", "releases", "scope")
    )
    at = record.get("at")
    address = read_address(at) if at is not None else None
    verb = _verb(node, record, fragments)
    expect = _expect(record)
    until, releases = _until(record.get("until")), _range(record.get("releases"))
    why = _why(record)
    if address is None or verb is None or not record.text("id"):
        return None
    _check_fit(node, address, verb)
    return OverlayEdit(
        id=record.text("id"),
        at=address,
        verb=verb,
        why=why,
        expect=expect,
        place=node.place,
        until=until,
        releases=releases,
    )


def _why(record: Record) -> str:
    node = record.values.get("why")
    if node is not None and (node.is_null or not node.text().strip()):
        node.wrong("`why` is empty", rule=MISSING_KEY)
        return ""
    return record.text("why")


def _expect(record: Record) -> int:
    node = record.get("expect")
    if node is None:
        return 1
    text = node.text()
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        node.wrong(f"`expect` is a number from 1 on, found `{text}`")
        return 1
    return int(text)


def _until(node: Node | None) -> date | None:
    if node is None:
        return None
    try:
        return date.fromisoformat(node.text())
    except ValueError:
        node.wrong(f"`{node.text()}` is no day", help="such as 2027-03-31")
        return None


def _verb(node: Node, record: Record, fragments: Fragments) -> Verb | None:
    verbs = [name for name in _VERBS if name in record]
    if len(verbs) != 1:
        said = " and ".join(f"`{name}`" for name in verbs)
        message = f"an edit has one verb, found {said}" if verbs else "an edit needs a verb"
        start = Span(node.span.start, node.span.start)
        node.mistakes.add(ONE_VERB, message, start, help=f"one of {', '.join(_VERBS)}")
        return None
    name = verbs[0]
    whole = _whole(record, name)
    value = record.values[name]
    if name == "drop":
        return _drop(value, whole=whole)
    if value.is_null:
        value.wrong(f"`{name}` is empty")
        return None
    if name == "replace":
        text = fragments.read(value)
        return Replace(text, whole) if text else None
    return _MAKERS[name](value, fragments)


def _drop(node: Node, *, whole: bool) -> Drop:
    if node.is_scalar and node.text() == "false":
        node.wrong("`drop: false` does nothing")
    elif not node.is_null:
        node.flag()
    return Drop(whole)


def _whole(record: Record, verb: str) -> bool:
    node = record.get("scope")
    if node is None:
        return False
    if verb not in ("replace", "drop"):
        node.wrong("only `replace` and `drop` have a `scope`")
    elif node.text() not in ("command", "instruction"):
        node.wrong(f"expected command or instruction, found `{node.text()}`")
    return node.text() == "instruction"


def _make_set(node: Node, _fragments: Fragments) -> Verb | None:
    if not node.is_mapping:
        return Set({"": node.text()})
    return Set(_texts_by_key(node))


def _make_args(node: Node, _fragments: Fragments) -> Verb | None:
    return Args(_texts_by_key(node))


def _texts_by_key(node: Node) -> dict[str, str | None]:
    values = {key.text(): None if v.is_null else v.text() for key, v in node.entries()}
    if node.is_mapping and not values:
        node.wrong("nothing is listed here")
    return values


def _make_swap(node: Node, _fragments: Fragments | None = None) -> Swap | None:
    texts = node.texts() if node.is_sequence else ()
    if len(texts) != 2 or not texts[0]:
        node.wrong("expected two texts, [old, new]")
        return None
    return Swap(*texts)


def _make_fragments(
    kind: Callable[[tuple[Fragment, ...]], Verb],
) -> Callable[[Node, Fragments], Verb | None]:
    def make(node: Node, fragments: Fragments) -> Verb | None:
        found = fragments.read_many(node)
        if node.is_sequence and not node.items():
            node.wrong("nothing is listed here")
        return kind(found) if found else None

    return make


_MAKERS: dict[str, Callable[[Node, Fragments], Verb | None]] = {
    "set": _make_set,
    "args": _make_args,
    "swap": _make_swap,
    "before": _make_fragments(Before),
    "after": _make_fragments(After),
    "end": _make_fragments(End),
}


def _check_fit(node: Node, at: Address, verb: Verb) -> None:
    message = _misfit(at, verb)
    if message:
        node.mistakes.add(WRONG_VERB, message, at.place.span)


def _misfit(at: Address, verb: Verb) -> str:
    if isinstance(verb, End):
        return "" if at.whole_stage else "`end` takes a stage alone, without an instruction"
    if isinstance(verb, Args) and not (at.phrase and set(at.kinds) <= _COMMAND_KINDS):
        return "`args` needs a phrase that finds a command: `stage / RUN / words`"
    if at.whole_stage and not isinstance(verb, Drop):
        return "the address needs an instruction: `stage / KIND`"
    return ""


def _read_files(layer: Layer, node: Node, fragments: Fragments) -> None:
    for key, value in node.entries():
        record = value.record(required=("why",), optional=("with", "swap"))
        with_, swap = record.get("with"), record.get("swap")
        if (with_ is None) == (swap is None):
            value.wrong("expected either `with`, a file of ours, or `swap`, [old, new]")
        text = fragments.file(with_) if with_ else None
        swaps = tuple(_swaps(swap)) if swap else ()
        why = _why(record)
        if text or swaps:
            layer.files[key.text()] = ContextFile(key.text(), text, why, value.place, swaps)


def _swaps(node: Node) -> Iterator[tuple[str, str]]:
    """One pair of texts, or several."""
    nodes = node.items() if node.is_sequence else [node]
    for each in nodes if nodes and nodes[0].is_sequence else [node]:
        pair = _make_swap(each)
        if pair is not None:
            yield pair.old, pair.new


def _read_images(layer: Layer, node: Node, _fragments: Fragments) -> None:
    layer.images = tuple(node.items())


def _read_facts(layer: Layer, node: Node, _fragments: Fragments) -> None:
    for each in node.items():
        fact = _fact(each)
        if fact is not None:
            _add_once(layer.facts, fact.name, fact, fact.place, layer.root.mistakes)


def _fact(node: Node) -> FactRule | None:
    kinds = tuple(FactKind)
    record = node.record(required=("name",), optional=("from", *kinds))
    named = [kind for kind in kinds if kind in record]
    if len(named) != 1 and node.is_mapping:
        node.wrong("expected one of arg, pin, json, regex", rule=MISSING_KEY)
        return None
    name, file = record.text("name"), record.text("from") or None
    if not named or not name:
        return None
    if not name.isidentifier():
        record.values["name"].wrong(f"`{name}` can't be used as `facts.{name}`")
    if file is None and named[0] is not FactKind.ARG:
        node.wrong(f"`{named[0]}` is read from a file: `from` is missing", rule=MISSING_KEY)
    _check_fact(record.values[named[0]], named[0])
    return FactRule(name, file, named[0], record.text(named[0]), node.place)


def _check_fact(node: Node, kind: FactKind) -> None:
    if kind is FactKind.JSON and not node.text().startswith("/"):
        node.wrong(f"`{node.text()}` is no JSON pointer", help="such as /variable/X/default")
    if kind is not FactKind.REGEX:
        return
    try:
        groups = re.compile(node.text()).groups
    except re.error as error:
        node.wrong(f"not a regular expression: {error}")
        return
    if groups != 1:
        node.wrong(f"expected one group, the value, found {groups}")


def _read_labels(layer: Layer, node: Node, _fragments: Fragments) -> None:
    for key, value in node.entries():
        layer.labels[key.text()] = inline(value, value.text())


def _read_review(layer: Layer, node: Node, _fragments: Fragments) -> None:
    found = []
    for each in node.items():
        record = each.record(required=("at",), optional=("why",))
        at = record.get("at")
        address = read_address(at) if at else None
        if address:
            found.append(Review(address, record.text("why")))
    layer.review = tuple(found)


def _read_waivers(layer: Layer, node: Node, _fragments: Fragments) -> None:
    layer.waivers = tuple(w for each in node.items() if (w := _waiver(each)) is not None)


def _waiver(node: Node) -> Waiver | None:
    record = node.record(required=("rule", "why"), optional=("until", "at"))
    at = record.get("at")
    address = read_address(at) if at else None
    until, why = _until(record.get("until")), _why(record)
    if not record.text("rule"):
        return None
    return Waiver(record.text("rule"), why, until, address, node.place)


def _read_promote(layer: Layer, node: Node, _fragments: Fragments) -> None:
    record = node.record(required=("repository",), optional=("tags",))
    repository = record.get("repository")
    tags = {key.text(): _values(value) for key, value in record.entries("tags")}
    if repository is not None:
        layer.promote = Promote(_value(repository), tags, node.place)


def _read_template(layer: Layer, node: Node, fragments: Fragments) -> None:
    layer.template = fragments.file(node)


def _read_dropped(layer: Layer, node: Node, _fragments: Fragments) -> None:
    for key, value in node.entries():
        if value.is_null or not value.text().strip():
            value.wrong("say why: `drop_edits: {ID: WHY}`", rule=MISSING_KEY)
        layer.dropped[key.text()] = key


SECTIONS: dict[str, Callable[[Layer, Node, Fragments], None]] = {
    "upstream": _read_upstream,
    "platform": _read_platform,
    "python": _read_python,
    "ship": _read_ship,
    "repositories": _read_repositories,
    "edits": _read_edits,
    "drop_edits": _read_dropped,
    "files": _read_files,
    "images": _read_images,
    "facts": _read_facts,
    "labels": _read_labels,
    "review": _read_review,
    "waivers": _read_waivers,
    "promote": _read_promote,
    "template": _read_template,
}
KEYS = ("target", "extends", *SECTIONS)


def _value(node: Node) -> Value:
    return Value(node.text(), node.place)


def _values(node: Node) -> tuple[Value, ...]:
    nodes = [node] if node.is_scalar else node.items()
    return tuple(_value(each) for each in nodes)


def _add_once(into: dict[str, _T], name: str, value: _T, place: Place, mistakes: Mistakes) -> None:
    if name in into:
        first: Place = into[name].place  # type: ignore[attr-defined]
        also = Place(first.source, first.span, "the first one")
        mistakes.add(DUPLICATE_ID, f"`{name}` stands here twice", place.span, also=also)
        return
    into[name] = value
