"""One verb each: read arguments, call the core, report. `cli` imports the one that is typed."""

from __future__ import annotations
