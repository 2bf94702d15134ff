"""Where runs are kept: a folder each, named for the plan, with plan, journal and record."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.adapters import files
from midstream.errors import UsageError
from midstream.promotion import journal, plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from midstream.promotion.plan import Plan
    from midstream.promotion.record import Record

PLAN = "plan.json"
RECORD = "record.json"
_RUN = re.compile(r"[0-9a-f]{4,12}")


class Runs(Struct, frozen=True):
    folder: Path

    def of(self, made: Plan) -> Path:
        return self.folder / made.run

    def keep(self, made: Plan) -> Path:
        """Put the plan beside the journal that is to come. Raises `CannotWrite`."""
        path = self.of(made) / PLAN
        if not path.exists():
            files.write(path, made.data)
        return path.parent

    def keep_record(self, of: Plan, make: Callable[[], Record]) -> None:
        """Written once: a finished run that is run again keeps its first record."""
        path = self.of(of) / RECORD
        if not path.exists():
            files.write(path, make().data)

    def plan(self, name: str) -> Plan:
        path = self._folder(name) / PLAN
        return plan.parse(files.read(path), str(path))

    def record(self, name: str) -> Record:
        """By a run's name, the beginning of one, or the path of a record."""
        from midstream.promotion import record

        path = Path(name)
        if not path.is_file():
            path = self._folder(name) / RECORD
            if not path.exists():
                raise UsageError(
                    f"the run `{path.parent.name}` has no record: it isn't finished",
                    help=f"midstream promote resume {path.parent.name}",
                )
        return record.parse(files.read(path), str(path))

    def journal(self, name: str) -> list[journal.Entry]:
        return journal.read(self._folder(name))

    def seen(self, reference: str) -> str | None:
        """The digest that a source tag had in any run's plan."""
        if not self.folder.is_dir():
            return None
        for path in sorted(self.folder.glob(f"*/{PLAN}")):
            try:
                units = json.loads(path.read_bytes())["units"]
                for each in units:
                    if f"{each['source']}:{each['tag']}" == reference:
                        return str(each["digest"])
            except (OSError, ValueError, KeyError, TypeError):
                continue
        return None

    def _folder(self, name: str) -> Path:
        found = []
        if _RUN.fullmatch(name) and self.folder.is_dir():
            found = [each for each in sorted(self.folder.iterdir()) if each.name.startswith(name)]
        if len(found) != 1:
            several = "several runs begin with" if found else "there is no run"
            raise UsageError(f"{several} `{name}` in `{self.folder}`", help="name it with `--runs`")
        return found[0]
