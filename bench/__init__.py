"""The speed figures that README quotes: `make bench`."""

from __future__ import annotations
