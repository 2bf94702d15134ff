"""One promise each about a result, for the policy profile that it is checked against."""

from __future__ import annotations
