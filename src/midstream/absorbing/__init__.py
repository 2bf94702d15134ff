"""A result that was edited by hand, taken back into the overlay that it is made by."""

from __future__ import annotations
