"""The client's modules: each parses, imports what is there, and reads CSV as it is written."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from npm import unpacked

from dra_app.figure import csv_text
from dra_app.server import index, static_files

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="needs node")
MODULES = {name: content.decode() for name, content in static_files().items() if name.endswith(".js")}


def node(script: str, folder: Path) -> str:
    """Run a module."""
    (folder / "test.mjs").write_text(script)
    done = subprocess.run([str(NODE), "test.mjs"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_parses_and_imports_what_is_there(name: str, tmp_path: Path) -> None:
    (tmp_path / "module.mjs").write_text(MODULES[name])
    done = subprocess.run([str(NODE), "--check", "module.mjs"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for names, source in re.findall(r"import \{([^}]*)\} from \"\./([^\"]+)\"", MODULES[name]):
        exported = set(re.findall(r"export (?:async )?(?:function|const) (\w+)", MODULES[source]))
        assert {each.strip() for each in names.split(",")} <= exported
    assert "eval(" not in MODULES[name]


LINTER = "@biomejs/cli-linux-x64@2.6.8"
RULES = {
    "recommended": True,
    "suspicious": {"useIterableCallbackReturn": "off"},
    "correctness": dict.fromkeys(("noUndeclaredVariables", "noUnusedVariables", "noUnusedImports"), "error")
    | {"noUnusedFunctionParameters": "off"},  # what a click is told comes in one order
}


def test_the_linter_finds_nothing_in_the_modules(tmp_path: Path) -> None:
    off = {"enabled": False}
    settings = {"linter": {"enabled": True, "rules": RULES}, "formatter": off, "assist": off}
    (tmp_path / "biome.json").write_text(json.dumps(settings))
    (tmp_path / "modules").mkdir()
    for name, content in MODULES.items():
        (tmp_path / "modules" / name).write_text(content)
    command = [unpacked(LINTER, tmp_path) / "biome", "lint", "--error-on-warnings", "modules"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Checked {len(MODULES)} files" in done.stdout + done.stderr


@pytest.mark.parametrize("rows", [[["a", "b"], [1, 2.5]], [['say "so"', "x,y"], ["line\nbreak", ""], ["é", "=1"]]])
def test_the_table_of_a_figure_has_the_cells_of_its_csv(rows: list[list[object]], tmp_path: Path) -> None:
    written = csv_text(rows)  # type: ignore[arg-type]
    (tmp_path / "figures.js").write_text(
        "export" + MODULES["figures.js"].split("export")[2].split("const MOST_ROWS")[0]
    )
    (tmp_path / "package.json").write_text('{"type": "module"}')
    script = (
        f'import {{ readCsv }} from "./figures.js";\nconsole.log(JSON.stringify(readCsv({json.dumps(written)})));\n'
    )
    expected = [[f"'{cell}" if str(cell).startswith("=") else str(cell) for cell in row] for row in rows]
    assert json.loads(node(script, tmp_path)) == expected


def test_the_page_names_its_files_relatively_and_holds_no_script() -> None:
    page = index("0")
    assert not re.search(r'(src|href|action)="/', page)
    assert set(re.findall(r"<script([^>]*)>", page)) == {
        ' type="application/json" id="dra-told"',
        ' type="module" src="dra/0/app.js"',
    }
