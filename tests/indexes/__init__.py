"""A package index on 127.0.0.1, with source releases made in memory, and what can go wrong."""

from __future__ import annotations
