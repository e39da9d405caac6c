"""One of a few names, chosen inside a `with` or by an environment variable."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from typing import Generic, TypeVar

from prograd.errors import OptionError

Name = TypeVar("Name", bound=str)


class Choice(Generic[Name]):
    """What `using` says, else what the environment's `variable` says, else `default()`.

    `check` raises `OptionError` for a name that can't be used on this machine.
    """

    def __init__(
        self,
        what: str,
        names: tuple[Name, ...],
        variable: str,
        default: Callable[[], Name],
        check: Callable[[Name], object],
    ) -> None:
        self.what, self.names, self.variable, self.default, self.check = what, names, variable, default, check
        self._chosen: ContextVar[Name | None] = ContextVar(what, default=None)

    def current(self) -> Name:
        """What is chosen here. Raises `OptionError` for an unknown name, and for one that can't be used."""
        chosen = self._chosen.get()
        return self._by_environment if chosen is None else chosen

    @contextmanager
    def using(self, name: str) -> Iterator[None]:
        """Inside, this one is chosen. Raises `OptionError`."""
        token = self._chosen.set(self._known(name, self.what))
        try:
            yield
        finally:
            self._chosen.reset(token)

    @cached_property
    def _by_environment(self) -> Name:
        named = os.environ.get(self.variable)
        return self.default() if named is None else self._known(named, self.variable)

    def _known(self, name: str, where: str) -> Name:
        if name not in self.names:
            raise OptionError(f"{where}: expected one of {', '.join(self.names)}, got {name!r}")
        try:
            self.check(name)
        except OptionError as error:
            raise OptionError(f"{where}: {error}") from error
        return name
