"""The Markdown files of the project and their fenced blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/*.md"),
    *ROOT.glob("docs/[!_]*/**/*.md"),  # without what the site's build writes
]
FENCE = re.compile(r"^```([^`\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE_NAME = re.compile(r"# ([\w./]+\.(?:py|toml|yaml))(, at its end)?\n")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the line where the text starts."""

    language: str
    text: str
    line: int

    @property
    def file(self) -> re.Match[str] | None:
        """The file's name, if the block's first line is a comment that names one."""
        return FILE_NAME.match(self.text)


@cache
def blocks(document: Path) -> tuple[Block, ...]:
    text = document.read_text()
    return tuple(Block(m[1], m[2], text.count("\n", 0, m.start(2)) + 1) for m in FENCE.finditer(text))
