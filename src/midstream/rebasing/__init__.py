"""Upstream's text and an overlay in; a proved result with its ledger and plan out."""

from __future__ import annotations
