"""What a person wrote about one target: ship, edits, fragments, facts."""

from __future__ import annotations
