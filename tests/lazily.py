"""Modules that take seconds to load, and that only some tests want."""

from importlib import import_module
from typing import Any


class Lazily:
    """A module that is loaded when something of it is first wanted, not by all who look for tests."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, what: str) -> Any:
        return getattr(import_module(self._name), what)
