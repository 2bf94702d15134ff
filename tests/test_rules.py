"""Every finding's code stands for one rule."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

import midstream
from midstream.diagnostic import Rule

if TYPE_CHECKING:
    from types import ModuleType


def modules() -> list[ModuleType]:
    found = pkgutil.walk_packages(midstream.__path__, "midstream.")
    return [importlib.import_module(each.name) for each in found if "__main__" not in each.name]


def rules() -> list[Rule]:
    """Every rule of the program, wherever it stands."""
    values = (value for module in modules() for value in vars(module).values())
    return list({id(value): value for value in values if isinstance(value, Rule)}.values())


def test_no_code_and_no_name_stands_for_two_rules() -> None:
    found = rules()
    for names in ([rule.code for rule in found], [rule.name for rule in found]):
        assert sorted(names) == sorted(set(names))


def test_every_rule_has_a_page_and_can_be_explained() -> None:
    listed = {id(rule) for module in modules() for rule in getattr(module, "RULES", ())}
    for rule in rules():
        assert rule.page.strip(), rule.code
        assert id(rule) in listed, rule.code
