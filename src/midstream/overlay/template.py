"""Filling in fragments: Jinja2, sandboxed, with nothing to see but the values that are handed in.

No clock, environment or network is in reach; a name without a value is an error; and what a
template may do is bounded, so that a mistake ends instead of running on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from midstream.diagnostic import Diagnostic, Rule, Severity
from midstream.errors import UsageError
from midstream.source import Source, Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jinja2.sandbox import SandboxedEnvironment

    from midstream.overlay.model import Fragment

SYNTAX = Rule(
    "MS530",
    "template-syntax",
    """\
**What it says.** A template can't be read.

**The way out.** Mend the line that the finding names. Text that holds `{{` or `{%` itself goes
between `{% raw %}` and `{% endraw %}`.
""",
)
UNDEFINED = Rule(
    "MS531",
    "undefined-name",
    """\
**What it says.** A template uses a name that has no value.

**Why it matters.** An empty text in its place would be a wrong image without a word.

**The way out.** Templates see `release`, `target`, `platform`, `python`, `labels`, `facts`,
`upstream`, `sibling('target')` and `set_up('repository')`. Give a value to what is missing, or take
it out.
""",
)
FORBIDDEN = Rule(
    "MS532",
    "forbidden-in-template",
    """\
**What it says.** A template reaches for something that it may not see: an attribute such as
`__class__`, or an operation that isn't safe.

**The way out.** A template fills in values. What takes more than that belongs in the Dockerfile.
""",
)
TOO_LONG = Rule(
    "MS533",
    "template-runs-on",
    """\
**What it says.** A template loops too often, calls itself, or makes more text than a Dockerfile
ever has.

**The way out.** Take the loop out; a fragment seldom needs one.
""",
)
RULES = (SYNTAX, UNDEFINED, FORBIDDEN, TOO_LONG)

_MOST_TURNS = 20_000
_MOST_TEXT = 1_000_000  # characters


class BadTemplate(UsageError):
    """A template that can't be filled in; the finding says where and why."""


class _RunsOn(Exception):
    """A bound was reached."""


def render(fragment: Fragment, values: Mapping[str, Any]) -> str:
    """A fragment's text with the values filled in. Raises `BadTemplate`."""
    if not fragment.is_template:
        return fragment.source.text
    from jinja2 import TemplateSyntaxError, UndefinedError
    from jinja2.exceptions import SecurityError

    budget = _Budget()
    try:
        pieces = _template(fragment.source.text).generate(
            {**values, "_turns": budget.turns, "_budget": budget}
        )
        return budget.gather(pieces)
    except TemplateSyntaxError as error:
        raise _bad(fragment, SYNTAX, str(error.message), error.lineno) from None
    except SecurityError as error:
        raise _bad(fragment, FORBIDDEN, str(error), _line(error)) from None
    except UndefinedError as error:
        raise _bad(fragment, UNDEFINED, str(error), _line(error)) from None
    except (_RunsOn, RecursionError, MemoryError, OverflowError) as error:
        message = str(error) or "it calls itself without an end"
        raise _bad(fragment, TOO_LONG, message, _line(error)) from None
    except UsageError:
        raise
    except (TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise _bad(fragment, SYNTAX, f"{type(error).__name__}: {error}", _line(error)) from None


@dataclass
class _Budget:
    left: int = _MOST_TURNS

    def turns(self, values: Any) -> Iterator[Any]:
        for value in values:
            self.spend()
            yield value

    def spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise _RunsOn(f"more than {_MOST_TURNS:,} turns of its loops and calls")

    def gather(self, pieces: Iterator[str]) -> str:
        found = []
        size = 0
        for piece in pieces:
            size += len(piece)
            if size > _MOST_TEXT:
                raise _RunsOn(f"more than {_MOST_TEXT:,} characters of text")
            found.append(piece)
        return "".join(found)


# What is random, or makes text without a bound, has no place in a result.
_FILTERS = (
    "batch",
    "center",
    "format",
    "indent",
    "random",
    "slice",
    "urlize",
    "wordwrap",
    "xmlattr",
)
_METHODS = frozenset(
    ("center", "expandtabs", "format", "format_map", "ljust", "rjust", "translate", "zfill")
)


@cache
def _environment() -> SandboxedEnvironment:
    from jinja2 import StrictUndefined
    from jinja2.runtime import LoopContext
    from jinja2.sandbox import ImmutableSandboxedEnvironment, safe_range

    class Environment(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset(("*", "**", "%"))

        def call_binop(self, _context: Any, operator: str, left: Any, right: Any) -> Any:
            numbers = isinstance(left, int | float) and isinstance(right, int | float)
            if not numbers or operator == "**":
                raise _RunsOn(f"`{operator}` makes texts or numbers without a bound")
            return left * right if operator == "*" else left % right

        def call(self, context: Any, callee: Any, *args: Any, **named: Any) -> Any:
            # A macro that calls itself, or a recursive loop, is bounded as a loop is.
            budget = context.resolve("_budget")
            budget.spend()
            if isinstance(callee, LoopContext) and args:
                args = (budget.turns(args[0]), *args[1:])
            return super().call(context, callee, *args, **named)

        def is_safe_attribute(self, owner: Any, name: str, value: Any) -> bool:
            boundless = isinstance(owner, str) and name in _METHODS
            return not boundless and super().is_safe_attribute(owner, name, value)

    environment = Environment(
        undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False, finalize=_printable
    )
    for name in _FILTERS:
        environment.filters.pop(name, None)
    environment.globals = {"range": safe_range}
    return environment


def _printable(value: Any) -> Any:
    """A value that has one text. Others show where they stand in memory, or how Python writes."""
    from jinja2 import Undefined

    if isinstance(value, str | int | float | Undefined):
        return value
    raise TypeError(f"a value of the kind `{type(value).__name__}` has no text to put in")


@cache
def _template(text: str) -> Any:
    from jinja2 import nodes

    environment = _environment()
    tree = environment.parse(text)
    for loop in tree.find_all(nodes.For):
        # Every loop counts its turns: the sandbox itself only bounds `range`.
        counter = nodes.Name("_turns", "load", lineno=loop.lineno)
        loop.iter = nodes.Call(counter, [loop.iter], [], None, None, lineno=loop.lineno)
    return environment.from_string(tree)


def _line(error: BaseException) -> int:
    """The template's line, which Jinja2 puts into the traceback."""
    line = 1
    step = error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename in ("<template>", "<unknown>"):
            line = step.tb_lineno
        step = step.tb_next
    return line


def _bad(fragment: Fragment, rule: Rule, message: str, line: int) -> BadTemplate:
    source, span = _place(fragment, line)
    found = Diagnostic(
        rule=rule,
        severity=Severity.ERROR,
        message=f"template: {message}",
        source=source,
        span=span,
        help="midstream explain " + rule.code,
    )
    return BadTemplate(f"can't fill in `{source.name}`", diagnostics=[found])


def _place(fragment: Fragment, line: int) -> tuple[Source, Span]:
    if fragment.inline:
        return fragment.place.source, fragment.place.span
    source = fragment.source
    line = max(1, min(line, source.line_count))
    start = source.offset(line)
    return source, Span(start, start + len(source.line(line)))
