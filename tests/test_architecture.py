"""What must stay true of the whole package: light start-up, no forbidden calls, files of a readable size."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from recorded import make_run, record, record_all

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "dra_toolkit").rglob("*.py"))
HEAVY = {"torch", "transformers", "trl", "gradio", "lighteval", "pandas", "pyarrow", "duckdb", "datasets", "numpy"}


def loaded_by(code: str) -> set[str]:
    """Return the heavy packages that a fresh interpreter has loaded after running `code`."""
    script = (
        f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\n"
        f"print(*(set(sys.modules) & {HEAVY!r}), sep=',', file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(filter(None, ran.stderr.strip().splitlines()[-1].split(","))) if ran.stderr.strip() else set()


@pytest.mark.parametrize(
    "arguments", [["--help"], ["train", "--help"], ["inspect", "--help"], ["inspect", "group", "--help"], ["--version"]]
)
def test_help_loads_nothing_heavy(arguments):
    assert loaded_by(f"sys.argv[1:] = {arguments!r}; from dra_toolkit.cli import main; main()") == set()


def modules_of(script: str, *prefixes: str) -> set[str]:
    """Return the modules of some packages that a fresh interpreter has loaded when a command has ended."""
    ends = f"try:\n    {script}\nexcept SystemExit:\n    pass\nprint(*sys.modules, file=sys.stderr)"
    ran = subprocess.run([sys.executable, "-c", f"import sys\n{ends}"], capture_output=True, text=True, check=True)
    return {name for name in ran.stderr.splitlines()[-1].split() if name.split(".")[0] in prefixes or name in prefixes}


def test_help_and_a_summary_load_no_more_than_they_show(tmp_path):
    """Each of these cost a tenth of the time to an answer, and neither shows anything that needs it."""
    record_all(make_run(tmp_path / "run"), [record(1, 0)])
    command = "sys.argv[1:] = {!r}; from dra_toolkit.cli import main; main()"
    unneeded = ("yaml", "pandas", "scipy", "torch", "dra_toolkit.judge.notation", "dra_toolkit.judge.completions")
    assert modules_of(command.format(["inspect", "summary", str(tmp_path / "run")]), *unneeded) == set()
    assert (
        modules_of(command.format(["--help"]), *unneeded, "pydantic", "dra_toolkit.recipe", "dra_toolkit.runs") == set()
    )


def test_commands_leave_what_they_loaded_out_of_the_search_for_garbage(tmp_path):
    record_all(make_run(tmp_path / "run"), [record(1, 0)])
    script = (
        "import gc, sys\nsys.argv[1:] = ['inspect', 'summary', sys.argv[1]]\ntry:\n    from dra_toolkit.cli import main\n"
        "    main()\nexcept SystemExit:\n    pass\n"
        "print(gc.isenabled(), gc.get_freeze_count() > 20_000, gc.get_stats()[2]['collections'], file=sys.stderr)"
    )
    told = subprocess.run([sys.executable, "-c", script, tmp_path / "run"], capture_output=True, text=True, check=True)
    assert told.stderr.splitlines()[-1] == "True True 0"


def test_bare_import_loads_nothing_heavy():
    assert loaded_by("import dra_toolkit") == set()


def test_public_names_resolve():
    import dra_toolkit

    for name in dra_toolkit.__all__:
        found = getattr(dra_toolkit, name)
        assert name.isupper() or found.__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = dra_toolkit.nonsense


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_unsafe_calls(path):
    text = path.read_text()
    for pattern in (
        r"\bimport pickle",
        r"torch\.load\(",
        r"shell=True",
        r"yaml\.load\((?!text, Loader=_Loader)",
        r"(?<![\w.])eval\(",
        r"os\.system",
    ):
        found = [line for line in text.splitlines() if re.search(pattern, line)]
        assert not found, found


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_stay_readable(path):
    assert len(path.read_text().splitlines()) <= 320


def test_no_index_host_or_machine_path_in_the_repository():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    forbidden = re.compile(
        "|".join(("pypi" + r"\.org", "python" + "hosted", r"/(?:root|work|farm)/", "/opt/" + "wheels"))
    )
    for name in tracked:
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".txt", ".sh", ".yaml", ".json", ""} and path.is_file():
            assert not forbidden.search(path.read_text(errors="replace")), name


# setTimeout without a time waits for nothing but its turn.
CLOCK = re.compile(
    r"\b(sleep\(|perf_counter|monotonic|wait_for_timeout|setTimeout\((?:$|[^;]*,)|timeout=\d)|import time\b|mark\.timeout"
)
TESTS = sorted(p for p in (ROOT / "tests").rglob("*.py") if p.name not in ("waiting.py", Path(__file__).name))


@pytest.mark.parametrize("path", TESTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_tests_wait_for_what_happens_and_bound_processor_time(path):
    found = [line for line in path.read_text().splitlines() if CLOCK.search(line)]
    assert not found, f"see tests/waiting.py: {found}"


def hidden_by_a_comprehension(source: str) -> list[str]:
    """Return the functions in which a comprehension's variable has the name of a function that is called there too."""
    tree = ast.parse(source)
    known = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    known |= {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom | ast.Import)
        for alias in node.names
    }
    found = []
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        own: dict[str, set[int]] = {}  # what is called within the comprehension that binds its name
        for made in (node for node in ast.walk(function) if hasattr(node, "generators")):
            bound = [name for each in made.generators for name in ast.walk(each.target) if isinstance(name, ast.Name)]
            for name in bound:
                own.setdefault(name.id, set()).update(id(node) for node in ast.walk(made))
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in known & own.keys():
                found += [f"{function.name}: {node.func.id}"] if id(node) not in own[node.func.id] else []
    return found


def test_no_comprehension_hides_a_function_that_is_called_beside_it():
    """Python 3.12.1, which inlines comprehensions, reads the variable in the function's place: the judge was wrong."""
    example = (
        "def part(x): ...\ndef read(xs):\n    ys = [y for part in xs for y in part]\n    return [part(y) for y in ys]\n"
    )
    assert hidden_by_a_comprehension(example) == ["read: part"]
    for path in [*SOURCES, *sorted((ROOT / "app").rglob("*.py"))]:
        assert hidden_by_a_comprehension(path.read_text()) == [], path


IMPORT = re.compile(r"^\s*from (dra_(?:toolkit|app)[\w.]*) import (\([^)]*\)|[\w ,]+)", re.MULTILINE)


def test_what_tests_scripts_and_docs_import_is_there():
    """In programs that they keep as texts, and where another environment is needed to run them, too."""
    listed = subprocess.run(
        ["git", "ls-files", "tests", "benchmarks", "tools", "docs", "README.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    missing = []
    for file in listed.stdout.splitlines():
        if Path(file).suffix not in (".py", ".md"):
            continue
        for module, names in IMPORT.findall((ROOT / file).read_text(encoding="utf-8")):
            wanted = {name.split(" as ")[0].strip() for name in names.strip("()").split(",")} - {""}
            missing += [f"{file}: {module}.{name}" for name in wanted - defined(module)]
    assert missing == []


def defined(module: str) -> set[str]:
    """Return the names that a module has, as its text says, and the modules in its folder."""
    place = (ROOT / "app" if module.startswith("dra_app") else ROOT) / module.replace(".", "/")
    file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    if not file.is_file():
        return set()
    found = {path.stem for path in place.glob("*")}
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Constant) and isinstance(
            node.value, str
        ):  # of __all__ and names loaded when asked for
            found.add(node.value)
    return found
