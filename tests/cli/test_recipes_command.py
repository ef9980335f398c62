"""`dra recipes`: listing, showing and copying what is shipped, and finding a recipe by its name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dra_toolkit.cli.main import app
from dra_toolkit.errors import RecipeError
from dra_toolkit.recipe import load_recipe
from dra_toolkit.recipe import shipped as shipped_module
from dra_toolkit.recipe.shipped import find_recipe, read_header, shipped_launch_configs, shipped_recipes


def dra(*arguments: object, status: int = 0):
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == status, result.output
    return result


class TestList:
    def test_every_shipped_recipe_and_launch_configuration_is_listed(self):
        said = json.loads(dra("recipes", "--json").stdout)
        assert [row["name"] for row in said["recipes"]] == list(shipped_recipes())
        assert [row["name"] for row in said["launch_configs"]] == list(shipped_launch_configs())
        assert {"quickstart", "quickstart_grpo"} <= set(shipped_recipes())
        assert {"single_gpu", "ddp", "fsdp2", "zero2", "zero3", "two_nodes"} <= set(shipped_launch_configs())

    def test_every_shipped_file_says_in_its_first_line_what_it_is_for(self):
        for path in (*shipped_recipes().values(), *shipped_launch_configs().values()):
            assert read_header(path)["purpose"], path

    def test_the_table_names_the_next_commands(self):
        said = dra("recipes").stdout
        assert "quickstart" in said
        assert "dra recipes copy" in said

    def test_an_installation_without_recipes_says_so(self, monkeypatch, tmp_path):
        monkeypatch.setattr(shipped_module, "_IN_WHEEL", tmp_path)
        assert "No recipes are shipped" in dra("recipes").stdout
        assert "none is shipped" in dra("recipes", "show", "quickstart", status=2).stderr

    def test_header_lines_are_read_by_their_labels(self, tmp_path):
        path = tmp_path / "r.yaml"
        path.write_text(
            "# Does a thing\n# Hardware: 4 GPUs\n# more: words\n# Cost: $55\n\n# Hardware: not this\na: 1\n"
        )
        header = read_header(path)
        assert (header["purpose"], header["hardware"], header["cost"]) == ("Does a thing", "4 GPUs", "$55")
        path.write_text("a: 1\n")
        assert set(read_header(path).values()) == {""}


class TestShow:
    def test_prints_the_file_to_the_letter(self):
        for name, path in {**shipped_recipes(), **shipped_launch_configs()}.items():
            assert dra("recipes", "show", name).stdout == path.read_text()

    def test_json_has_the_text(self):
        said = json.loads(dra("recipes", "show", "quickstart", "--json").stdout)
        assert said["text"] == shipped_recipes()["quickstart"].read_text()

    @pytest.mark.parametrize("name", ["quickstar", "quickstart.yaml", "recipes/quickstart.yaml"])
    def test_an_unknown_name_gets_the_nearest(self, name):
        assert "did you mean 'quickstart'?" in dra("recipes", "show", name, status=2).stderr

    def test_a_name_like_none_gets_the_list(self):
        assert "zero2" in dra("recipes", "show", "xyzzy", status=2).stderr


class TestCopy:
    def test_a_copy_loads_as_a_recipe_of_its_own(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        said = dra("recipes", "copy", "quickstart").stdout
        copy = tmp_path / "quickstart.yaml"
        assert copy.read_text() == shipped_recipes()["quickstart"].read_text()
        assert "dra doctor quickstart.yaml" in said
        assert "--dry-run" in said
        dra("recipes", "copy", "quickstart", "mine.yaml")
        assert str(load_recipe("mine.yaml")["output_dir"]) == "runs/mine"

    def test_a_copy_has_its_reward_and_its_data_beside_it(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        dra("recipes", "copy", "smollm2", "mine.yaml")
        assert {path.name for path in tmp_path.iterdir()} == {"mine.yaml", "smollm2.py", "smollm2.jsonl"}
        assert Path(load_recipe("mine.yaml")["dataset_name"]).samefile(tmp_path / "smollm2.jsonl")

    def test_nothing_is_overwritten_unasked(self, tmp_path):
        target = tmp_path / "mine.yaml"
        target.write_text("precious: 1\n")
        said = dra("recipes", "copy", "quickstart", target, status=2).stderr
        assert "--overwrite" in said
        assert target.read_text() == "precious: 1\n"
        dra("recipes", "copy", "quickstart", target, "--overwrite")
        assert "builtin:ways" in target.read_text()

    def test_a_folder_gets_a_file_of_the_name(self, tmp_path):
        said = json.loads(dra("recipes", "copy", "zero2", tmp_path, "--json").stdout)
        assert said["copied_to"] == str(tmp_path / "zero2.yaml")
        assert (tmp_path / "zero2.yaml").is_file()

    def test_a_place_that_does_not_exist_is_one_line(self, tmp_path):
        said = dra("recipes", "copy", "quickstart", tmp_path / "no" / "such.yaml", status=2).stderr
        assert len(said.splitlines()) == 1
        assert "cannot be written" in said

    def test_the_shipped_file_is_not_copied_onto_itself(self):
        source = shipped_recipes()["quickstart"]
        before = source.read_text()
        assert "shipped file itself" in dra("recipes", "copy", "quickstart", source, "--overwrite", status=2).stderr
        assert source.read_text() == before


class TestFind:
    def test_a_file_goes_before_a_shipped_name(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert find_recipe("quickstart") == shipped_recipes()["quickstart"]
        (tmp_path / "quickstart").mkdir()
        assert find_recipe("quickstart") == shipped_recipes()["quickstart"], "a folder is no recipe"
        (tmp_path / "other.yaml").write_text("a: 1\n")
        assert find_recipe("other.yaml").read_text() == "a: 1\n"

    def test_neither_is_one_line_with_the_nearest(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "other.yaml").write_text("a: 1\n")
        for text, nearest in (
            ("othr.yaml", "other.yaml"),
            ("quikstart", "quickstart"),
            ("quickstart.yml", "quickstart"),
        ):
            with pytest.raises(RecipeError, match=f"did you mean '{nearest}'"):
                find_recipe(text)


class TestDocs:
    def test_every_page_is_listed_with_its_title_and_printed_to_the_letter(self):
        pages = json.loads(dra("docs", "--json").stdout)["pages"]
        assert {"tutorial", "choosing", "recipe-keys", "troubleshooting"} <= set(pages)
        assert all(pages.values())
        text = shipped_module.shipped_docs()["tutorial"].read_text()
        for name in ("tutorial", "docs/tutorial.md", "tutorial.md"):
            printed = dra("docs", name)
            assert (printed.stdout, printed.stderr.strip().endswith("tutorial.md")) == (text, True)

    def test_a_misspelt_page_gets_the_nearest(self):
        assert "did you mean 'tutorial'" in dra("docs", "tutorail", status=2).stderr
