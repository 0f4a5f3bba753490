"""What a grammar means, before it runs: names, arity, units, draws, weights, sources; all faults at once.

Codes: PG101 syntax · PG102 the file's frame · PG103 unknown name · PG104 strings and arity · PG105 units · PG106 ranges
· PG107 declared twice · PG108 too large · PG109 not yet supported · PG120–PG126 warnings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from pancreasgen.base.checks import nearest_name
from pancreasgen.base.errors import Diagnostic, DiagnosticError
from pancreasgen.grammar.functions import DRAWS, ENVIRONMENT, FUNCTIONS
from pancreasgen.grammar.grammar import BUILT_IN, Grammar, Production
from pancreasgen.grammar.predict import explosion
from pancreasgen.grammar.program import Program, argument_dims, formal_dims, make_program
from pancreasgen.grammar.statements import Source
from pancreasgen.grammar.tree import Call, Expression, Item, Name, Number, Span, walk
from pancreasgen.grammar.units import Dim, Units, parameter_dims

MAX_EXPANDED = 10_000
"""Most nodes an expression may have once its `let` functions are written out."""


def check_grammar(grammar: Grammar) -> tuple[Diagnostic, ...]:
    r"""Return all faults and warnings of a parsed grammar, in the order of the text.

    >>> from pancreasgen.grammar.syntax import parse_grammar
    >>> text = "lsystem 1\nmodule A(x: mm)\naxiom: A(1 mm)\nproduction:\nA(x) --> A(y)"
    >>> [fault.message for fault in check_grammar(parse_grammar(text))]
    ['there is no parameter or name `y`']
    """
    checker = _Checker(grammar, Source(grammar.file, grammar.text))
    checker.run()
    return tuple(sorted(checker.faults, key=lambda fault: (fault.line, fault.column)))


@lru_cache(maxsize=8)
def checked_program(grammar: Grammar) -> Program:
    """Return the grammar made ready to run.

    Raises:
        DiagnosticError: If it has faults (warnings do not count).
    """
    faults = [fault for fault in check_grammar(grammar) if fault.severity == "error"]
    if faults:
        raise DiagnosticError(faults)
    return make_program(grammar)


@dataclass(slots=True)
class _Checker:
    grammar: Grammar
    source: Source
    faults: list[Diagnostic] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    costs: dict[str, int] = field(default_factory=dict)
    sound: bool = True

    def fault(self, code: str, message: str, span: Span, hint: str = "", severity: str = "error") -> None:
        if not any((one.code, one.message) == (code, message) and one.line == 0 for one in self.faults):
            self.faults.append(self.source.diagnostic(code, message, span, hint, severity=severity))

    def run(self) -> None:
        self.lets()
        dims = parameter_dims(self.grammar)
        self.string(self.grammar.axiom, dims)
        for production in (*self.grammar.productions, *self.grammar.interpretation):
            self.production(production, dims)
        for production in self.grammar.decomposition:
            self.fault("PG109", "decomposition rules are not yet supported", production.span, "use a production")
        for statement in self.grammar.statements.values():
            for argument in statement.arguments:
                self.expression(argument, dims, draws=False, organ=False)
            if statement.module and statement.module not in self.grammar.modules:
                self.unknown("module", statement.module, statement.span, list(self.grammar.modules))
        self.spare()
        self.growth()

    # names

    def unknown(self, kind: str, name: str, span: Span, names: list[str]) -> None:
        near = nearest_name(name, names)
        hint = f"did you mean `{near}`?" if near else (f"known: {', '.join(sorted(names)[:12])}" if names else "")
        self.fault("PG103", f"there is no {kind} `{name}`", span, hint)

    def lets(self) -> None:
        known: dict[str, Dim] = parameter_dims(self.grammar)
        order = list(self.grammar.functions)
        for place, (name, function) in enumerate(self.grammar.functions.items()):
            later = order[place:]
            cost = 0
            for node in walk(function.body):
                inside = node.name if isinstance(node, Call | Name) else ""
                if inside in later and inside not in function.formals:
                    hint = "a let may use only those declared above it"
                    self.fault("PG103", f"`{inside}` is not yet declared here", node.span, hint)
                cost += 1 + self.costs.get(inside, 0)
            self.costs[name] = cost
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
        if sum(1 + self.costs.get(getattr(part, "name", ""), 0) for part in walk(node)) > MAX_EXPANDED:
            self.fault("PG108", f"this expression unfolds to more than {MAX_EXPANDED:,} operations", node.span)
            return Dim(known=False)
        units = Units(self.grammar.functions, lambda text, span, hint: self.fault("PG105", text, span, hint))
        return units.infer(node, dims)

    # strings and rules

    def string(self, items: tuple[Item, ...], dims: Mapping[str, Dim]) -> None:
        for item in items:
            self.written.add(item.symbol)
            if item.symbol.startswith("?"):
                self.fault(
                    "PG109", f"the query `{item.symbol}` is not yet supported", item.span, "use surface(d), axis()"
                )
                continue
            wanted = argument_dims(self.grammar, item.symbol)
            least = 0 if item.symbol in BUILT_IN and item.symbol != "!" else len(wanted)
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

    def production(self, production: Production, dims: Mapping[str, Dim]) -> None:
        grammar, name = self.grammar, production.predecessor
        if production.left or production.right:
            items = production.left or production.right
            self.fault("PG109", "contexts are not yet supported", items[0].span, "take the context out of the rule")
        wanted = len(argument_dims(grammar, name))
        if len(production.formals) != wanted and name not in BUILT_IN:
            text = f"`{name}` has {wanted} arguments, the rule names {len(production.formals)}"
            self.fault("PG104", text, production.span, "name every argument")
        if len(production.formals) > wanted and name in BUILT_IN:
            self.fault("PG104", f"`{name}` has at most {wanted} arguments", production.span)
        names = {**dims, **formal_dims(grammar, production)}
        for item in (*production.left, *production.right):
            names.update({part.name: Dim(known=False) for part in item.arguments if isinstance(part, Name)})
        names.update({formal: Dim(known=False) for formal in production.formals if formal not in names})
        if production.condition is not None:
            self.expression(production.condition, names)
        for binding in production.bindings:
            names[binding.name] = self.expression(binding.expression, names)._replace(zero=False)
        for alternative in production.alternatives:
            self.string(alternative.successor, names)
            if alternative.weight is not None:
                self.expression(alternative.weight, names)
        self.weights(production)

    def weights(self, production: Production) -> None:
        given = [alternative.weight for alternative in production.alternatives]
        if not any(given) or not all(isinstance(weight, Number) for weight in given):
            return
        total = sum(weight.value for weight in given if isinstance(weight, Number))
        if abs(total - 1.0) > 1e-6:
            text = f"the weights of `{production.label}` sum to {total:g}, not 1"
            first = production.alternatives[0].weight
            assert first is not None
            self.fault("PG120", text, first.span, "they are used as shares of their sum", "warning")

    # warnings

    def growth(self) -> None:
        found = None if any(fault.severity == "error" for fault in self.faults) else explosion(self.grammar)
        if found is not None:
            step, length, rule = found
            text = f"rule `{rule.label}` grows without bound: {length:,.0f} modules at step {step} "
            text += f"(limit {self.grammar.limits.modules:,})"
            self.fault("PG126", text, rule.span, "add a condition, or a line such as `limits: steps 6`", "warning")

    def spare(self) -> None:
        grammar = self.grammar
        heads = {production.predecessor for production in grammar.productions}
        drawn = {production.predecessor for production in grammar.interpretation}
        for name, module in grammar.modules.items():
            if module.declared and name not in self.written:
                self.fault("PG121", f"module `{name}` is never written", module.span, "remove it", "warning")
            elif module.declared and name not in heads | drawn and not module.meaning:
                text = f"module `{name}` is never rewritten and has no meaning"
                self.fault("PG122", text, module.span, 'add a rule, or say what it stands for: "…"', "warning")
        for production in grammar.productions:
            if production.predecessor not in self.written:
                text = f"rule `{production.label}` can never match: nothing writes `{production.predecessor}`"
                self.fault("PG123", text, production.span, "", "warning")
        for name, parameter in grammar.parameters.items():
            if name not in self.used and name not in ("angle", "delta", "step", "length"):
                self.fault("PG124", f"parameter `{name}` is never used", parameter.span, "remove it", "warning")
            if not parameter.source:
                hint = 'add: source "Author Year, DOI", or source "assumed"'
                self.fault("PG125", f"parameter `{name}` names no source", parameter.span, hint, "warning")
