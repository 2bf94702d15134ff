"""The same commands, before and after: a RUN that changed, run where nothing happens."""

from __future__ import annotations
