"""ARG and ENV: which names are known where, and what a text is once they are filled in.

The rules are those of BuildKit's shell lexer (frontend/dockerfile/shell in moby/buildkit).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.dockerfile.arguments import pairs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from midstream.dockerfile.model import Dockerfile, Instruction, Stage

PREDEFINED = frozenset(
    (
        "TARGETPLATFORM", "TARGETOS", "TARGETARCH", "TARGETVARIANT",
        "BUILDPLATFORM", "BUILDOS", "BUILDARCH", "BUILDVARIANT", "TARGETSTAGE",
    )
)  # fmt: skip
"""Names that BuildKit gives to every FROM, and to a stage that declares them."""

PROXIES = frozenset(
    name
    for each in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
    for name in (each, each.lower())
)
"""Names that any RUN may read without declaring them."""


class Expanded(Struct, frozen=True, gc=False):
    """A text with its variables filled in, the names that had no value, and what is wrong."""

    text: str
    missing: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


def expand(text: str, values: Mapping[str, str], escape: str = "\\") -> Expanded:
    """Fill in `$X` and `${X…}` as BuildKit does; quotes and escapes are taken off.

    A name without a value becomes nothing, and is listed in `missing` unless the text itself says
    what to do without it (`${X:-y}`, `${X:+y}`). What BuildKit refuses (`${X`, `${X:?}`) is listed
    in `errors`, and the text then comes back as it was.
    """
    if "$" not in text and "'" not in text and '"' not in text and escape not in text:
        return Expanded(text)
    lexer = _Lexer(text, values, escape)
    try:
        result = lexer.until("")
    except _BadSubstitution as error:
        return Expanded(text, errors=(str(error),))
    return Expanded(result, tuple(dict.fromkeys(lexer.missing)))


_NAME = re.compile(r"\d+|[@*#?$!0-]|[^\W\d]\w*")
_USED = re.compile(r"\$(?:\{)?([A-Za-z_]\w*)")


def names_in(text: str) -> tuple[str, ...]:
    """The variables that a text mentions, each once, in order."""
    return tuple(dict.fromkeys(_USED.findall(text)))


class _BadSubstitution(ValueError):
    """BuildKit would refuse this text."""


# What means nothing, in quotes or not, inside of `${X…}` or not, and is no escape: most of a text.
_PLAIN = re.compile(r"""[^$'"}/\\`]+""")


class _Lexer:
    """Reads one text from left to right; `at` is how far it has got."""

    def __init__(self, text: str, values: Mapping[str, str], escape: str) -> None:
        self.text = text
        self.values = values
        self.escape = escape
        self.at = 0
        self.missing: list[str] = []

    def until(self, stop: str, *, raw_escapes: bool = False) -> str:
        """What stands before the next `stop` outside quotes, expanded; "" is the end."""
        parts: list[str] = []
        while self.at < len(self.text):
            plain = _PLAIN.match(self.text, self.at)
            if plain:
                parts.append(plain[0])
                self.at = plain.end()
                continue
            character = self.text[self.at]
            if stop and character == stop:
                self.at += 1
                return "".join(parts)
            parts.append(self._part(character, raw_escapes=raw_escapes))
        if stop:
            raise _BadSubstitution(f"`{stop}` is missing in `{self.text}`")
        return "".join(parts)

    def _part(self, character: str, *, raw_escapes: bool) -> str:
        if character == "'":
            return self._single()
        if character == '"':
            return self._double(raw_escapes=raw_escapes)
        if character == "$":
            return self._dollar()
        self.at += 1
        if character != self.escape:
            return character
        escaped = self.text[self.at : self.at + 1]
        self.at += 1
        return character + escaped if raw_escapes else escaped

    def _single(self) -> str:
        end = self.text.find("'", self.at + 1)
        if end == -1:
            raise _BadSubstitution(f"a single quote never closes in `{self.text}`")
        inside = self.text[self.at + 1 : end]
        self.at = end + 1
        return inside

    def _double(self, *, raw_escapes: bool) -> str:
        parts: list[str] = []
        self.at += 1
        while self.at < len(self.text):
            plain = _PLAIN.match(self.text, self.at)
            if plain:
                parts.append(plain[0])
                self.at = plain.end()
                continue
            character = self.text[self.at]
            if character == '"':
                self.at += 1
                return "".join(parts)
            if character == "$":
                parts.append(self._dollar())
                continue
            self.at += 1
            if character == self.escape:
                if raw_escapes:
                    parts.append(character)
                following = self.text[self.at : self.at + 1]
                if following and following in f'"${self.escape}':
                    character = following
                    self.at += 1
                elif not following:
                    continue
            parts.append(character)
        raise _BadSubstitution(f"a double quote never closes in `{self.text}`")

    def _dollar(self) -> str:
        self.at += 1
        if self.text[self.at : self.at + 1] != "{":
            name = self._name()
            return self._value(name) if name else "$"
        self.at += 1
        if self.text[self.at : self.at + 1] in ("", "{", "}", ":"):
            raise _BadSubstitution(f"bad substitution in `{self.text}`")
        name = self._name()
        operator = self.text[self.at : self.at + 1]
        self.at += 1
        if operator == "}":
            return self._value(name)
        if operator == "/":
            return self._replaced(name)
        null_is_unset = operator == ":"
        if null_is_unset:
            operator = self.text[self.at : self.at + 1]
            self.at += 1
        return self._modified(name, operator, null_is_unset=null_is_unset)

    def _name(self) -> str:
        found = _NAME.match(self.text, self.at)
        if found is None:
            return ""
        self.at = found.end()
        return found[0]

    def _value(self, name: str) -> str:
        value = self.values.get(name)
        if value is None:
            self.missing.append(name)
            return ""
        return value

    def _modified(self, name: str, operator: str, *, null_is_unset: bool) -> str:
        trims = operator in ("#", "%") and operator != ""
        if operator not in ("+", "-", "?", "#", "%") or (null_is_unset and trims):
            raise _BadSubstitution(f"unsupported modifier `{operator}` in `{self.text}`")
        missing_before = len(self.missing)
        word = self.until("}", raw_escapes=trims)
        value = self.values.get(name)
        is_set = value is not None and not (null_is_unset and value == "")
        if operator == "-":
            if is_set:
                del self.missing[missing_before:]  # the alternative isn't used
            return value if is_set and value is not None else word
        if operator == "+":
            if not is_set:
                del self.missing[missing_before:]
            return word if is_set else ""
        if operator == "?":
            if not is_set:
                lack = "unset" if value is None else "empty"
                raise _BadSubstitution(f"{name}: {word or f'is not allowed to be {lack}'}")
            return value or ""
        return self._trimmed(name, operator, word)

    def _trimmed(self, name: str, operator: str, word: str) -> str:
        value = self._value(name)
        greedy = word.startswith(operator)
        expression = pattern_as_regex(word[1:] if greedy else word, greedy=greedy)
        if operator == "#":
            found = re.match(expression, value)
            return value[found.end() :] if found else value
        # The shortest suffix is the one that starts last.
        starts = range(len(value) + 1) if greedy else range(len(value), -1, -1)
        compiled = re.compile(expression)
        at = next((at for at in starts if compiled.fullmatch(value, at)), None)
        return value if at is None else value[:at]

    def _replaced(self, name: str) -> str:
        every = self.text[self.at : self.at + 1] == "/"
        self.at += every
        pattern = self.until("/", raw_escapes=True)
        replacement = self.until("}", raw_escapes=True)
        expression = pattern_as_regex(pattern, greedy=True)
        value = self._value(name)
        return re.sub(expression, lambda _: replacement, value, count=0 if every else 1)


_PATTERN = re.compile(
    r"(?P<star>\*)|(?P<any>\?)|\\(?P<ours>[}/])|\\(?P<escaped>[*?\\])|(?P<plain>[^*?\\])",
    re.DOTALL,
)


def pattern_as_regex(pattern: str, *, greedy: bool) -> str:
    """A shell pattern (`*`, `?`, escapes, no brackets) as a regular expression.

    Only `*`, `?`, the escape itself and what ends the pattern may be escaped.
    """
    parts = []
    at = 0
    while at < len(pattern):
        found = _PATTERN.match(pattern, at)
        if found is None:
            raise _BadSubstitution(f"invalid escape in the pattern `{pattern}`")
        if found["star"]:
            parts.append(".*" if greedy else ".*?")
        elif found["any"]:
            parts.append(".")
        else:
            parts.append(re.escape(found["ours"] or found["escaped"] or found["plain"]))
        at = found.end()
    return "".join(parts)


@dataclass(slots=True)
class _State:
    """What is known at one point of a stage.

    `env` is what the image keeps; `values` is what a RUN sees there: whichever of ARG and ENV
    spoke last.
    """

    env: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    declared: frozenset[str] = frozenset()

    def copy(self) -> _State:
        return _State(dict(self.env), dict(self.values), self.declared)

    def inherited(self) -> _State:
        """What a stage starts with that is FROM this one: the image's ENV is set once more."""
        return _State(dict(self.env), {**self.values, **self.env}, self.declared)


class Scope:
    """What ARG and ENV give at each place of a Dockerfile, for the arguments of one build.

    `inherited` maps an external image's reference to the environment that it brings, where that is
    known. A name that was never given a value is absent, and `declared` tells it from one that was
    never mentioned.
    """

    def __init__(
        self,
        dockerfile: Dockerfile,
        arguments: Mapping[str, str] | None = None,
        inherited: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self._dockerfile = dockerfile
        self._arguments = dict(arguments or {})
        self._inherited = inherited or {}
        self._before: dict[int, _State] = {}  # by the start of the instruction
        self._ends: list[_State] = []
        self._globals = _State()
        self._read_globals()
        names: dict[str, int] = {}
        for stage in dockerfile.stages:
            self._read_stage(stage, names)
            if stage.name is not None:
                names[self.expand_global(stage.name).text.lower()] = stage.index

    @property
    def globals(self) -> Mapping[str, str]:
        """The values of the global ARGs, as FROM sees them."""
        return self._globals.values

    def at(self, instruction: Instruction) -> Mapping[str, str]:
        """Every variable with a value just before that instruction."""
        return self._before[instruction.span.start].values

    def environment_at(self, instruction: Instruction) -> Mapping[str, str]:
        """The ENV just before an instruction, what its stage inherited included."""
        return self._before[instruction.span.start].env

    def environment(self, stage: int) -> Mapping[str, str]:
        """The ENV at a stage's end, what it inherited included."""
        return self._ends[stage].env

    def declared(self, instruction: Instruction) -> frozenset[str]:
        """Every name declared there by ARG or ENV, with or without a value."""
        return self._before[instruction.span.start].declared

    @property
    def arguments(self) -> Mapping[str, str]:
        """The arguments of the build."""
        return self._arguments

    @property
    def inherited(self) -> Mapping[str, Mapping[str, str]]:
        """What each external image brings along."""
        return self._inherited

    def expand_global(self, text: str) -> Expanded:
        """A text as a FROM would see it."""
        return expand(text, self._globals.values, self._dockerfile.escape)

    def _read_globals(self) -> None:
        given = {name: v for name, v in self._arguments.items() if name in PREDEFINED}
        self._globals.values.update(given)
        for instruction in self._dockerfile.preamble:
            self._before[instruction.span.start] = self._globals.copy()
            if instruction.keyword == "ARG":
                self._declare(self._globals, instruction, {})

    def _read_stage(self, stage: Stage, names: Mapping[str, int]) -> None:
        image = self.expand_global(stage.image).text
        parent = names.get(image.lower())
        if parent is not None:
            state = self._ends[parent].inherited()
            for each in self._dockerfile.stages[parent].instructions:
                if each.trigger is not None:
                    self._apply(state, each.trigger)
        else:
            env = dict(self._inherited.get(image, {}))
            state = _State(env, dict(env), frozenset(env))
        self._before[stage.origin.span.start] = self._globals
        shared = state.copy()
        for instruction in stage.instructions[1:]:
            self._before[instruction.span.start] = shared
            if self._apply(state, instruction):
                shared = state.copy()
        self._ends.append(state)

    def _apply(self, state: _State, instruction: Instruction) -> bool:
        """What an ARG or ENV changes; whether it is one."""
        if instruction.keyword == "ARG":
            self._declare(state, instruction, self._globals.values)
        elif instruction.keyword == "ENV":
            self._set(state, instruction)
        else:
            return False
        return True

    def _declare(
        self, state: _State, instruction: Instruction, defaults: Mapping[str, str]
    ) -> None:
        names = set(state.declared)
        for pair in pairs(self._dockerfile, instruction):
            names.add(pair.name)
            if pair.name in self._arguments:
                state.values[pair.name] = self._arguments[pair.name]
            elif pair.value is not None:
                state.values[pair.name] = self._expand(pair.value, state.values)
            elif pair.name in defaults:
                state.values[pair.name] = defaults[pair.name]
        state.declared = frozenset(names)

    def _set(self, state: _State, instruction: Instruction) -> None:
        # All as before the line: `ENV A=1 B=$A` doesn't see its own A.
        found = {
            self._expand(pair.name, state.values): self._expand(pair.value or "", state.values)
            for pair in pairs(self._dockerfile, instruction)
        }
        state.env.update(found)
        state.values.update(found)
        state.declared |= found.keys()

    def _expand(self, text: str, values: Mapping[str, str]) -> str:
        return expand(text, values, self._dockerfile.escape).text
