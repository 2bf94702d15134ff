from __future__ import annotations

import pytest

from midstream.packages.evr import Evr
from midstream.packages.modules import read_modules
from midstream.packages.primary import Rpm
from midstream.packages.xml import BadMetadata
from repositories import making
from repositories.making import default_stream, module

NODE = making.Rpm("nodejs", "1:20.1-1.module+el9")
BOTH = making.Rpm("npm", "1-1")


def test_a_package_of_a_stream_is_hidden_until_one_is_enabled() -> None:
    text = module("nodejs", "1.10", [NODE, BOTH]) + module("nodejs", "22", [BOTH])
    modules = read_modules(text.encode(), "`m`")
    assert modules.hiding(Rpm("nodejs", "x86_64", Evr.parse(NODE.evr))) == ("nodejs:1.10",)
    assert modules.hiding(Rpm("npm", "x86_64", Evr.parse("1-1"))) == ("nodejs:1.10", "nodejs:22")
    assert modules.hiding(Rpm("npm", "x86_64", Evr.parse("2-1"))) == ()
    assert modules.hiding(Rpm("npm", "noarch", Evr.parse("1-1"))) == ()


def test_what_is_in_a_default_stream_is_seen() -> None:
    text = module("nodejs", "20", [NODE]) + default_stream("nodejs", "20")
    assert read_modules(text.encode(), "`m`").hiding(
        Rpm("nodejs", "x86_64", Evr.parse(NODE.evr))
    ) == ()  # fmt: skip
    other = module("nodejs", "20", [NODE]) + default_stream("nodejs", "22")
    assert read_modules(other.encode(), "`m`").hiding(Rpm("nodejs", "x86_64", Evr.parse(NODE.evr)))


def test_documents_of_other_kinds_and_empty_ones_are_passed_over() -> None:
    text = "---\ndocument: modulemd-obsoletes\ndata: {module: a}\n---\n---\ndocument: modulemd\n"
    assert read_modules(text.encode(), "`m`").streams == {}


@pytest.mark.parametrize("text", ["a: [", "- a\n", "---\nhello\n", "document: modulemd\ndata: 3\n"])
def test_what_is_no_list_of_modules_is_said(text: str) -> None:
    with pytest.raises(BadMetadata, match="`m` can't be read"):
        read_modules(text.encode(), "`m`")
