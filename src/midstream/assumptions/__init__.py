"""What upstream takes for granted and UBI does not give, one assumption a file."""

from __future__ import annotations
