"""From lark's tree of one logical line to our own syntax tree, without recursion."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from lark import Token, Tree
from lark.visitors import Transformer_NonRecursive

from pancreasgen.base.errors import Diagnostic
from pancreasgen.grammar.statements import Source
from pancreasgen.grammar.tree import Alternative, Binding, Call, Expression, Item, Name, Number, Operation, Span

MAX_EXPRESSION_DEPTH = 64
MAX_SUCCESSOR = 256
MAX_ARGUMENTS = 12
MAX_BINDINGS = 64
"""Most arguments of a module, and most alternatives and names after `where` of a rule."""


class Quantity(NamedTuple):
    """A signed number with its unit in a declaration."""

    number: Number


class RuleParts(NamedTuple):
    """The parts of a rule as parsed: the items before ``<``, the middle, the items after ``>``."""

    left: tuple[Item, ...]
    middle: tuple[Item, ...]
    right: tuple[Item, ...]
    condition: Expression | None
    alternatives: tuple[Alternative, ...]
    bindings: tuple[Binding, ...]


class Arguments(NamedTuple):
    """The expressions between the parentheses of a module."""

    values: tuple[Expression, ...]
    end: int


class Keyed(NamedTuple):
    """An argument of a function, with the name before ``=`` or an empty text."""

    key: str
    value: Expression


class Always(NamedTuple):
    """The condition ``*``."""


class Build(Transformer_NonRecursive[Token, Any]):
    """Turns one logical line's tree into nodes; faults are collected, not raised.

    Args:
        source: The whole text.
        offset: Where the logical line begins in it.
        faults: List that faults are appended to.
    """

    def __init__(self, source: Source, offset: int, faults: list[Diagnostic]) -> None:
        """Keep what is needed for spans and faults."""
        super().__init__(visit_tokens=False)
        self.source, self.offset, self.faults = source, offset, faults
        self.depths: dict[Span, int] = {}
        self.kept: list[Expression] = []

    def _span(self, token: Token) -> Span:
        start = self.offset + (token.start_pos or 0)
        return (start, start + len(token))

    def _keep(self, node: Expression, inside: list[Expression]) -> Expression:
        depth = 1 + max((self.depths.get(child.span, 1) for child in inside), default=0)
        if depth > MAX_EXPRESSION_DEPTH:
            message = f"this expression is nested deeper than {MAX_EXPRESSION_DEPTH} levels"
            if not any(fault.code == "PG108" for fault in self.faults):
                hint = "split it with `let` or `where`"
                self.faults.append(self.source.diagnostic("PG108", message, node.span, hint))
            return Number(0.0, "", node.span)
        self.depths[node.span] = max(depth, self.depths.get(node.span, 0))
        return node

    def _most(self, nodes: tuple[Any, ...], most: int, what: str) -> None:
        """Note a fault if there are too many nodes."""
        if len(nodes) > most:
            message = f"{len(nodes)} {what}; at most {most} are allowed"
            self.faults.append(self.source.diagnostic("PG108", message, nodes[most].span, "split the rule"))

    # expressions

    def number(self, children: list[Any]) -> Expression:
        """NUMBER [UNIT]."""
        token, unit = children
        span = self._span(token)
        end = self._span(unit)[1] if unit else span[1]
        if not math.isfinite(float(token)):
            self.faults.append(self.source.diagnostic("PG106", f"the number {token} is too large", span))
            return Number(0.0, "", span)
        return Number(float(token), str(unit or ""), (span[0], end))

    def quantity(self, children: list[Any]) -> Quantity:
        """[-] NUMBER [UNIT]."""
        sign, token, unit = children
        span = self._span(token)
        start = self._span(sign)[0] if sign else span[0]
        end = self._span(unit)[1] if unit else span[1]
        return Quantity(Number(-float(token) if sign else float(token), str(unit or ""), (start, end)))

    def name(self, children: list[Any]) -> Expression:
        """A bare name."""
        return Name(str(children[0]), self._span(children[0]))

    def argument(self, children: list[Any]) -> Keyed:
        """[NAME =] expression."""
        return Keyed(str(children[0] or ""), children[1])

    def call(self, children: list[Any]) -> Expression:
        """NAME ( arguments )."""
        keyed = [child for child in children[1:] if child is not None]
        span = self._span(children[0])
        end = max([span[1], *(item.value.span[1] for item in keyed)])
        values = [item.value for item in keyed]
        self._most(tuple(values), 2 * MAX_ARGUMENTS, "arguments")
        node = Call(str(children[0]), tuple(values), tuple(item.key for item in keyed), (span[0], end + 1))
        return self._keep(node, values)

    def operation(self, children: list[Any]) -> Expression:
        """A prefix or infix operator."""
        token = next(child for child in children if isinstance(child, Token))
        operands = [child for child in children if not isinstance(child, Token)]
        words = {"&&": "and", "||": "or", "&": "and", "|": "or"}
        start = min(self._span(token)[0], operands[0].span[0])
        node = Operation(words.get(str(token), str(token)), tuple(operands), (start, operands[-1].span[1]))
        return self._keep(node, operands)

    def chain(self, children: list[Any]) -> Expression:
        """A comparison; ``a < b < c`` means ``a < b and b < c``."""
        result: Expression | None = None
        for left, token, right in zip(children[::2], children[1::2], children[2::2], strict=False):
            sign = "==" if token == "=" else str(token)
            pair = self._keep(Operation(sign, (left, right), (left.span[0], right.span[1])), [left, right])
            both = (result, pair) if result is not None else ()
            result = self._keep(Operation("and", both, (both[0].span[0], pair.span[1])), list(both)) if both else pair
        assert result is not None
        return result

    def always(self, _: list[Any]) -> Always:
        """The condition ``*``."""
        return Always()

    # strings

    def arguments(self, children: list[Any]) -> Arguments:
        """( expressions )."""
        values = tuple(child for child in children if child is not None)
        self._most(values, MAX_ARGUMENTS, "arguments")
        return Arguments(values, max((value.span[1] for value in values), default=0) + 1)

    def item(self, children: list[Any]) -> Item:
        """A module, turtle command or bracket."""
        span = self._span(children[0])
        if len(children) > 1 and children[1] is not None:
            span = (span[0], max(span[1], children[1].end))
            return Item(str(children[0]), children[1].values, "", span)
        return Item(str(children[0]), (), "", span)

    def command(self, children: list[Any]) -> Item:
        """@command("target", weight)."""
        token, text, weight = children
        span = self._span(token)
        end = max(self._span(text)[1], weight.span[1] if weight is not None else 0) + 1
        return Item(str(token), () if weight is None else (weight,), str(text)[1:-1], (span[0], end))

    def items(self, children: list[Any]) -> tuple[Item, ...]:
        """A string of items, at most 256."""
        if len(children) > MAX_SUCCESSOR:
            message = f"this string has {len(children)} modules; at most {MAX_SUCCESSOR} are allowed"
            span = (children[MAX_SUCCESSOR].span[0], children[-1].span[1])
            self.faults.append(self.source.diagnostic("PG108", message, span, "split it over several rules"))
            return tuple(children[:MAX_SUCCESSOR])
        return tuple(children)

    def left(self, children: list[Any]) -> tuple[Item, ...]:
        """What stands after ``<``."""
        return tuple(children[0])

    right = left

    def predecessor(self, children: list[Any]) -> tuple[tuple[Item, ...], ...]:
        """Left context, middle, right context."""
        first, after_less, after_greater = children
        left, middle = (first, after_less) if after_less is not None else ((), first)
        return (left, middle, after_greater or ())

    def binding(self, children: list[Any]) -> Binding:
        """NAME = expression."""
        start = self._span(children[0])[0]
        return Binding(str(children[0]), children[1], (start, children[1].span[1]))

    def where(self, children: list[Any]) -> tuple[Binding, ...]:
        """All bindings."""
        self._most(tuple(children), MAX_BINDINGS, "names after where")
        return tuple(children)

    def alternative(self, children: list[Any]) -> Alternative:
        """--> successor : weight."""
        first, weight = children
        successor: tuple[Item, ...] = () if isinstance(first, Token) else first
        ends = [item.span for item in successor] + ([weight.span] if weight is not None else [])
        span = (ends[0][0], ends[-1][1]) if ends else (self.offset, self.offset + 1)
        return Alternative(successor, weight, span)

    def rule_line(self, children: list[Any]) -> RuleParts:
        """A whole rule without its label."""
        parts, condition, *rest = children
        where = rest.pop() if rest else None
        self._most(tuple(rest), MAX_BINDINGS, "alternatives")
        kept = None if isinstance(condition, Always) else condition
        return RuleParts(parts[0], parts[1], parts[2], kept, tuple(rest), where or ())


def tokens(tree: Tree[Any]) -> list[Any]:
    """Return a tree's children without the empty places."""
    return [child for child in tree.children if child is not None]
