"""The name of what may be any object: signatures that say it mean pytrees."""

from __future__ import annotations

from typing import Any, TypeAlias

Pytree: TypeAlias = Any
"""Nested tuples, lists, mappings and records of arrays: players, what a rule remembers, a user's networks."""
