"""What the code under test raised, in one line: the error, where it was raised, and how that code was called."""

from __future__ import annotations

import functools
from pathlib import Path
from traceback import walk_tb
from types import FrameType
from typing import Any, Final

import numpy as np

from prograd.foreign import reason
from prograd.layer import Parameters

HOUSE: Final = Path(__file__).parent.parent
"""The engine. Its code passes calls on, as `functools` does, and what it was given says nothing new."""


def told(error: BaseException) -> str:
    """`raised ValueError: … (own.py:12 in jvp), called as jvp(v (4, 3))`; without a call if the engine raised it."""
    text = f"raised {reason(error)}"
    theirs = [(frame, line) for frame, line in walk_tb(error.__traceback__) if not _of_the_house(frame)]
    if not theirs:
        return text
    (first, _), (last, line) = theirs[0], theirs[-1]
    return f"{text} ({Path(last.f_code.co_filename).name}:{line} in {last.f_code.co_name}), called as {_call(first)}"


def _of_the_house(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return file == functools.__file__ or Path(file).is_relative_to(HOUSE)


def _call(frame: FrameType) -> str:
    code = frame.f_code
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    shown = [_shown(name, frame.f_locals[name]) for name in names if name != "self" and name in frame.f_locals]
    return f"{code.co_name}({', '.join(shown)})"


def _shown(name: str, value: Any) -> str:
    if isinstance(value, Parameters):
        return f"{name} {{{', '.join(_shown(key, each) for key, each in value.items())}}}"
    return f"{name} {value.shape}" if isinstance(value, np.ndarray) else name
