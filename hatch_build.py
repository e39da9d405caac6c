"""Compiles the machine that runs tapes, where a C compiler is; without it, numpy replays them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from setuptools import Distribution, Extension
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError

NAME = "prograd.tape._machine"
FOLDER = Path("framework/prograd/tape")
VARIABLE = "PROGRAD_BUILD_MACHINE"


class CustomBuildHook(BuildHookInterface[Any]):
    """`PROGRAD_BUILD_MACHINE=required` fails where nothing can be compiled, `no` compiles nothing."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compiles for a wheel of this platform, or beside the source for an editable installation."""
        wanted = os.environ.get(VARIABLE, "")
        if self.target_name != "wheel" or wanted == "no" or sys.platform == "win32":
            return
        self._made = TemporaryDirectory()
        try:
            compiled = self._compile(Path(self._made.name))
        except (BaseError, CCompilerError, OSError) as error:
            if wanted == "required":
                raise
            self.app.display_warning(f"prograd's machine for tapes was not compiled ({error}); numpy replays them")
            return
        if version == "editable":
            made = FOLDER / compiled.name
            beside = Path(self.root) / made
            beside.unlink(missing_ok=True)  # a process may run the old one: never write into it
            beside.write_bytes(compiled.read_bytes())
            build_data["artifacts"].append(f"/{made.as_posix()}")
        else:
            build_data["force_include"][str(compiled)] = f"prograd/tape/{compiled.name}"
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Removes what was compiled for the wheel."""
        if hasattr(self, "_made"):
            self._made.cleanup()

    def _compile(self, to: Path) -> Path:
        root = Path(self.root)
        flags = ["-O3", "-std=c11", "-pthread", *os.environ.get("PROGRAD_BUILD_FLAGS", "").split()]
        extension = Extension(
            NAME,
            [str(root / FOLDER / "_machine.c")],
            include_dirs=[np.get_include(), str(root / FOLDER)],
            define_macros=[("_GNU_SOURCE", "1")],
            extra_compile_args=flags,
            extra_link_args=flags,
        )
        command = build_ext(Distribution({"name": "prograd", "ext_modules": [extension]}))
        command.build_lib, command.build_temp = str(to), str(to / "temporary")
        command.ensure_finalized()
        command.run()
        (compiled,) = to.glob("prograd/tape/_machine*")
        return compiled
