from __future__ import annotations

import pytest

from demo import ROOT
from midstream.adapters.files import Tree as Folder
from midstream.configuration import ConfigurationError
from midstream.errors import UsageError
from midstream.overlay.tables import SHARED, load_tables
from overlay.trees import Tree

NAMES = ("repositories.yaml", "packages.yaml", "images.yaml", "platforms/ubi9.yaml")


def shared(**changes: str | None) -> Tree:
    """The repository's own tables with some changed; None takes one out."""
    names = {name.partition(".")[0].replace("/", "_"): name for name in NAMES}
    texts = {key: (ROOT / SHARED / name).read_text() for key, name in names.items()} | changes
    return Tree({f"{SHARED}/{names[key]}": t for key, t in texts.items() if t is not None})


@pytest.mark.parametrize("platform", ["ubi9", "ubi10"])
def test_the_repositorys_own_tables_are_read_for_each_platform(platform: str) -> None:
    tables = load_tables(Folder(ROOT), platform)
    assert tables.platform.name == platform


def test_a_platform_that_is_not_there_is_answered_with_those_that_are() -> None:
    with pytest.raises(UsageError, match="no platform `ubi8`") as caught:
        load_tables(Folder(ROOT), "ubi8")
    assert caught.value.help == "known: ubi10, ubi9"


def test_without_any_platform_none_is_known() -> None:
    with pytest.raises(UsageError) as caught:
        load_tables(shared(platforms_ubi9=None), "ubi9")
    assert caught.value.help == "known: none"


@pytest.mark.parametrize("name", ["repositories", "packages", "images"])
def test_a_table_that_is_missing_is_named(name: str) -> None:
    with pytest.raises(UsageError, match=f"there is no overlays/_shared/{name}.yaml"):
        load_tables(shared(**{name: None}), "ubi9")


def test_a_mistake_in_a_table_is_shown_at_its_line() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_tables(shared(packages="curl:\n  rmp: curl\n"), "ubi9")
    assert {found.source.name for found in caught.value.diagnostics} == {f"{SHARED}/packages.yaml"}
