"""The reference from docstrings, which are Markdown, with signatures and types as the source writes them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from docutils.nodes import Element, TextElement
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.inspect import stringify_signature
from sphinx.util.nodes import make_refnode

CODE = re.compile(r"`([^`]+)`(\w?)")
PAGE = re.compile(r"docs/([\w/-]+)\.md")
NAME = re.compile(r"prograd(\.\w+)+|[A-Z][a-z]\w+(\.\w+)*")
"""Code that may be the name of something in the reference."""


def marked(code: re.Match[str]) -> str:
    """Code between backticks as reStructuredText: a link to a page or to a name, or as it is."""
    text, letter = code.groups()
    after = rf"\ {letter}" if letter else ""
    if page := PAGE.fullmatch(text):
        return f":doc:`/{page[1]}`{after}"
    return f":py:obj:`~{text}`{after}" if NAME.fullmatch(text) else f"``{text}``{after}"


def restructured(lines: Sequence[str]) -> Iterator[str]:
    """A docstring as reStructuredText. Blocks of code are indented, and examples begin with `>>>`."""
    literal = example = False
    before = ""
    for line in lines:
        blank, indented = not line.strip(), line.startswith("    ")
        example = line.lstrip().startswith(">>>") or (example and not blank)
        if literal and not blank and not indented:
            literal = False
        if indented and not literal and not before.strip() and not example:
            literal = True
            yield from ("::", "")
        yield line if literal or example else CODE.sub(marked, line)
        before = line


def translate(app: Sphinx, what: str, name: str, documented: Any, options: Any, lines: list[str]) -> None:  # noqa: PLR0913, PLR0917
    """Translate a docstring in place."""
    lines[:] = restructured(lines)


class Made:
    """A default that the class makes for each object."""

    def __repr__(self) -> str:
        return "…"


def sign(app: Sphinx, what: str, name: str, documented: Any, options: Any, *_: Any) -> tuple[str, str] | None:
    """The signature with the annotations of the source, which are shorter than the types that they stand for."""
    if what not in {"class", "exception", "function", "method"}:
        return None
    try:
        signature = inspect.signature(documented)
    except ValueError:  # an exception with the constructor of Python's own
        return None
    parameters = [
        one.replace(default=Made()) if str(one.default).startswith("<factory") else one
        for one in signature.parameters.values()
        if one.name not in {"self", "cls"}
    ]
    returns = "" if what == "class" else str(signature.return_annotation)
    shown = signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty)
    return stringify_signature(shown), returns


def resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, shown: TextElement) -> Element | None:
    """Find a name without its module. Code and types that are not in the reference stay code."""
    if node["refdomain"] != "py":
        return None
    found = env.domains.python_domain.find_obj(env, None, None, node["reftarget"], None, 1)
    if len(found) == 1:
        [(name, at)] = found
        return make_refnode(app.builder, node["refdoc"], at.docname, at.node_id, shown, name)
    meant_as_link = "refexplicit" in node and node["reftype"] != "obj"
    return None if meant_as_link else shown


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the four."""
    handlers: dict[str, Callable[..., Any]] = {
        "autodoc-process-docstring": translate,
        "autodoc-process-signature": sign,
        "missing-reference": resolve,
    }
    for event, handler in handlers.items():
        app.connect(event, handler)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
