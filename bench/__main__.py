"""The speed figures, as ratios measured in one run: `make bench`."""

from __future__ import annotations

import argparse
import compileall
from typing import TYPE_CHECKING

from bench import converting, parsing, promoting, rebasing, replaying, syncing
from bench.measuring import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

BENCHES: dict[str, Callable[[], None]] = {
    "rebase": rebasing.main,
    "parse": parsing.main,
    "convert": converting.main,
    "replay": replaying.main,
    "promote": promoting.main,
    "sync": syncing.main,
}


def main() -> None:
    choices = argparse.ArgumentParser(prog="bench", description=__doc__)
    choices.add_argument("only", nargs="*", choices=[[], *BENCHES], help="which ones; all of them")
    names = choices.parse_args().only or BENCHES
    # As it is installed: where no bytecode may be written, each start would compile what changed.
    compileall.compile_dir(ROOT / "src", quiet=1)
    for name in names:
        BENCHES[name]()


main()
