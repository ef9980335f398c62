"""What `dra app --demo` shows: two whole runs of a language model, as they were recorded, that hold nothing of a machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dashboard import Browser, dra_app

from dra_app.demo import RECORDED, make_demo
from dra_app.pages import pages
from dra_toolkit.inspection.verify import verify
from dra_toolkit.recipe import load_recipe
from dra_toolkit.runs import Run

RUNS = {"smollm2-grpo": "none", "smollm2-dra-grpo": "graph_cut"}
MOST_BYTES = 4_000_000


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("demonstration")
    make_demo(folder)
    return {path.name: Run.open(path) for path in sorted(folder.iterdir())}


def test_it_is_the_recipe_and_its_twin(runs: dict[str, Run]) -> None:
    assert set(runs) == set(RUNS)
    for name, run in runs.items():
        shipped = load_recipe("smollm2", [f"diversity={RUNS[name]}"])
        different = {key for key in shipped if shipped[key] != run.recipe[key]}
        assert different <= {"output_dir", "dataset_name"}
        assert Path(run.recipe["dataset_name"]).name == Path(shipped["dataset_name"]).name


@pytest.mark.parametrize("name", RUNS)
def test_every_number_is_there_and_holds(runs: dict[str, Run], name: str) -> None:
    run = runs[name]
    recipe = run.recipe
    steps = list(range(1, recipe["max_steps"] + 1))
    assert run.steps() == steps
    assert run.texts_left_out() is None
    checked = verify(run)
    assert checked.problems == []
    assert checked.completions == len(steps) * recipe["per_device_train_batch_size"]
    assert {row["step"] for row in run.metrics() if "reward" in row} == set(steps)


def test_it_is_small_and_says_nothing_of_the_machine_that_made_it() -> None:
    files = [path for path in RECORDED.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < MOST_BYTES
    for path in files:
        content = path.read_bytes()
        assert not any(place in content for place in (b"/tmp", b"/home", b"/root", b"/work")), path


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with dra_app("--demo") as found:
        yield found


@pytest.mark.parametrize("name", [name for name in pages() if name != "train"])
def test_every_page_shows_it(chromium: Any, address: str, name: str) -> None:
    browser = Browser(chromium, address)
    browser.open(name, "run=smollm2-dra-grpo&other=smollm2-grpo&q=answer&step=20&group=1")
    assert not browser.page.locator(f"#dra-{name} [data-part=message]:visible").count()
    assert browser.page.locator(".dra-page:visible").inner_text().strip()
    browser.close()


@pytest.mark.parametrize(
    ("row", "column", "digits"),
    [("reward", "reward", 2), ("Vendi score", "vendi_score", 1), ("cut completions", "cut_share", 2)],
)
def test_the_experiments_page_says_what_was_recorded(runs: dict[str, Run], row: str, column: str, digits: int) -> None:
    page = (Path(__file__).parents[2] / "docs" / "experiment.md").read_text(encoding="utf-8")
    (line,) = (line for line in page.splitlines() if line.startswith(f"| {row}: GRPO, DRA-GRPO |"))
    last = line.split("|")[-2].split(",")
    for said, name in zip(last, RUNS, strict=True):
        sql = f"SELECT avg({column}) AS mean FROM steps WHERE mode = 'train' AND step > 90"
        assert float(said) == round(runs[name].query(sql)["mean"][0].as_py(), digits)
