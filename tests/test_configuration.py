from __future__ import annotations

import pytest
import yaml

from midstream.configuration import ConfigurationError, Mistakes, Node, load
from midstream.errors import Exit
from midstream.source import Source


def loaded(text: str) -> tuple[Node, Mistakes]:
    return load(Source("x.yaml", text))


def said(mistakes: Mistakes) -> list[tuple[str, str, str]]:
    return [(f.rule.code, str(f.source.position(f.span.start)), f.message) for f in mistakes.found]


def test_values_are_read_as_they_are_written() -> None:
    root, mistakes = loaded("a: 3.10\nb: no\nc: [x, y]\nd: one\ne: true\nf: 7\ng: {k: v}\nh:\n")
    read = root.record(required="ab", optional="cdefgh")
    assert (read.text("a"), read.text("b"), read.text("z", "none")) == ("3.10", "no", "none")
    assert (read.texts("c"), read.texts("d"), read.texts("z")) == (("x", "y"), ("one",), ())
    assert (read.flag("e"), read.flag("z", default=True)) == (True, True)
    assert (read.number("f"), read.number("z", 3)) == (7, 3)
    assert [(key.text(), value.text()) for key, value in read.entries("g")] == [("k", "v")]
    assert ([each.text() for each in read.items("c")], read.items("z")) == (["x", "y"], [])
    assert (list(read.entries("z")), read.get("h"), "h" in read) == ([], None, True)
    mistakes.raise_if_any()


def test_every_mistake_is_found_at_its_line_in_one_go() -> None:
    root, mistakes = loaded("nmae: x\nb: [1]\nc: maybe\nd: many\ne: text\nf: text\nb: 2\n")
    read = root.record(required=("name", "b"), optional="cdef")
    assert (read.text("b"), read.flag("c"), read.number("d"), read.items("e")) == ("", False, 0, [])
    assert list(read.entries("f")) == []
    assert said(mistakes) == [
        ("MS502", "1:1", "unknown key `nmae`"),
        ("MS505", "7:1", "`b` stands here twice"),
        ("MS503", "1:1", "`name` is missing"),
        ("MS504", "2:4", "expected a text, found a list"),
        ("MS504", "3:4", "expected true or false"),
        ("MS504", "4:4", "expected a whole number, found `many`"),
        ("MS504", "5:4", "expected a list, found a text"),
        ("MS504", "6:4", "expected a mapping, found a text"),
    ]
    assert mistakes.found[0].help == "did you mean `name`?"
    with pytest.raises(ConfigurationError, match="8 mistakes in x") as caught:
        mistakes.raise_if_any()
    assert caught.value.exit_code == Exit.USAGE


@pytest.mark.parametrize(
    ("text", "part"),
    [("", "empty"), ("a: [1\nb: 2\n", "not YAML"), ("a: \x07", "not YAML"), ("a: b: c", "not YAML"),
     ("- *x", "undefined alias"), ("a: \udcff", "not YAML")],
)  # fmt: skip
def test_what_is_no_yaml_is_one_finding(text: str, part: str) -> None:
    with pytest.raises(ConfigurationError, match="1 mistake in x") as caught:
        loaded(text)
    [found] = caught.value.diagnostics
    assert found.rule.code == "MS501"
    assert part in found.message


@pytest.mark.parametrize(
    "value",
    ["", "~", "null", "Null", "NULL", "nUll", '"null"', "!!null x", "!!str null", "[a]", "0"],
)
def test_nothing_is_what_yaml_says_it_is(value: str) -> None:
    root, _ = loaded(f"key: {value}\n")
    by_yaml = yaml.compose(root.source.text, Loader=yaml.SafeLoader)
    assert isinstance(by_yaml, yaml.MappingNode)
    ((_, node),) = root.entries()
    assert node.is_null == (by_yaml.value[0][1].tag == "tag:yaml.org,2002:null")
