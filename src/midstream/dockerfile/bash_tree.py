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
        characters += [index] * len(character.encode("utf-8", "surrogatepass"))
    return root, [*characters, len(text)]


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
        return max((self.node.end_byte, *(each.end_byte for each in self.redirects)))


def flattened(node: Node) -> list[Element]:
    """`a && b || c` as its three elements; any other statement as a list of one."""
    if node.type not in ("list", "redirected_statement"):
        return [Element(node, None, None)]
    parts = _parts(node)
    if any(operator.is_named for operator, _ in parts[1::2]) or len(parts) % 2 == 0:
        # An ERROR has swallowed an operator: what stands beside what can't be told.
        return [Element(part, None, None, own) for part, own in parts if part.is_named]
    elements = []
    for at in range(0, len(parts), 2):
        before = parts[at - 1][0] if at else None
        after = parts[at + 1][0] if at + 1 < len(parts) else None
        elements.append(Element(parts[at][0], before, after, parts[at][1]))
    return elements


def _parts(node: Node) -> list[tuple[Node, tuple[Node, ...]]]:
    """Statements and operators in turn, each with the redirections that are its own."""
    # The tree of a long chain leans to the left; walk it without recursion.
    found: list[tuple[Node, tuple[Node, ...]]] = []
    waiting: list[tuple[Node, tuple[Node, ...]]] = [(node, ())]
    while waiting:
        current, redirects = waiting.pop()
        inside = current
        if current.type == "redirected_statement":
            # `a && b > f && c`: the grammar reads `(a && b) > f`, the shell `b > f`.
            body = current.child_by_field_name("body")
            if body is not None and body.type == "list":
                inside = body
                own = current.children_by_field_name("redirect")
                redirects = (*own, *redirects)
        if inside.type != "list":
            found.append((current, redirects))
            continue
        children = [child for child in inside.children if child.type not in ("comment", "ERROR")]
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
