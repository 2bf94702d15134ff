"""Keeping a midstream repository at upstream's pace, unattended: one branch per target."""

from __future__ import annotations
