"""Slow plain twins of fast engines: Python objects, loops, no NumPy. What they say is what the engines must say."""

from __future__ import annotations

import random
from dataclasses import dataclass

from pancreasgen.grammar.grammar import Grammar, Production
from pancreasgen.grammar.tree import Call, Expression, Item, Name, Number

MASK = (1 << 64) - 1
CHILD = 0xC0FFEE


def splitmix(value: int) -> int:
    value = (value + 0x9E3779B97F4A7C15) & MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def mixed(*parts: int) -> int:
    state = 0
    for part in parts:
        state = splitmix(state ^ part)
    return state


def site(text: str) -> int:
    state = 0xCBF29CE484222325
    for byte in text.encode():
        state = ((state ^ byte) * 0x100000001B3) & MASK
    return state


def uniform(lineage: int, key: int, name: str, step: int) -> float:
    return ((mixed(lineage, mixed(key, site(name), step)) >> 11) + 0.5) * 2.0**-53


@dataclass
class Module:
    symbol: str
    arguments: list[float]
    lineage: int


class PlainEngine:
    """Rewrites a list of objects one by one: arithmetic, comparisons, min, max and uniform draws only.

    Modules are visited in an order shuffled by ``order``, which must not matter.
    """

    def __init__(self, grammar: Grammar, key: int, *, order: int = 0) -> None:
        self.grammar, self.key, self.step, self.random = grammar, key, 0, random.Random(order)

    def value(self, node: Expression, names: dict[str, float], lineage: int, name: str) -> float:
        if isinstance(node, Number):
            return node.inner
        if isinstance(node, Name):
            return names[node.name]
        if isinstance(node, Call):
            values = [self.value(one, names, lineage, name) for one in node.arguments]
            if node.name == "uniform":
                low, high = values
                return low + uniform(lineage, self.key, name, self.step) * (high - low)
            return {"min": min, "max": max}[node.name](values)
        values = [self.value(one, names, lineage, name) for one in node.operands]
        if len(values) == 1:
            return {"-": lambda a: -a, "+": lambda a: a, "not": lambda a: not a}[node.operator](*values)
        return {
            "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b,
            "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
            "==": lambda a, b: a == b, "!=": lambda a, b: a != b,
            "and": lambda a, b: a and b, "or": lambda a, b: a or b,
        }[node.operator](*values)  # fmt: skip

    def rewritten(self, rule: Production, prefix: str, word: list[Module], place: int) -> list[Module] | None:
        module, label = word[place], prefix + rule.label
        parameters = {name: one.inner for name, one in self.grammar.parameters.items()}
        names = parameters | dict(zip(rule.formals, module.arguments, strict=True))
        around = [
            (rule.left, self.behind(word, place, rule.left)),
            (rule.right, self.ahead(word, place + 1, rule.right)),
        ]
        for items, found in around:
            if items and found is None:
                return None
            for item, here in zip(items, found or (), strict=False):
                names |= {one.name: value for one, value in zip(item.arguments, here.arguments, strict=False)}
        if rule.condition is not None and not self.value(rule.condition, names, module.lineage, f"{label}:"):
            return None
        for binding in rule.bindings:
            names[binding.name] = self.value(binding.expression, names, module.lineage, f"{label}.{binding.name}")
        chosen = 0
        if len(rule.alternatives) > 1:
            weights = [
                1.0 if one.weight is None else self.value(one.weight, names, module.lineage, f"{label}/{place}?")
                for place, one in enumerate(rule.alternatives)
            ]
            reach = [sum(weights[: place + 1]) for place in range(len(weights))]
            drawn = uniform(module.lineage, self.key, f"{label}?", self.step) * reach[-1]
            chosen = min(sum(drawn >= one for one in reach), len(weights) - 1)
        children = []
        for ordinal, item in enumerate(rule.alternatives[chosen].successor):
            values = [
                self.value(one, names, module.lineage, f"{label}/{chosen}/{ordinal}.{slot}")
                for slot, one in enumerate(item.arguments)
            ]
            children.append(Module(item.symbol, values, mixed(module.lineage, CHILD + ordinal)))
        return children

    def seen(self, symbol: str) -> bool:
        """Whether contexts see a module; the twin knows turns and ``%`` as the only commands."""
        if self.grammar.consider:
            return symbol in self.grammar.consider
        if self.grammar.ignore:
            return symbol not in self.grammar.ignore
        named = {item.symbol for rule in self.grammar.productions for item in (*rule.left, *rule.right)}
        return symbol not in "+-%" or symbol in named

    def behind(self, word: list[Module], place: int, items: tuple[Item, ...]) -> list[Module] | None:
        """The left context: the tail of the path from the root to the module, as lists of lists."""
        axes: list[list[Module]] = [[]]
        for module in word[:place]:
            if module.symbol == "[":
                axes.append([])
            elif module.symbol == "]":
                axes.pop()
            elif self.seen(module.symbol):
                axes[-1].append(module)
        path = [module for axis in axes for module in axis]
        tail = path[len(path) - len(items) :] if len(path) >= len(items) else []
        return tail if [one.symbol for one in tail] == [one.symbol for one in items] else None

    def ahead(self, word: list[Module], place: int, items: tuple[Item, ...]) -> list[Module] | None:
        """The right context by trying everything: the modules for each item, brackets among them."""
        if not items:
            return []
        here = word[place] if place < len(word) else Module("]", [], 0)
        want = items[0].symbol
        if want == "]":
            return self.joined([Module("]", [], 0)], self.ahead(word, self.close(word, place), items[1:]))
        if here.symbol == "[":
            if want == "[":
                found = self.joined([here], self.ahead(word, place + 1, items[1:]))
                if found is not None:
                    return found
            return self.ahead(word, self.close(word, place + 1), items)
        if here.symbol == "]":
            return None
        if not self.seen(here.symbol):
            return self.ahead(word, place + 1, items)
        return self.joined([here], self.ahead(word, place + 1, items[1:])) if here.symbol == want else None

    @staticmethod
    def joined(first: list[Module], rest: list[Module] | None) -> list[Module] | None:
        return None if rest is None else first + rest

    @staticmethod
    def close(word: list[Module], place: int) -> int:
        """The place behind the bracket that closes the branch in which a place lies."""
        depth = 1
        while depth:
            depth += {"[": 1, "]": -1}.get(word[place].symbol, 0)
            place += 1
        return place

    def rewrite(self, rules: tuple[Production, ...], prefix: str, word: list[Module]) -> tuple[list[Module], bool]:
        """Rewrite every module against the whole word as it is, in an order of the twin's own."""
        found: dict[int, list[Module]] = {}
        for place in self.shuffled(len(word)):
            for rule in rules:
                if rule.predecessor == word[place].symbol and place not in found:
                    children = self.rewritten(rule, prefix, word, place)
                    if children is not None:
                        found[place] = children
        return [one for place, module in enumerate(word) for one in found.get(place, [module])], bool(found)

    def shuffled(self, count: int) -> list[int]:
        order = list(range(count))
        self.random.shuffle(order)
        return order

    def finished(self, word: list[Module]) -> list[Module]:
        changed = True
        while changed:
            word, changed = self.rewrite(self.grammar.decomposition, "decomposition/", word)
        kept, depth, cut = [], 0, -1
        for module in word:
            depth += {"[": 1, "]": -1}.get(module.symbol, 0)
            cut = -1 if depth < cut else cut
            if cut < 0:
                kept.append(module)
                cut = depth if module.symbol == "%" else -1
        return kept

    def derive(self, steps: int) -> list[Module]:
        word = []
        for place, item in enumerate(self.grammar.axiom):
            values = [self.value(one, {}, 0, "axiom") for one in item.arguments]
            word.append(Module(item.symbol, values, mixed(0, CHILD + place)))
        self.step = 0
        word = self.finished(word)
        for self.step in range(1, steps + 1):
            word, changed = self.rewrite(self.grammar.productions, "", word)
            if not changed:
                break
            word = self.finished(word)
        return word
