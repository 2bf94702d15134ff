"""Bash as a syntax tree: the only module that knows tree-sitter."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

STATEMENTS = frozenset(
    (
        "command", "redirected_statement", "list", "pipeline", "negated_command", "if_statement",
        "for_statement", "c_style_for_statement", "while_statement", "case_statement",
        "function_definition", "compound_statement", "subshell", "variable_assignment",
        "variable_assignments", "declaration_command", "unset_command", "test_command",
    )
)  # fmt: skip
WORDS = frozenset(
    (
        "word", "number", "string", "raw_string", "ansi_c_string", "translated_string",
        "concatenation", "simple_expansion", "expansion", "command_substitution",
        "process_substitution", "arithmetic_expansion", "brace_expression", "regex",
        "extglob_pattern", "special_variable_name", "variable_name", "array",
    )
)  # fmt: skip
_PASSED_OVER = frozenset(("comment", "ERROR"))


@cache
def _parser() -> Parser:
    # Loading the grammar takes longer than reading a whole Dockerfile; most commands don't need it.
    import tree_sitter
    import tree_sitter_bash

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))


def tree(text: str) -> tuple[Node, list[int] | range]:
    """The root of a script's tree, and for each byte offset the character it belongs to."""
    data = text.encode("utf-8", "surrogatepass")
    root = _parser().parse(data).root_node
    if len(data) == len(text):
        return root, range(len(data) + 1)
    characters: list[int] = []
    for index, character in enumerate(text):
        characters += [index] * (1 if character < "\x80" else _width(character))
    return root, [*characters, len(text)]


def _width(character: str) -> int:
    return len(character.encode("utf-8", "surrogatepass"))


class Element(Struct, frozen=True):
    """One statement of an and-or list, with the operators beside it.

    `redirects` are those behind it that the grammar gives to the whole list before them.
    """

    node: Node
    before: Node | None
    after: Node | None
    redirects: tuple[Node, ...] = ()

    @property
    def start_byte(self) -> int:
        return self.node.start_byte

    @property
    def end_byte(self) -> int:
        end = self.node.end_byte
        return max(end, *(each.end_byte for each in self.redirects)) if self.redirects else end


def flattened(node: Node) -> list[Element]:
    """`a && b || c` as its three elements; any other statement as a list of one."""
    if node.type not in ("list", "redirected_statement"):
        return [Element(node, None, None)]
    parts = _parts(node)
    operators = [operator for operator, _ in parts[1::2]]
    if len(parts) % 2 == 0 or any(operator.is_named for operator in operators):
        # An ERROR has swallowed an operator: what stands beside what can't be told.
        return [Element(part, None, None, own) for part, own in parts if part.is_named]
    return [
        Element(part, before, after, own)
        for (part, own), before, after in zip(
            parts[::2], [None, *operators], [*operators, None], strict=True
        )
    ]


def _parts(node: Node) -> list[tuple[Node, tuple[Node, ...]]]:
    """Statements and operators in turn, each with the redirections that are its own."""
    # The tree of a long chain leans to the left; walk it without recursion.
    found: list[tuple[Node, tuple[Node, ...]]] = []
    waiting: list[tuple[Node, tuple[Node, ...]]] = [(node, ())]
    while waiting:
        current, redirects = waiting.pop()
        kind = current.type
        inside = current
        if kind == "redirected_statement":
            # `a && b > f && c`: the grammar reads `(a && b) > f`, the shell `b > f`.
            body = current.child_by_field_name("body")
            if body is not None and body.type == "list":
                inside, kind = body, "list"
                own = current.children_by_field_name("redirect")
                redirects = (*own, *redirects)
        if kind != "list":
            found.append((current, redirects))
            continue
        children = [child for child in inside.children if child.type not in _PASSED_OVER]
        waiting += [(child, ()) for child in reversed(children)]
        waiting[-len(children)] = (children[-1], redirects)
    return found


class Statement(Struct, frozen=True):
    """One statement of a sequence, and the `;`, `&` or newline behind it, if there is one."""

    node: Node
    terminator: Node | None


def sequence(nodes: list[Node]) -> list[Statement]:
    """The statements among the children of a program, group or branch."""
    found: list[Statement] = []
    for node in nodes:
        if node.type in STATEMENTS:
            found.append(Statement(node, None))
        elif node.type in (";", "&", "\n", ";;") and found and found[-1].terminator is None:
            found[-1] = Statement(found[-1].node, node)
    return found
