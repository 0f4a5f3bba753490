"""The house keeps its own rules."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "pancreasgen").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_MODULES = {"pickle", "marshal", "shelve", "yaml", "dill"}


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_files_are_short(path: Path) -> None:
    """No file has more than 300 lines."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_functions_fit_on_a_screen(path: Path) -> None:
    """No function has more than 60 lines below its docstring, nor 7 arguments that must be given; commands may."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
        assert (node.end_lineno or 0) - first.lineno < 60, node.name
        required = len(node.args.args) - len(node.args.defaults)
        named = [a for a, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if default is None]
        arguments = [a.arg for a in (*node.args.posonlyargs, *node.args.args[:required], *named)]
        limit = 99 if "cli" in path.parts or _is_kernel(node) else 6
        assert len([name for name in arguments if name not in ("self", "cls")]) <= limit, node.name


def _is_kernel(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether numba compiles the function: kernels take arrays and scalars, not types."""
    return any(
        "njit" in ast.unparse(decorator) or "guvectorize" in ast.unparse(decorator) for decorator in node.decorator_list
    )


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_no_text_becomes_code(path: Path) -> None:
    """Nothing evaluates text, unpickles, or runs a shell."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in FORBIDDEN_CALLS, f"{node.func.id} at line {node.lineno}"
        if isinstance(node, ast.keyword) and node.arg in ("allow_pickle", "shell"):
            assert isinstance(node.value, ast.Constant), node.arg
            assert node.value.value is False, node.arg
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not FORBIDDEN_MODULES & {name.split(".")[0] for name in names}


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_nothing_is_left_to_do(path: Path) -> None:
    """No file has a mark of unfinished work."""
    assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b|NotImplementedError", path.read_text(encoding="utf-8"))


def test_every_module_is_reached_by_a_test() -> None:
    """Each module has an example that runs, or is named in a test, or serves a module that is: none stands apart."""
    everything = "\n".join(path.read_text(encoding="utf-8") for path in TESTS)
    waiting = {_dotted(path): path for path in MODULES if path.name not in ("__init__.py", "__main__.py")}
    reached = [name for name, path in waiting.items() if _named(name, everything) or _has_doctest(path)]
    while reached:
        text = waiting.pop(reached.pop()).read_text(encoding="utf-8")
        reached += [name for name in waiting if name not in reached and _named(name, text)]
    assert sorted(waiting) == []


def _dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def _named(dotted: str, text: str) -> bool:
    """Whether a text imports a module, in either way of saying it."""
    room, _, stem = dotted.rpartition(".")
    verb = room == "pancreasgen.cli" and re.search(rf'["\[]{stem}[ "]', text)  # verbs are imported by name
    return bool(verb or re.search(rf"{re.escape(dotted)}\b|from {re.escape(room)} import [^\n]*\b{stem}\b", text))


def _has_doctest(path: Path) -> bool:
    return ">>>" in path.read_text(encoding="utf-8")


def test_every_public_name_resolves() -> None:
    """Everything that the package promises can be had."""
    import pancreasgen

    for name in pancreasgen.__all__:
        assert getattr(pancreasgen, name) is not None


def test_every_verb_of_the_readme_exists() -> None:
    """The documents promise no verb that the program does not have."""
    from pancreasgen.cli.main import VERBS

    text = "\n".join(
        (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
    )
    told = set(re.findall(r"^\s*(?:scripts/)?pancreasgen ([a-z]+)\b", text, re.MULTILINE)) - {"and"}
    assert told
    assert told <= set(VERBS)
