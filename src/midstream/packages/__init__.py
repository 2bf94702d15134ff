"""What package repositories really have: their metadata read, the tables compared with it."""

from __future__ import annotations
