"""Syntax trees to commands: who runs what, inside of what, and how it can be taken out."""

from __future__ import annotations

import re
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from midstream.dockerfile.bash_tree import WORDS, Element, Statement, flattened, sequence, tree
from midstream.dockerfile.commands import (
    SHELLS,
    Assignment,
    Block,
    Command,
    Doubt,
    Read,
    Redirection,
    Script,
    Text,
    Word,
    word_of,
)
from midstream.dockerfile.inner_heredocs import set_aside, substitutions
from midstream.dockerfile.wrappers import unwrap
from midstream.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tree_sitter import Node

_T = TypeVar("_T", Command, Block)


class _Slot(Struct, frozen=True):
    """Where a statement stands in its list."""

    before: str = ""
    after: str = ""
    removal: Span | None = None
    next_start: int | None = None


class _Around(Struct, frozen=True):
    """What is around a statement: constructs, quoting, and whether taking it out is allowed."""

    blocks: tuple[Block, ...] = ()
    quoting: str = ""
    fixed: bool = False  # in a condition or pipeline nothing can be taken out


class Document(Struct, frozen=True):
    """A here-document: its text, and whether the shell fills it in before anyone reads it."""

    body: Text
    expand: bool


_ALONE = _Slot()


def _mark(operator: Node | None) -> str:
    return operator.type if operator is not None else ""


def _placed(kind: str, span: Span, slot: _Slot) -> Block:
    return Block(kind, span, slot.removal, slot.before, slot.after, slot.next_start)


class Reader:
    """Collects what is read from one instruction, piece by piece."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.commands: list[Command] = []
        self.doubts: list[Doubt] = []
        self.blocks: list[Block] = []
        self.assignments: list[Assignment] = []
        self.reads: list[Read] = []
        self.documents: dict[int, Document] = {}  # by the place of the `<` that opens it
        self.kept: list[Span] = []  # openers and bodies: nothing that holds one can be taken out

    def script(self) -> Script:
        for at, document in self.documents.items():
            span = document.body.span(0, len(document.body.text))
            where = span if len(span) else Span(at, at + 1)
            self.doubts.append(Doubt(where, "which command reads this here-document isn't clear"))
        commands, blocks = self.commands, self.blocks
        if self.kept or self.doubts:
            commands = [self._removable(each) for each in commands]
            blocks = [self._removable(each) for each in blocks]
        return Script(
            commands=tuple(sorted(commands, key=lambda each: each.span.start)),
            doubts=tuple(self.doubts),
            blocks=tuple(blocks),
            assignments=tuple(self.assignments),
            reads=tuple(self.reads),
        )

    def _removable(self, each: _T) -> _T:
        """The same, but fixed where it isn't clear, or a here-document would be torn apart."""
        removal = each.removal
        if removal is None:
            return each
        torn = any(removal.overlaps(kept) and removal not in kept for kept in self.kept)
        unclear = any(
            each.span.overlaps(doubt.span) or removal.overlaps(doubt.span) for doubt in self.doubts
        )
        return replace(each, removal=None) if torn or unclear else each

    def document(self, opener: Span, body: Text, end: int, *, expand: bool) -> None:
        """Note a here-document: the command that reads it is found while walking the text."""
        at = self.source.index("<", opener.start)
        self.documents[at] = Document(body, expand)
        self.kept += [opener, Span(body.at[0], max(end, body.at[0]))]

    def _set_aside(self, text: Text) -> Text:
        plain, asides = set_aside(text.text)
        for each in asides:
            body = text.part(each.body, each.body_end)
            opener = text.span(each.opener, each.opener_end)
            self.document(opener, body, text.end(each.end), expand=each.expand)
        return Text(plain, text.at, text.ends)

    def read(self, text: Text, *, kind: str = "", around: _Around | None = None) -> None:
        """Read shell text. `kind` names the construct that it is the inside of, if any."""
        around = around or _Around()
        text = self._set_aside(text)
        if kind:
            block = Block(kind, text.span(0, len(text.text)), None)
            self.blocks.append(block)
            around = replace(around, blocks=(*around.blocks, block))
        _Walk(self, text).program(around)

    def read_exec(self, words: Sequence[Text]) -> None:
        """Read the exec form: the words of one command, nothing for a shell to expand."""
        if not words:
            return
        plain = tuple(Word(w.span(0, len(w.text)), w.text, w.text, w.text) for w in words)
        self.add(plain, (), (), _ALONE, _Around(quoting="json"))
        found = unwrap(plain)
        if found.name in SHELLS:
            at = _script_argument(found.arguments)
            if at is not None:
                text = words[len(plain) - len(found.arguments) + at]
                self.read(text, kind=f"{found.name} -c", around=_Around(quoting="json"))

    def add(
        self,
        words: tuple[Word, ...],
        assignments: tuple[Assignment, ...],
        redirections: tuple[Redirection, ...],
        slot: _Slot,
        around: _Around,
    ) -> Command:
        found = unwrap(words)
        command = Command(
            span=_around(words, assignments, redirections),
            words=words,
            name=found.name,
            program=found.program,
            arguments=found.arguments,
            wrappers=found.wrappers,
            assignments=assignments,
            redirections=redirections,
            before=slot.before,
            after=slot.after,
            blocks=around.blocks,
            removal=slot.removal,
            quoting=around.quoting,
            next_start=slot.next_start,
        )
        self.commands.append(command)
        return command


def _around(
    words: tuple[Word, ...],
    assignments: tuple[Assignment, ...],
    redirections: tuple[Redirection, ...],
) -> Span:
    """From the first to the last of a command's parts; the words stand in their order."""
    if words and not assignments and not redirections:
        return Span(words[0].span.start, max(words[0].span.end, words[-1].span.end))
    spans = [each.span for each in words]
    spans += [each.span for each in assignments]
    spans += [each.span for each in redirections]
    return Span(min(s.start for s in spans), max(s.end for s in spans))


def has_script(command: Command) -> bool:
    """Whether a shell was given something to run, so that its input is data."""
    if any(word.text == "-s" for word in command.arguments):
        return False
    return any(
        not word.text.startswith("-") or (word.text[1:2] != "-" and word.text.endswith("c"))
        for word in command.arguments
    )


def _script_argument(arguments: Sequence[Word]) -> int | None:
    """Which argument of a shell is the script: the one behind the options, where one is `-…c`."""
    takes_script = False
    skip = False
    for at, word in enumerate(arguments):
        if skip:
            skip = False
            continue
        text = word.value
        if text.startswith(("-", "+")) and len(text) > 1:
            if text.startswith("--"):
                continue
            takes_script = takes_script or "c" in text
            skip = text.endswith("o")
            continue
        return at if takes_script else None
    return None


class _Walk:
    """One pass over the tree of one text."""

    def __init__(self, reader: Reader, text: Text) -> None:
        self.reader = reader
        self.text = text
        self.root, self.characters = tree(text.text)
        # Most text is ASCII and stands in the Dockerfile as it is: then places are sums.
        plain = isinstance(self.characters, range) and text.ends is None
        self.base = text.at.start if plain and isinstance(text.at, range) else None

    # Places

    def offsets(self, node: Node | Element) -> tuple[int, int]:
        if self.base is not None:
            return node.start_byte, node.end_byte
        return self.characters[node.start_byte], self.characters[node.end_byte]

    def span(self, node: Node | Element) -> Span:
        if self.base is not None:
            return Span(self.base + node.start_byte, self.base + node.end_byte)
        return self.text.span(*self.offsets(node))

    def slice(self, start: int, end: int) -> str:
        return self.text.text[start:end]

    # Structure

    def program(self, around: _Around) -> None:
        if self.root.has_error:
            self._doubt_errors(self.root)
        self.statements(self.root.children, around)

    def _doubt_errors(self, root: Node) -> None:
        waiting = [root]
        while waiting:
            node = waiting.pop()
            # A MISSING node has no text: the grammar loses count of nested `fi`, but reads on.
            if node.type == "ERROR":
                self.reader.doubts.append(Doubt(self.span(node), "the grammar doesn't know this"))
            elif node.has_error:
                waiting.extend(node.children)

    def statements(self, nodes: list[Node], around: _Around) -> None:
        """Every statement of a sequence. ERROR nodes are looked into: what is read there counts."""
        for node in nodes:
            if node.type == "ERROR":
                self.statements(node.children, replace(around, fixed=True))
        found = sequence(nodes)
        for at, statement in enumerate(found):
            self._statement(found, at, statement, around)

    def _statement(
        self, found: list[Statement], at: int, statement: Statement, around: _Around
    ) -> None:
        elements = flattened(statement.node)
        if len(elements) == 1:
            slot = _Slot(
                before=_mark(found[at - 1].terminator) if at else "",
                after=_mark(statement.terminator) if at + 1 < len(found) else "",
                removal=None if around.fixed else self._whole_removal(found, at),
            )
            self.visit(elements[0], slot, around)
            return
        starts = [self.span(each).start for each in elements]
        for index, element in enumerate(elements):
            before, after = _mark(element.before), _mark(element.after)
            removal = None if around.fixed else self._chain_removal(elements, index)
            slot = _Slot(before, after, removal, starts[index + 1] if after else None)
            self.visit(element, slot, around)

    def _whole_removal(self, found: list[Statement], at: int) -> Span | None:
        """A statement of a `;` list goes with its terminator, if another one follows.

        The last one stays: the list's status is its own, and the one before may fail.
        """
        terminator = found[at].terminator
        if at + 1 >= len(found) or terminator is None or terminator.type == "&":
            return None
        return self._cut(found[at].node.start_byte, found[at + 1].node.start_byte)

    def _chain_removal(self, elements: list[Element], index: int) -> Span | None:
        """An element goes where `true` in its place would change nothing for the others."""
        element = elements[index]
        before, after = element.before, element.after
        if before is None:
            if after is None or after.type != "&&":
                return None
            return self._cut(element.start_byte, elements[index + 1].start_byte)
        if before.type != "&&":
            return None
        if after is not None:
            # From operator to operator: the layout and comments between the others stay.
            return self._cut(before.start_byte, after.start_byte)
        return self._cut(elements[index - 1].end_byte, element.end_byte)

    def _cut(self, start: int, end: int) -> Span:
        """From byte to byte: where the text before ends doesn't matter, as it does to a span."""
        if self.base is not None:
            return Span(self.base + start, self.base + end)
        start, end = self.characters[start], self.characters[end]
        return Span(self.text.at[start], self.text.end(end))

    # Statements

    def visit(self, element: Element, slot: _Slot, around: _Around) -> None:
        node, redirects = element.node, element.redirects
        kind = node.type
        if kind == "command":
            self._command(node, redirects, slot, around)
            return
        if kind != "pipeline":
            for redirect in redirects:
                self._look_inside(redirect, around)
        if kind == "redirected_statement":
            self._redirected(node, slot, around)
        elif kind == "pipeline":
            self._pipeline(node, slot, around, redirects, element)
        elif kind == "negated_command":
            self._negated(node, slot, around)
        elif kind in ("variable_assignment", "variable_assignments"):
            self._assignments_alone(node, slot, around)
        elif kind in _BLOCKS:
            self._block(node, slot, around)
        else:
            self._plain(node, slot, around)

    def _negated(self, node: Node, slot: _Slot, around: _Around) -> None:
        for child in node.children[1:]:
            for element in flattened(child):
                self.visit(element, _Slot(slot.before, slot.after), replace(around, fixed=True))

    def _block(self, node: Node, slot: _Slot, around: _Around) -> None:
        kind = _BLOCKS.get(node.type, node.type)
        if node.type == "function_definition":
            name = node.child_by_field_name("name")
            kind = f"function {self.slice(*self.offsets(name)) if name else ''}"
        block = _placed(kind, self.span(node), slot)
        self.reader.blocks.append(block)
        inside = replace(around, blocks=(*around.blocks, block), fixed=False)
        if node.type == "function_definition":
            body = node.child_by_field_name("body")
            if body is not None:
                self.statements(body.children, inside)
            return
        self._branches(node, inside)

    def _branches(self, node: Node, inside: _Around) -> None:
        """Conditions and bodies of a construct, each read for itself."""
        condition: list[Node] = []
        body: list[Node] = []
        # An `elif` has no field for its condition: it is what stands before `then`.
        deciding = node.type == "elif_clause"
        for index, child in enumerate(node.children):
            field = node.field_name_for_child(index)
            deciding = deciding and child.type != "then"
            if field == "condition" or deciding:
                condition.append(child)
            elif child.type in ("do_group", "else_clause", "elif_clause", "case_item"):
                self._branches(child, inside)
            elif field in ("value", "variable") or child.type in WORDS:
                self._look_inside(child, inside)
            else:
                body.append(child)
        if node.type in ("for_statement", "select_statement"):
            self._loop_variable(node)
        if condition:
            self.statements(condition, replace(inside, fixed=True))
        self.statements(body, inside)

    def _loop_variable(self, node: Node) -> None:
        variable = node.child_by_field_name("variable")
        if variable is None:
            return
        name = self.slice(*self.offsets(variable))
        for value in self._words(node.children_by_field_name("value")):
            self.reader.assignments.append(Assignment(name, value, value.span))
        if not node.children_by_field_name("value"):
            self.reader.assignments.append(Assignment(name, None, self.span(variable)))

    def _pipeline(
        self,
        node: Node,
        slot: _Slot,
        around: _Around,
        redirects: Sequence[Node] = (),
        whole: Node | Element | None = None,
    ) -> None:
        """The parts of a pipeline can't be taken out; where it stands in its list is kept.

        `redirects` stand behind it: the grammar gives them to the whole, the shell to the last.
        """
        first = len(self.reader.commands)
        parts = [child for child in node.children if child.is_named and child.type != "comment"]
        inside = replace(around, fixed=True)
        block = _placed("pipeline", self.span(whole or node), slot)
        self.reader.blocks.append(block)
        inside = replace(inside, blocks=(*around.blocks, block))
        for at, part in enumerate(parts):
            before = "|" if at else slot.before
            after = "|" if at + 1 < len(parts) else slot.after
            if redirects and at + 1 == len(parts) and part.type == "command":
                self._command(part, redirects, _Slot(before, after), inside)
                continue
            for element in flattened(part):
                self.visit(element, _Slot(before, after), inside)
        self._piped(first)

    def _redirected(self, node: Node, slot: _Slot, around: _Around) -> None:
        body = node.child_by_field_name("body")
        redirects = [
            child
            for index, child in enumerate(node.children)
            if node.field_name_for_child(index) == "redirect"
        ]
        if body is None:
            redirections, extra = self._redirections(redirects, around)
            if redirections:
                found = self.reader.add(tuple(extra), (), tuple(redirections), slot, around)
                self._feed(found, around)
            return
        if body.type == "command":
            self._command(body, redirects, slot, around)
            return
        if body.type == "pipeline":
            self._pipeline(body, slot, around, redirects, node)
            return
        redirections, _ = self._redirections(redirects, around)
        self.visit(flattened(body)[0], slot, around)
        for each in redirections:
            self._fill_in(each, around)

    # Commands

    def _command(self, node: Node, redirects: Sequence[Node], slot: _Slot, around: _Around) -> None:
        words: list[Node] = []
        own_redirects: list[Node] = []
        assignments: list[Assignment] = []
        for child in node.children:
            kind = child.type
            if kind in WORDS or kind == "command_name":
                words.append(child)
            elif kind == "variable_assignment":
                assignments.append(self._assignment(child, around))
            elif kind.endswith("_redirect"):
                own_redirects.append(child)
            elif kind != "comment":
                words.append(child)
        plain = not _SPECIAL.search(self.text.text, *self.offsets(node))
        found = self._words(words, plain=plain)
        redirections, extra = self._redirections([*own_redirects, *redirects], around)
        if extra:
            found = sorted([*found, *extra], key=lambda word: (word.span.start, word.span.end))
        if not found:
            return
        self._doubt_reserved(found[0])
        command = self.reader.add(
            tuple(found), tuple(assignments), tuple(redirections), slot, around
        )
        if not plain:
            for each in words:
                self._look_inside(each, around)
        self._script_inside(command, around)
        self._feed(command, around)

    def _doubt_reserved(self, first: Word) -> None:
        """Behind `!` the grammar takes a block for words, and then counts wrongly to the end."""
        if first.text in _RESERVED:
            whole = self.text.span(0, len(self.text.text))
            self.reader.doubts.append(Doubt(whole, f"`{first.text}` isn't read as a block here"))

    def _words(self, nodes: Sequence[Node], *, plain: bool = False) -> list[Word]:
        """Words, with those merged that touch: the grammar splits `$A-$B.zip` in two.

        `plain` says that nothing in them has a meaning of its own to the shell.
        """
        text, base = self.text.text, self.base
        places: list[tuple[int, int]] = []
        last = 0
        for node in nodes:
            start, end = self.offsets(node)
            if start == end:
                continue
            if places and (start == last or (text[last] == "\\" and self._touch(last, start))):
                places[-1] = (places[-1][0], end)
            else:
                places.append((start, end))
            last = end
        if not plain or base is None:
            return [self._word(start, end) for start, end in places]
        return [
            Word(Span(base + start, base + end), (word := text[start:end]), word, word)
            for start, end in places
        ]

    def _touch(self, end: int, start: int) -> bool:
        """Whether nothing but line continuations stands between two offsets."""
        return not self.slice(end, start).replace("\\\n", "")

    def _word(self, start: int, end: int) -> Word:
        text, base = self.text.text[start:end], self.base
        span = Span(base + start, base + end) if base is not None else self.text.span(start, end)
        if not _SPECIAL.search(text):
            return Word(span, text, text, text)
        text = text.replace("\\\n", "")
        return word_of(span, text, literal(text))

    def _redirections(
        self, nodes: Sequence[Node], around: _Around
    ) -> tuple[list[Redirection], list[Word]]:
        """The redirections, and the words that the grammar took for more of their targets."""
        redirections: list[Redirection] = []
        extra: list[Word] = []
        for node in nodes:
            if node.type == "heredoc_redirect":
                redirections.append(Redirection("<<", None, self.span(node.children[0])))
                nested = [
                    child
                    for index, child in enumerate(node.children)
                    if node.field_name_for_child(index) == "redirect"
                ]
                more, words = self._redirections(nested, around)
                redirections += more
                arguments = node.children_by_field_name("argument")
                extra += [*words, *self._words(arguments)]
                continue
            targets = self._words(
                node.children_by_field_name("destination")
                or [child for child in node.children if child.is_named and child.type in WORDS]
            )
            operator = "".join(child.type for child in node.children if not child.is_named) or "<<<"
            target = targets[0] if targets else None
            sign = next((self.span(c).start for c in node.children if c.type == "<"), None)
            if sign in self.reader.documents and target is not None:
                span = Span(self.span(node).start, target.span.end)
                redirections.append(Redirection("<<", None, span))
                extra += targets[1:]
                continue
            start = self.span(node).start
            end = target.span.end if target else self.span(node).end
            redirections.append(Redirection(operator, target, Span(start, end)))
            extra += targets[1:]
            self._look_inside(node, around)
        return redirections, extra

    def _assignment(self, node: Node, around: _Around) -> Assignment:
        name = node.child_by_field_name("name")
        value = node.child_by_field_name("value")
        words = self._words([value]) if value is not None else []
        found = Assignment(
            name=self.slice(*self.offsets(name)) if name is not None else "",
            value=words[0] if words else None,
            span=self.span(node),
        )
        self.reader.assignments.append(found)
        if value is not None:
            self._look_inside(value, around)
        return found

    def _assignments_alone(self, node: Node, slot: _Slot, around: _Around) -> None:
        nodes = node.children if node.type == "variable_assignments" else [node]
        found = tuple(self._assignment(each, around) for each in nodes)
        self.reader.add((), found, (), slot, around)

    def _plain(self, node: Node, slot: _Slot, around: _Around) -> None:
        """`export A=1`, `unset B`, `[ -f x ]`: words by blanks, since the grammar nests them."""
        assignments = []
        for child in node.children:
            if child.type == "variable_assignment":
                assignments.append(self._assignment(child, around))
            else:
                self._look_inside(child, around)
        start, end = self.offsets(node)
        words = tuple(
            self._word(start + found.start(), start + found.end())
            for found in _PLAIN_WORD.finditer(self.slice(start, end))
        )
        self.reader.add(words, (), (), slot, around)

    def _look_inside(self, node: Node, around: _Around) -> None:
        """Variables and substitutions inside a word."""
        if not node.child_count or not _EXPANDED.search(self.text.text, *self.offsets(node)):
            return
        waiting = [node]
        while waiting:
            current = waiting.pop()
            kind = current.type
            if kind in ("command_substitution", "process_substitution"):
                block = Block("$(…)", self.span(current), None)
                self.reader.blocks.append(block)
                inside = replace(around, blocks=(*around.blocks, block), fixed=False)
                self.statements(current.children, inside)
                continue
            if kind in ("simple_expansion", "expansion"):
                self._variable(current)
            # What is looked for has children of its own.
            waiting += [child for child in reversed(current.children) if child.child_count]

    def _variable(self, node: Node) -> None:
        for child in node.children:
            if child.type == "variable_name":
                break
        else:
            return
        start, end = self.offsets(child)
        text = self.text.text
        default = text[start - 1] == "{" and _DEFAULT.match(text, end) is not None
        self.reader.reads.append(Read(text[start:end], self.span(node), default))

    # Here-documents

    def _feed(self, command: Command, around: _Around) -> None:
        """Read what a command is given as a here-document: as a script where it is a shell."""
        for each in command.redirections:
            at = self._sign(each)
            if at is None:
                continue
            if command.name in SHELLS and not has_script(command):
                body = self.reader.documents.pop(at).body
                inside = _Around(command.blocks, quoting=around.quoting)
                self.reader.read(body, kind=f"{command.name} heredoc", around=inside)
            elif not (command.name == "cat" and not command.arguments and command.after == "|"):
                self._fill_in(each, around)  # a bare `cat |` is seen to by its pipeline

    def _fill_in(self, redirection: Redirection, around: _Around) -> None:
        """A document that is data: the shell may still run substitutions in it."""
        at = self._sign(redirection)
        if at is None:
            return
        document = self.reader.documents.pop(at)
        if document.expand:
            for start, end in substitutions(document.body.text):
                self.reader.read(document.body.part(start, end), kind="$(…)", around=around)

    def _sign(self, redirection: Redirection) -> int | None:
        """Where the `<` of a here-document stands; None for any other redirection."""
        if redirection.operator != "<<":
            return None
        at = self.reader.source.find("<", redirection.span.start)
        return at if at in self.reader.documents else None

    def _piped(self, first: int) -> None:
        """`cat <<EOF | bash`: the shell at the other end reads the document."""
        found = self.reader.commands[first:]
        for giver, taker in pairwise(found):
            for each in giver.redirections:
                at = self._sign(each)
                if at is None:
                    continue
                if taker.name in SHELLS and not has_script(taker):
                    body = self.reader.documents.pop(at).body
                    inside = _Around(taker.blocks, quoting=taker.quoting)
                    self.reader.read(body, kind=f"{taker.name} heredoc", around=inside)
                else:
                    self._fill_in(each, _Around(giver.blocks, quoting=giver.quoting))

    # Scripts in words

    def _script_inside(self, command: Command, around: _Around) -> None:
        if command.name == "eval":
            self.reader.doubts.append(Doubt(command.span, "`eval` runs what it puts together"))
            return
        if command.name not in SHELLS:
            return
        at = _script_argument(command.arguments)
        if at is None:
            return
        word = command.arguments[at]
        inner = self._inner_text(word)
        if inner is None or around.quoting:
            self.reader.doubts.append(
                Doubt(word.span, f"the script of `{command.name} -c` is put together of parts")
            )
            return
        quoting = self.source_character(word)
        with self._outer_shell(word):
            self.reader.read(
                inner, kind=f"{command.name} -c", around=_Around(command.blocks, quoting=quoting)
            )

    @contextmanager
    def _outer_shell(self, word: Word) -> Iterator[None]:
        """In `bash -c "a $(b)"` the outer shell runs `b`, which has been read already."""
        reader = self.reader
        outer = {b.span for b in reader.blocks if b.kind == "$(…)" and b.span in word.span}
        known = {each.span for each in reader.reads}
        commands, blocks = len(reader.commands), len(reader.blocks)
        reads, assignments = len(reader.reads), len(reader.assignments)
        yield

        def twice(each: Command | Block | Read | Assignment) -> bool:
            return any(each.span in span for span in outer)

        reader.commands[commands:] = [c for c in reader.commands[commands:] if not twice(c)]
        reader.blocks[blocks:] = [b for b in reader.blocks[blocks:] if not twice(b)]
        reader.reads[reads:] = [r for r in reader.reads[reads:] if r.span not in known]
        reader.assignments[assignments:] = [
            a for a in reader.assignments[assignments:] if not twice(a)
        ]

    def source_character(self, word: Word) -> str:
        return self.reader.source[word.span.start]

    def _inner_text(self, word: Word) -> Text | None:
        """The script inside one quoted word, each character with its place."""
        start = word.span.start - self.text.at[0] if isinstance(self.text.at, range) else None
        if start is None:
            start = next((i for i, at in enumerate(self.text.at) if at == word.span.start), 0)
        end = start + (word.span.end - word.span.start)
        whole = self.text.part(start, end)
        raw = whole.text
        if len(raw) < 2 or raw[0] != raw[-1]:
            return None
        if raw[0] == "'" and "'" not in raw[1:-1]:
            return whole.part(1, len(raw) - 1)
        if raw[0] == '"' and _ONE_DOUBLE.fullmatch(raw):
            return _unescaped(whole)
        return None


_BLOCKS = {
    "if_statement": "if",
    "for_statement": "for",
    "c_style_for_statement": "for",
    "while_statement": "while",
    "case_statement": "case",
    "compound_statement": "group",
    "function_definition": "function",
    "subshell": "subshell",
}
_EXPANDED = re.compile(r"[$`(]")
_DEFAULT = re.compile(r":?[-+=]")
_RESERVED = frozenset(
    (
        "{", "}", "if", "then", "elif", "else", "fi", "for", "while", "until", "do", "done", "case",
        "esac", "select", "function",
    )
)  # fmt: skip
_PLAIN_WORD = re.compile(r"""(?:\\.|'[^']*'|"(?:\\.|[^"\\])*"|\$\([^)]*\)|[^\s'"\\])+""", re.DOTALL)
_ONE_DOUBLE = re.compile(r'"(?:\\.|[^"\\])*"', re.DOTALL)


def _unescaped(whole: Text) -> Text:
    """The inside of a double-quoted string as the inner shell gets it."""
    raw = whole.text
    characters: list[str] = []
    at: list[int] = []
    ends: list[int] = []
    index = 1
    while index < len(raw) - 1:
        width = 2 if raw[index] == "\\" and raw[index + 1] in '$`"\\' else 1
        characters.append(raw[index + width - 1])
        at.append(whole.at[index])
        index += width
        ends.append(whole.end(index))
    return Text("".join(characters), [*at, whole.at[len(raw) - 1]], ends)


_SPECIAL = re.compile(r"[\\'\"$`*?\[\]{}(]")
_QUOTED = re.compile(r"""'([^']*)'|"([^"\\$`]*)\"""")
_LITERAL_PART = re.compile(
    r"""
    \\(?P<escaped>.) | '(?P<single>[^']*)' | "(?P<double>(?:\\.|[^"\\$`])*)"
    | (?P<plain>[^\\'"$`*?\[\]{}]+)
    """,
    re.VERBOSE | re.DOTALL,
)
_DOUBLE_ESCAPE = re.compile(r'\\([$`"\\])')


def literal(text: str) -> str | None:
    """The value of a word after quote removal, or None where the shell has to expand something."""
    if _QUOTED.fullmatch(text):  # most of those with quotes are quoted as a whole
        return text[1:-1]
    parts: list[str] = []
    at = 0
    while at < len(text):
        found = _LITERAL_PART.match(text, at)
        if found is None:
            return None
        if found["double"] is not None:
            parts.append(_DOUBLE_ESCAPE.sub(r"\1", found["double"]))
        else:
            parts.append(found["escaped"] or found["single"] or found["plain"] or "")
        at = found.end()
    return "".join(parts)
