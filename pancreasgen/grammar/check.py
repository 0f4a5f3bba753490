"""What a grammar means, before it runs: names, arity, units, draws, contexts, weights, sources; all faults at once.

Codes: PG101 syntax · PG102 the file's frame · PG103 unknown name · PG104 strings, contexts and arity · PG105 units
· PG106 ranges · PG107 declared twice · PG108 too large · PG120–PG125 and PG127 warnings · PG126 growth past the limits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from pancreasgen.base.checks import nearest_name
from pancreasgen.base.errors import BadInputError, Diagnostic, DiagnosticError
from pancreasgen.grammar.advice import advise
from pancreasgen.grammar.arity import argument_dims, formal_dims
from pancreasgen.grammar.evaluate import constant
from pancreasgen.grammar.functions import DRAWS, ENVIRONMENT, FUNCTIONS
from pancreasgen.grammar.grammar import BUILT_IN, QUERIES, Grammar, Production
from pancreasgen.grammar.program import Program, make_program
from pancreasgen.grammar.statements import MAX_FAULTS, Source
from pancreasgen.grammar.tree import Call, Expression, Item, Name, Number, Operation, Span, walk
from pancreasgen.grammar.units import Dim, Units, parameter_dims

MAX_EXPANDED, MAX_EXPANDED_IN_ALL, MAX_LET_DEPTH = 10_000, 200_000, 64
"""Most nodes an expression, and all expressions together, may have once their `let` functions are written out; and how
deep these may stand on each other."""


def check_grammar(grammar: Grammar) -> tuple[Diagnostic, ...]:
    r"""Return all faults and warnings of a parsed grammar, in the order of the text.

    >>> from pancreasgen.grammar.syntax import parse_grammar
    >>> text = "lsystem 1\nmodule A(x: mm)\naxiom: A(1 mm)\nproduction:\nA(x) --> A(y)"
    >>> [fault.message for fault in check_grammar(parse_grammar(text))]
    ['there is no parameter or name `y`']
    """
    checker = _Checker(grammar, Source(grammar.file, grammar.text))
    checker.run()
    advise(grammar, checker.used, checker.fault)
    return tuple(sorted(checker.faults, key=lambda fault: (fault.line, fault.column)))


def meaning_faults(grammar: Grammar, broken: frozenset[str]) -> list[Diagnostic]:
    """Return what is wrong with the meaning of a grammar that has other faults, without warnings.

    Args:
        grammar: What could be read.
        broken: Names whose declarations could not be read; that these are unknown is not told again.
    """
    checker = _Checker(grammar, Source(grammar.file, grammar.text), broken)
    checker.run()
    return [fault for fault in checker.faults if fault.severity == "error"]


@lru_cache(maxsize=8)
def checked_program(grammar: Grammar) -> Program:
    """Return the grammar made ready to run. That it would explode (PG126) is no fault here: a derivation is bounded.

    Raises:
        DiagnosticError: If it has faults (warnings do not count).
    """
    faults = [fault for fault in check_grammar(grammar) if fault.severity == "error" and fault.code != "PG126"]
    if faults:
        raise DiagnosticError(faults)
    return make_program(grammar)


@dataclass(slots=True)
class _Checker:
    grammar: Grammar
    source: Source
    broken: frozenset[str] = frozenset()
    faults: list[Diagnostic] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    costs: dict[str, int] = field(default_factory=dict)
    depths: dict[str, int] = field(default_factory=dict)
    unfolded: int = 0
    sound: bool = True

    def fault(self, code: str, message: str, span: Span, hint: str = "", severity: str = "error") -> None:
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(self.source.diagnostic(code, message, span, hint, severity=severity))

    def run(self) -> None:
        self.lets()
        dims = parameter_dims(self.grammar)
        self.string(self.grammar.axiom, dims)
        for production in self.grammar.productions:
            self.production(production, dims)
        for production in (*self.grammar.decomposition, *self.grammar.interpretation):
            self.production(production, dims)
            if production.left or production.right:
                text = f"`{production.label}` is no production and can have no context"
                hint = "move the rule to `production:`, or take the context out"
                self.fault("PG104", text, (production.left or production.right)[0].span, hint)
        for production in self.grammar.interpretation:
            for item in (item for one in production.alternatives for item in one.successor if item.symbol in QUERIES):
                self.fault("PG104", f"the query `{item.symbol}` belongs in productions", item.span, "")
        for statement in self.grammar.statements.values():
            for argument in statement.arguments:
                self.expression(argument, dims, draws=False, organ=False)
            if statement.module and statement.module not in self.grammar.modules:
                self.unknown("module", statement.module, statement.span, list(self.grammar.modules))

    # names

    def unknown(self, kind: str, name: str, span: Span, names: list[str]) -> None:
        if name in self.broken:
            return
        near = nearest_name(name, names[:1000])
        hint = f"did you mean `{near}`?" if near else (f"known: {', '.join(sorted(names)[:12])}" if names else "")
        self.fault("PG103", f"there is no {kind} `{name}`", span, hint)

    def lets(self) -> None:
        known: dict[str, Dim] = parameter_dims(self.grammar)
        order = list(self.grammar.functions)
        for place, (name, function) in enumerate(self.grammar.functions.items()):
            later = order[place:]
            cost, depth = 0, 1
            for node in walk(function.body):
                inside = node.name if isinstance(node, Call | Name) else ""
                if inside in later and inside not in function.formals:
                    hint = "a let may use only those declared above it"
                    self.fault("PG103", f"`{inside}` is not yet declared here", node.span, hint)
                cost += 1 + self.costs.get(inside, 0)
                depth = max(depth, 1 + self.depths.get(inside, 0))
            self.costs[name], self.depths[name] = cost, depth
            if depth > MAX_LET_DEPTH:
                self.fault("PG108", f"`{name}` stands on more than {MAX_LET_DEPTH} other functions", function.span)
                self.depths[name] = 0
            if cost > MAX_EXPANDED:
                self.fault("PG108", f"`{name}` unfolds to more than {MAX_EXPANDED:,} operations", function.span)
                self.costs[name] = 0
            formals = dict.fromkeys(function.formals, Dim(known=False))
            self.names(function.body, {**known, **formals}, draws=False, organ=True)
        self.sound = not self.faults

    def names(self, node: Expression, dims: Mapping[str, Dim], *, draws: bool, organ: bool) -> bool:
        """Check names and arity in an expression; return whether all is well."""
        before = len(self.faults)
        for part in walk(node):
            if isinstance(part, Name):
                self.used.add(part.name)
                function = self.grammar.functions.get(part.name)
                if part.name not in dims and (function is None or function.formals):
                    self.unknown("parameter or name", part.name, part.span, [*dims, *self.grammar.functions])
            elif isinstance(part, Call):
                self.call(part, draws=draws, organ=organ)
        return len(self.faults) == before

    def call(self, node: Call, *, draws: bool, organ: bool) -> None:
        name, count = node.name, len(node.arguments)
        span = (node.span[0], node.span[0] + len(name))
        self.used.add(name)
        if any(node.keys):
            self.fault("PG104", f"`{name}` takes no named arguments", span, "leave out the name and =")
        function = self.grammar.functions.get(name)
        builtin = FUNCTIONS.get(name) or DRAWS.get(name) or ENVIRONMENT.get(name)
        if function is not None:
            least = most = len(function.formals)
        elif builtin is not None:
            least, most = builtin.least, builtin.most
        elif name in self.grammar.requires:
            least, most = 0, 1
        else:
            names = [*self.grammar.functions, *FUNCTIONS, *DRAWS, *ENVIRONMENT, *self.grammar.requires]
            self.unknown("function", name, span, names)
            return
        if not least <= count <= most:
            wanted = f"{least}" if least == most else f"{least} to {most}"
            self.fault("PG104", f"`{name}` takes {wanted} arguments, not {count}", span)
        if name in DRAWS and not draws:
            self.fault("PG104", f"`{name}` draws a random number, which is not possible here", span, "draw in `where`")
        if function is None and not organ and (name in ENVIRONMENT or name in self.grammar.requires):
            self.fault("PG104", f"`{name}` asks the organ, which is not possible here", span, "ask in a rule")

    def expression(self, node: Expression, dims: Mapping[str, Dim], *, draws: bool = True, organ: bool = True) -> Dim:
        """Check an expression wholly and return its unit."""
        if not self.names(node, dims, draws=draws, organ=organ) or not self.sound:
            return Dim(known=False)  # an unsound `let` may lead back to itself
        cost = sum(1 + self.costs.get(getattr(part, "name", ""), 0) for part in walk(node))
        before, self.unfolded = self.unfolded, self.unfolded + cost
        if before <= MAX_EXPANDED_IN_ALL < self.unfolded:
            text = f"the expressions up to here unfold to more than {MAX_EXPANDED_IN_ALL:,} operations"
            self.fault("PG108", text, node.span, "use `let` functions less")
        if self.unfolded > MAX_EXPANDED_IN_ALL:
            return Dim(known=False)
        if cost > MAX_EXPANDED:
            self.fault("PG108", f"this expression unfolds to more than {MAX_EXPANDED:,} operations", node.span)
            return Dim(known=False)
        self.valued(node)
        units = Units(self.grammar.functions, lambda text, span, hint: self.fault("PG105", text, span, hint))
        return units.infer(node, dims)

    def valued(self, node: Expression) -> None:
        """Check that an expression of numbers alone has a value: that ``1 / 0`` has none is certain before a run."""
        parts = list(walk(node))
        if len(parts) == 1 or not all(isinstance(one, Number | Operation) or _plain_call(one) for one in parts):
            return
        try:
            constant(self.grammar, node)
        except BadInputError as fault:
            self.fault(
                "PG106", str(fault.message).replace("is not a number", "has no value"), node.span, "change the numbers"
            )

    # strings and rules

    def string(self, items: tuple[Item, ...], dims: Mapping[str, Dim]) -> None:
        for item in items:
            if item.symbol.startswith("?") and item.symbol not in QUERIES:
                self.fault("PG103", f"there is no query `{item.symbol}`", item.span, f"queries: {', '.join(QUERIES)}")
                continue
            wanted = argument_dims(self.grammar, item.symbol)
            least = 0 if item.symbol in BUILT_IN else len(wanted)
            if not least <= len(item.arguments) <= len(wanted):
                text = f"`{item.symbol}` takes {len(wanted)} arguments, not {len(item.arguments)}"
                self.fault("PG104", text, item.span)
            for argument, want in zip(item.arguments, wanted, strict=False):
                self.fits(item, argument, want, self.expression(argument, dims))

    def fits(self, item: Item, argument: Expression, want: Dim, have: Dim) -> None:
        if not have.known or have.zero or have[:2] == want[:2]:
            if not have.known and want.angle:
                text = f"the unit of this angle of `{item.symbol}` cannot be told"
                if not any(fault.severity == "error" for fault in self.faults):
                    self.fault("PG105", text, argument.span, "multiply it by 1 rad, or declare units")
            return
        if have[:2] == (0.0, 0.0):
            return  # a bare number is mm, or degrees where an angle is wanted
        hint = "give the module's argument a unit where it is declared" if want[:2] == (0.0, 0.0) else ""
        if want[:2] == (0.0, 0.0) and not have.angle:
            return
        self.fault("PG105", f"`{item.symbol}` wants {want.text} here, not {have.text}", argument.span, hint)

    def context(self, production: Production) -> None:
        """Check that contexts are paths and trees of modules with names, and that no name stands twice."""
        seen = set(production.formals)
        for item in (*production.left, *production.right):
            bracket = item.symbol in ("[", "]")
            if item.target or (bracket and item in production.left):
                hint = "a left context is a path back to the root; brackets belong to the right one" if bracket else ""
                self.fault("PG104", f"`{item.symbol}` cannot stand in this context", item.span, hint)
                continue
            wanted, given = len(argument_dims(self.grammar, item.symbol)), len(item.arguments)
            if given > wanted or (given < wanted and item.symbol not in BUILT_IN):
                text = f"`{item.symbol}` has {wanted} arguments, the context names {given}"
                self.fault("PG104", text, item.span, "name every argument")
            for argument in item.arguments:
                name = argument.name if isinstance(argument, Name) else ""
                if not name or name in seen:
                    text = f"the name `{name}` stands twice" if name else "a context has names, not expressions"
                    self.fault("PG104", text, argument.span, "write another name")
                seen.add(name)

    def production(self, production: Production, dims: Mapping[str, Dim]) -> None:
        grammar, name = self.grammar, production.predecessor
        self.context(production)
        wanted = len(argument_dims(grammar, name))
        if len(production.formals) != wanted and name not in BUILT_IN:
            text = f"`{name}` has {wanted} arguments, the rule names {len(production.formals)}"
            self.fault("PG104", text, production.span, "name every argument")
        if len(production.formals) > wanted and name in BUILT_IN:
            self.fault("PG104", f"`{name}` has at most {wanted} arguments", production.span)
        names = {**dims, **formal_dims(grammar, production)}
        names.update({formal: Dim(known=False) for formal in _named(production) if formal not in names})
        if production.condition is not None:
            self.expression(production.condition, names)
        for binding in production.bindings:
            names[binding.name] = self.expression(binding.expression, names)._replace(zero=False)
        for alternative in production.alternatives:
            self.string(alternative.successor, names)
            if alternative.weight is not None:
                self.expression(alternative.weight, names)


def _plain_call(node: Expression) -> bool:
    return isinstance(node, Call) and node.name in FUNCTIONS


def _named(production: Production) -> Iterable[str]:
    """Yield the names that a rule's predecessor and contexts give."""
    yield from production.formals
    for item in (*production.left, *production.right):
        yield from (part.name for part in item.arguments if isinstance(part, Name))
