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
    """One statement of an and-or list, with the operators beside it."""

    node: Node
    before: Node | None
    after: Node | None


def flattened(node: Node) -> list[Element]:
    """`a && b || c` as its three elements; any other statement as a list of one."""
    if node.type != "list":
        return [Element(node, None, None)]
    parts: list[Node] = []
    _collect(node, parts)
    elements = []
    for at in range(0, len(parts), 2):
        before = parts[at - 1] if at else None
        after = parts[at + 1] if at + 1 < len(parts) else None
        elements.append(Element(parts[at], before, after))
    return elements


def _collect(node: Node, parts: list[Node]) -> None:
    # The tree of a long chain leans to the left; walk it without recursion.
    waiting = [node]
    while waiting:
        current = waiting.pop()
        if current.type != "list":
            parts.append(current)
            continue
        waiting.extend(reversed([c for c in current.children if c.type != "comment"]))


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
