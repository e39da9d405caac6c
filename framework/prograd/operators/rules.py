"""The table of rules: which products and sums of operators keep their structure. Open to anyone's operators.

    @product_rule(Diagonal, MyOperator)          # outer @ inner: composing
    def scaled(outer, inner): …                  # the operator that keeps the structure, or None to decline

    @sum_rule(MyOperator, Identity)              # left + right, and so right + left

    @multiply_rule(MyOperator, Dense)            # multiply(outer, inner): carrying the product out
    def pushed(outer, inner): …

The rule for the closest classes comes first: that of the classes themselves before that of their bases, and among
equals the one that was registered first. A rule that would not pay declines by returning None, and the next one is
asked. Where none applies, the product or sum stays lazy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

Rule = Callable[..., Any]
RuleT = TypeVar("RuleT", bound=Rule)


class Rules:
    """Rules for pairs of classes."""

    def __init__(self) -> None:
        self._rules: dict[tuple[type, type], Rule] = {}
        self._found: dict[tuple[type, type], tuple[Rule, ...]] = {}

    def rule(self, left: type[Any], right: type[Any]) -> Callable[[RuleT], RuleT]:
        """Registers a function for a pair of classes and their subclasses; a second one replaces the first."""

        def register(rule: RuleT) -> RuleT:
            self._rules[left, right] = rule
            self._found.clear()
            return rule

        return register

    def find(self, left: object, right: object) -> tuple[Rule, ...]:
        """The rules for two operators, in the order in which they are asked."""
        pair = (type(left), type(right))
        if pair not in self._found:
            self._found[pair] = self._search(*pair)
        return self._found[pair]

    def _search(self, left: type, right: type) -> tuple[Rule, ...]:
        def distance(pair: tuple[type, type]) -> int:
            return left.__mro__.index(pair[0]) + right.__mro__.index(pair[1])

        fitting = [pair for pair in self._rules if issubclass(left, pair[0]) and issubclass(right, pair[1])]
        return tuple(self._rules[pair] for pair in sorted(fitting, key=distance))


PRODUCTS: Final = Rules()
SUMS: Final = Rules()
MULTIPLICATIONS: Final = Rules()


def product_rule(outer: type[Any], inner: type[Any]) -> Callable[[RuleT], RuleT]:
    """Registers how `outer @ inner` keeps its structure: a function of both that returns an operator or None."""
    return PRODUCTS.rule(outer, inner)


def sum_rule(left: type[Any], right: type[Any]) -> Callable[[RuleT], RuleT]:
    """Registers how `left + right`, and so `right + left`, keeps its structure."""
    return SUMS.rule(left, right)


def multiply_rule(outer: type[Any], inner: type[Any]) -> Callable[[RuleT], RuleT]:
    """Registers how `multiply(outer, inner)` carries a product out: a function of both."""
    return MULTIPLICATIONS.rule(outer, inner)
