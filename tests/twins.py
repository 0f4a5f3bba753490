"""Slow plain twins of fast engines: Python objects, loops, no NumPy. What they say is what the engines must say."""

from __future__ import annotations

from dataclasses import dataclass

from pancreasgen.grammar.grammar import Grammar, Production
from pancreasgen.grammar.tree import Call, Expression, Name, Number

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
    """Rewrites a list of objects one by one: arithmetic, comparisons, min, max and uniform draws only."""

    def __init__(self, grammar: Grammar, key: int) -> None:
        self.grammar, self.key, self.step = grammar, key, 0

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

    def rewritten(self, rule: Production, module: Module) -> list[Module] | None:
        parameters = {name: one.inner for name, one in self.grammar.parameters.items()}
        names = parameters | dict(zip(rule.formals, module.arguments, strict=True))
        if rule.condition is not None and not self.value(rule.condition, names, module.lineage, f"{rule.label}:"):
            return None
        for binding in rule.bindings:
            names[binding.name] = self.value(binding.expression, names, module.lineage, f"{rule.label}.{binding.name}")
        chosen = 0
        if len(rule.alternatives) > 1:
            weights = [
                1.0 if one.weight is None else self.value(one.weight, names, module.lineage, f"{rule.label}/{place}?")
                for place, one in enumerate(rule.alternatives)
            ]
            reach = [sum(weights[: place + 1]) for place in range(len(weights))]
            drawn = uniform(module.lineage, self.key, f"{rule.label}?", self.step) * reach[-1]
            chosen = min(sum(drawn >= one for one in reach), len(weights) - 1)
        children = []
        for place, item in enumerate(rule.alternatives[chosen].successor):
            values = [
                self.value(one, names, module.lineage, f"{rule.label}/{chosen}/{place}.{slot}")
                for slot, one in enumerate(item.arguments)
            ]
            children.append(Module(item.symbol, values, mixed(module.lineage, CHILD + place)))
        return children

    def derive(self, steps: int) -> list[Module]:
        word = []
        for place, item in enumerate(self.grammar.axiom):
            values = [self.value(one, {}, 0, "axiom") for one in item.arguments]
            word.append(Module(item.symbol, values, mixed(0, CHILD + place)))
        for self.step in range(1, steps + 1):
            fresh, changed = [], False
            for module in word:
                found = None
                for rule in self.grammar.productions:
                    if rule.predecessor == module.symbol and found is None:
                        found = self.rewritten(rule, module)
                changed |= found is not None
                fresh += [module] if found is None else found
            word = fresh
            if not changed:
                break
        return word
