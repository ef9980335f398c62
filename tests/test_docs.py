"""Docs that drift fail here: generated pages, examples, links, and every number that they state about the maths."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from dra_toolkit.diversity import adjust, group_advantages

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "recipes" / "README.md"]

sys.path.insert(0, str(ROOT / "tools"))
import docs_commands  # noqa: E402
import long_description  # noqa: E402

import docs  # noqa: E402


@pytest.mark.parametrize("name", docs.PAGES)
def test_generated_page_is_current(name):
    assert (ROOT / "docs" / name).read_text() == docs.PAGES[name](), "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("address", [None, "https://forge.example/somebody/dra/"])
def test_the_readme_needs_no_repository_beside_it(address):
    """As an index shows it: pictures and links with an address, and words without one."""
    readme = (ROOT / "README.md").read_text()
    shown = long_description.away_from_the_repository(readme, address, "1.2.3")
    linked = re.findall(r"\]\((?!#)([^)\s]+)\)", shown)
    assert linked
    assert all(target.startswith("https://") for target in linked)
    if address is None:
        assert "![" not in shown
        assert "`dra docs tutorial`" in shown
        return
    pictures = re.findall(r"!\[[^]]*\]\(https://forge\.example/somebody/dra/raw/v1\.2\.3/([^)]+)\)", shown)
    assert len(pictures) == readme.count("![") > 0
    assert all((ROOT / path).is_file() for path in pictures)
    pages = re.findall(r"/blob/v1\.2\.3/([^)#]+)", shown)
    assert len(pages) > 20
    assert all((ROOT / path).exists() for path in pages)


NAMED = re.compile(r"(?<![\w/.-])(?:dra_toolkit|app|tests|tools|benchmarks|requirements|\.ci)/[\w./-]*[\w/]")


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda p: p.name)
def test_every_path_that_is_named_is_there(page):
    named = set(NAMED.findall(page.read_text()))
    assert not [name for name in named if not (ROOT / name).exists()]


def test_contributing_names_the_files_of_every_kind_of_change():
    """The table of changes: every row names files, at most two of them, three for a recorded column, four for TRL."""
    table = (ROOT / "CONTRIBUTING.md").read_text().split("|---|---|---|\n")[1].split("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    assert len(rows) == 13
    for what, *cells in rows:
        files = [name for cell in cells for name in re.findall(r"`([\w.-]+(?:/[\w.-]*)*)`", cell)]
        known = [name for name in files if (ROOT / name).exists()]
        assert 1 <= len(known) <= {"a recorded column": 3, "another TRL": 4}.get(what, 2) + cells[0].count("as `"), what


def test_library_example_of_the_readme():
    example, _ = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    before_the_run = example.split("# a recorded run")[0]
    scope: dict[str, object] = {}
    exec(before_the_run, scope)
    np.testing.assert_allclose(scope["adjustment"].weights, [0.5, 0.5, 1.0], atol=1e-6)


def test_commands_of_the_readme_exist():
    from typer.main import get_command

    from dra_toolkit.cli.main import app

    command = get_command(app)
    for line in re.findall(r"^dra (.*?)(?:\s{2,}.*|\s+#.*)?$", (ROOT / "README.md").read_text(), re.MULTILINE):
        words = line.split()
        found = command.commands[words[0]]
        if words[0] == "inspect" and len(words) > 1:
            assert words[1] in found.commands, line


def test_doctests():
    module = sys.modules[adjust.__module__]
    assert doctest.testmod(module, extraglobs={"np": np, "adjust": adjust}).failed == 0


def test_numbers_of_the_maths_page():
    S = np.array([[1, 0.6, 0], [0.6, 1, 0.8], [0, 0.8, 1]])
    adjustment = adjust(similarity=S, totals=np.ones(3))
    text = (ROOT / "docs" / "maths.md").read_text()
    rows = {"SMI": adjustment.redundancy, "weight": adjustment.weights}
    rows["Dr. GRPO"] = group_advantages(adjustment.adjusted[None], "none")[0]
    for name, values in rows.items():
        stated = re.search(rf"^ +{re.escape(name)} +(-?[\d.]+) +(-?[\d.]+) +(-?[\d.]+)", text, re.MULTILINE)
        np.testing.assert_allclose([float(x) for x in stated.groups()], values, atol=6e-4, err_msg=name)


def test_the_site_builds_without_a_dead_link(tmp_path):
    built = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "site.py"), "--output", str(tmp_path / "site")],
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    api = (tmp_path / "site" / "docs" / "api" / "index.html").read_text()
    for name in ("adjust", "group_advantages", "DiversitySettings", "Run"):
        assert re.search(rf'id="dra_toolkit\.[a-z_.]*\b{name}"', api), f"{name} has no entry in the API reference"


def test_every_page_of_the_docs_is_in_the_site_s_navigation():
    text = (ROOT / "mkdocs.yml").read_text()
    named = set(re.findall(r": (\S+\.md)$", text, re.MULTILINE))
    assert yaml.safe_load(text)["docs_dir"] == "build/site"
    for page in sorted((ROOT / "docs").rglob("*.md")):
        assert page.relative_to(ROOT).as_posix() in named, f"{page.name} stands in no menu of mkdocs.yml"


def test_every_environment_variable_that_is_read_has_its_line():
    page = (ROOT / "docs" / "environment-variables.md").read_text()
    read = re.compile(r"""os\.environ(?:\.get\(|\[|\.setdefault\()\s*["']([A-Z][A-Z0-9_]+)""")
    ours = {
        name
        for folder in ("dra_toolkit", "app")
        for path in (ROOT / folder).rglob("*.py")
        for name in read.findall(path.read_text())
    }
    handed_on = {
        "GIT_PYTHON_REFRESH",
        "GRADIO_ANALYTICS_ENABLED",
        "ACCELERATE_TORCH_DEVICE",
        "VLLM_WORKER_MULTIPROC_METHOD",
    }
    of_processes = {"RANK", "WORLD_SIZE", "LOCAL_RANK", "DISPLAY", "WAYLAND_DISPLAY"}
    assert {"DRA_RUNS", "DRA_CACHE"} <= ours
    told = {name for name in ours if f"`{name}`" in page or name.startswith("WANDB_")}
    assert ours - told <= handed_on | of_processes


COMMANDS = list(docs_commands.shown())


@pytest.mark.parametrize("page", sorted({command.page for command in COMMANDS}))
def test_every_command_of_a_page_can_be_typed(page):
    """Words, options, arguments and recipe keys of each command that a page shows, in a block or within a sentence."""
    wrong = {c.line: told for c in COMMANDS if c.page == page and (told := docs_commands.problem(c))}
    assert wrong == {}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("dra trian r.yaml", "no command 'trian'"),
        ("dra train r.yaml --dry-rnu", "did you mean '--dry-run'"),
        ("dra train r.yaml learning_rat=1  # a comment", "no key 'learning_rat'"),
        ("dra inspect group RUN 1", "Missing argument"),
        ("dra eval RUN --all", "No such option: --all"),
        ("make quickstrat", "no target quickstrat"),
    ],
)
def test_a_command_that_cannot_be_typed_is_told(line, told):
    assert told in docs_commands.problem(docs_commands.Shown(page="", line=line, is_mention=False))
