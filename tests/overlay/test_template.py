from __future__ import annotations

from typing import Any

import pytest

from demo import places
from midstream.diagnostic import Place
from midstream.errors import Exit, UsageError
from midstream.overlay.model import Fragment
from midstream.overlay.template import BadTemplate, render
from midstream.source import Source, Span


def fragment(text: str, *, inline: bool = False) -> Fragment:
    overlay = Source("overlay.yaml", "a:\n  b: here\n")
    return Fragment(Source("x.j2", text), Place(overlay, Span(8, 12)), inline)


def filled(text: str, **values: Any) -> str:
    return render(fragment(text), values)


def mistake(text: str, **values: Any) -> tuple[str, int, str]:
    """The one finding for a template: its code, its line, what it says."""
    with pytest.raises(BadTemplate) as caught:
        filled(text, **values)
    assert caught.value.exit_code == Exit.USAGE
    ((code, name, line, message),) = places(caught.value.diagnostics)
    assert name == "x.j2"
    return code, line, message.removeprefix("template: ")


def test_values_are_filled_in_and_the_rest_stays_byte_for_byte() -> None:
    text = "# é\r\nENV A={{ a }} \\\n\n  B={{ b.c }}\n\n"
    assert filled(text, a=1, b={"c": "x y"}) == "# é\r\nENV A=1 \\\n\n  B=x y\n\n".replace("\r", "")


def test_a_text_without_marks_is_taken_as_it_is() -> None:
    assert filled("RUN echo ${X} }} \r\n") == "RUN echo ${X} }} \r\n"


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("{% for x in [1, 2] %}{{ loop.index }}/{{ loop.length }} {% endfor %}", "1/2 2/2 "),
        ("{% for x in [[1, [2]], 3] recursive %}{{ loop(x) if x is iterable else x }}{% endfor %}",
         "123"),
        ("{% macro m(n) %}<{{ n }}>{% endmacro %}{{ m(1) }}{{ m(2) }}", "<1><2>"),
        ("{{ 'a,b'.split(',')|join('-')|upper }} {{ 7 % 4 * 2 }} {{ no|default('d') }}", "A-B 6 d"),
        ("{% raw %}{{ kept }}{% endraw %}{# gone #}", "{{ kept }}"),
        ("{{ f('a') }}", "got a"),
    ],
)  # fmt: skip
def test_what_a_fragment_needs_of_jinja_is_there(text: str, made: str) -> None:
    assert filled(text, f=lambda x: f"got {x}") == made


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("{{ missing }}", "MS531", "'missing' is undefined"),
        ("{{ facts.CUDA }}", "MS531", "has no attribute 'CUDA'"),
        ("{{ lipsum() }}", "MS531", "'lipsum' is undefined"),
        ("{% if %}", "MS530", "Expected an expression"),
        ("{{ 'x'|shout }}", "MS530", "No filter named 'shout'"),
        ("{% include 'other.j2' %}", "MS530", "no loader"),
        ("{{ 1 + 'a' }}", "MS530", "unsupported operand"),
        ("{{ 1 / 0 }}", "MS530", "division by zero"),
        ("{% for x in 5 %}{% endfor %}", "MS530", "not iterable"),
        ("{{ ''.__class__ }}", "MS532", "`__class__`"),
        ("{{ ''|attr('__class__') }}", "MS532", "`__class__`"),
        ("{{ f.__globals__ }}", "MS532", "`__globals__`"),
        ("{{ 'x'.ljust(10) }}", "MS532", "`ljust`"),
    ],
)
def test_a_mistake_is_one_finding_at_its_line(text: str, code: str, said: str) -> None:
    found, line, message = mistake(f"RUN a\n\n{text}\n", facts={}, f=mistake)
    assert (found, line) == (code, 3)
    assert said.replace("`", "'") in message


@pytest.mark.parametrize("value", [None, {"a": 1}, [1], print, object(), iter(())])
def test_a_value_without_a_text_of_its_own_is_refused(value: object) -> None:
    # Some of these would show where they stand in memory: another text in every run.
    code, line, message = mistake("\n{{ value }}", value=value)
    assert (code, line) == ("MS530", 2)
    assert f"`{type(value).__name__}` has no text" in message


@pytest.mark.parametrize(
    "text",
    [
        "{% for a in range(300) %}{% for b in range(300) %}{% endfor %}{% endfor %}",
        "{% for a in range(99999999999) %}{% endfor %}",
        "{{ range(99999999999)|join }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% macro m(n) %}{% if n %}{{ m(n-1) }}{{ m(n-1) }}{% endif %}{% endmacro %}{{ m(60) }}",
        "{% for x in range(9) recursive %}{% if loop.depth < 9 %}{{ loop(range(9)) }}{% endif %}"
        "{% endfor %}",
        "{% for x in range(99) recursive %}{% if loop.depth < 2 %}{{ loop(range(900)) }}{% endif %}"
        "{% endfor %}",
        "{{ 'x' * 999999999999 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ '%099999999999d' % 1 }}",
    ],
)
def test_what_runs_on_or_makes_too_much_text_is_stopped(text: str) -> None:
    code, line, _ = mistake(f"\n{text}\n")
    assert (code, line) == ("MS533", 2)


def test_more_text_than_a_dockerfile_ever_has_is_refused() -> None:
    text = "{% set a = 'xxxxxxxxxx' %}" + 17 * "{% set a = a ~ a %}" + "{{ a }}"
    assert mistake(text) == ("MS533", 1, "more than 1,000,000 characters of text")


def test_a_mistake_in_an_inline_template_is_shown_in_the_overlay() -> None:
    with pytest.raises(BadTemplate) as caught:
        render(fragment("\n\n\n{{ x }}", inline=True), {})
    (found,) = caught.value.diagnostics
    assert (found.source.name, found.source[found.span]) == ("overlay.yaml", "here")


def test_an_error_of_a_value_itself_comes_through() -> None:
    def sibling(name: str) -> str:
        raise UsageError(f"no target {name}")

    with pytest.raises(UsageError, match="no target base") as caught:
        filled("{{ sibling('base') }}", sibling=sibling)
    assert not isinstance(caught.value, BadTemplate)
