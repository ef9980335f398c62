"""Recipes whose data have images: every form that a column of them takes is read, and what is none is one line."""

import base64
import importlib.util
import json
import math
import shutil

import pytest
import tiny
import tiny_vision
from datasets import Dataset, Image
from transformers import ProcessorMixin

from dra_toolkit.errors import RecipeError
from dra_toolkit.recipe import load_recipe
from dra_toolkit.training.build import build_trainer
from dra_toolkit.training.data import load_processor, load_tokenizer, training_splits

RECIPE = """
model_name_or_path: {policy}
dataset_name: {data}
prompt_column: question
solution_column: null
reward_funcs: [tiny.letters]
embedder: hash
bf16: false
gradient_checkpointing: false
num_generations: 4
per_device_train_batch_size: 8
max_completion_length: 6
max_steps: 1
save_strategy: "no"
"""
ROWS = 4


@pytest.fixture(scope="module")
def vision_policy(tmp_path_factory):
    return tiny_vision.save_vision_policy(tmp_path_factory.mktemp("vision"))


@pytest.fixture
def pictures(tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(ROWS)]
    for number, path in enumerate(paths):
        tiny_vision.picture(number).save(path)
    return paths


@pytest.fixture(autouse=True)
def whole_lines(monkeypatch):
    """However long the paths of tests are: a long line loses its middle."""
    monkeypatch.setattr("dra_toolkit.errors.LONGEST", 10_000)


@pytest.fixture
def load(vision_policy, tmp_path):
    def loaded(data, *overrides):
        """Return recipe, processing class and training split of a data set: a table, or rows of JSON."""
        if isinstance(data, Dataset):
            file = tmp_path / "data.parquet"
            data.to_parquet(file)
        else:
            file = tmp_path / "data.jsonl"
            file.write_text("".join(json.dumps(row) + "\n" for row in data))
        path = tmp_path / "recipe.yaml"
        path.write_text(RECIPE.format(policy=vision_policy, data=file))
        recipe = load_recipe(path, [f"output_dir={tmp_path / 'run'}", *overrides])
        tokenizer = load_tokenizer(recipe)
        train, _ = training_splits(recipe, tokenizer, lambda line: None)
        return recipe, load_processor(recipe, tokenizer, train), train

    return loaded


def asking(**columns):
    """Return rows of a question each and of what `columns` has for them."""
    values = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return [{"question": f"What is {i} + 2?"} | row for i, row in enumerate(values)]


def message(*parts, text="What is 1 + 2?"):
    return [{"role": "user", "content": [*parts, {"type": "text", "text": text}]}]


def read_bytes(paths):
    return [path.read_bytes() for path in paths]


FORMS = {
    "paths": lambda paths: asking(image=[*map(str, paths)]),
    "lists": lambda paths: asking(images=[[str(path), str(paths[0])] for path in paths]),
    "base64": lambda paths: asking(image=[base64.b64encode(found).decode() for found in read_bytes(paths)]),
    "images": lambda paths: Dataset.from_list(asking(image=[*map(tiny_vision.picture, range(ROWS))])),
    "bytes": lambda paths: Dataset.from_list(asking(image=read_bytes(paths))),
    "dicts": lambda paths: Dataset.from_list(asking(image=[{"bytes": b, "path": None} for b in read_bytes(paths)])),
    "lists of dicts": lambda paths: Dataset.from_list(asking(images=[[{"bytes": b}] for b in read_bytes(paths)])),
    "places": lambda paths: [{"question": message({"type": "image"}), "image": str(path)} for path in paths],
    "parts": lambda paths: [{"question": message({"type": "image", "image": str(path)})} for path in paths],
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_an_image_is_read(load, pictures, form):
    _, processor, train = load(FORMS[form](pictures))
    assert isinstance(processor, ProcessorMixin)
    assert len(train) == ROWS


@pytest.mark.parametrize("form", ["lists", "dicts", "parts"])
def test_images_reach_policy_and_record(load, pictures, tmp_path, form):
    recipe, processor, train = load(FORMS[form](pictures))
    records = []
    trainer = build_trainer(
        recipe, tmp_path / "checkpoints", processing_class=processor, train_dataset=train, on_groups=records.extend
    )
    seen = []
    trainer.model.register_forward_pre_hook(
        lambda module, args, given: seen.append(given.get("pixel_values")), with_kwargs=True
    )
    trainer.train()
    assert any(values is not None and values.shape[-1] == tiny_vision.SIDE for values in seen)
    for record in records:
        (prompt,) = record.group.prompt
        assert len(prompt.images) == (2 if form == "lists" else 1)
    assert len({record.group.prompt[0].images[0] for record in records}) == len(records) == 2


def with_one(values, wrong, row=2):
    return [wrong if number == row else value for number, value in enumerate(values)]


WRONG = {
    "None": (lambda paths: asking(image=with_one(map(str, paths), None)), "row 3: found None, expected an image"),
    "empty": (lambda paths: asking(image=with_one(map(str, paths), "")), "row 3: found '', expected an image"),
    "all None": (lambda paths: asking(image=[None] * ROWS), "row 1: found None"),
    "empty lists": (lambda paths: asking(images=with_one([[str(p)] for p in paths], [])), "row 3: found []"),
    "numbers": (lambda paths: asking(image=range(ROWS)), "row 1: found 0"),
    "objects": (lambda paths: asking(image=[{"x": 1}] * ROWS), "row 1: found {'x': 1}"),
    "no file": (lambda paths: asking(image=with_one(map(str, paths), "/no/such.png")), "row 3: found '/no/such.png'"),
    "words": (lambda paths: asking(image=["a red cat"] * ROWS), "row 1: found 'a red cat'"),
    "nobody there": (
        lambda paths: asking(image=with_one(map(str, paths), "http://127.0.0.1:1/a.png")),
        "row 3: found 'http://127.0.0.1:1/a.png', expected an image in every row ([Errno 111] Connection refused)",
    ),
    "other bytes": (
        lambda paths: Dataset.from_list(asking(image=with_one(read_bytes(paths), b"nothing"))),
        "row 3: found {'bytes': b'nothing'",
    ),
    "missing among images": (
        lambda paths: Dataset.from_list(asking(image=with_one(map(tiny_vision.picture, range(ROWS)), None))),
        "row 3: found None",
    ),
    "a list as one": (lambda paths: asking(image=[[str(path)] for path in paths]), "Incorrect format used for image"),
    "one as a list": (lambda paths: asking(images=[*map(str, paths)]), "a list of images is wanted there"),
    "two places": (
        lambda paths: [{"question": message(*[{"type": "image"}] * 2), "image": str(path)} for path in paths],
        "Number of images provided (1) does not match number of image placeholders (2)",
    ),
    "no image for a place": (
        lambda paths: [{"question": message({"type": "image"})}] * ROWS,
        "Number of images provided (0)",
    ),
    "another library's part": (
        lambda paths: [{"question": message({"type": "image_url", "image_url": {"url": str(paths[0])}})}] * ROWS,
        "(no image)",
    ),
    "a mark in the text": (
        lambda paths: [{"question": "<image> What is 1 + 2?", "image": str(path)} for path in paths],
        "prompt_column: found <image> in a text; take it out",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_image_is_one_line_with_its_row(load, pictures, case):
    make, told = WRONG[case]
    with pytest.raises(RecipeError) as caught:
        load(make(pictures))
    (line,) = caught.value.problems
    assert told in line


def test_of_many_rows_some_are_opened_spread_over_them(load, pictures, monkeypatch):
    monkeypatch.setattr("dra_toolkit.training.images.LOOKED_AT", math.ceil(ROWS / 2))
    pictures[1].write_bytes(b"")
    load(FORMS["paths"](pictures))
    for empty in (asking(image=[str(pictures[0]), None]), asking(images=[[str(pictures[0])], []])):
        with pytest.raises(RecipeError, match="row 4: found"):
            load([*empty[:1] * 3, empty[1]])
    pictures[2].write_bytes(b"")
    with pytest.raises(RecipeError, match="row 3: found"):
        load(FORMS["paths"](pictures))


def test_a_file_that_is_no_image_or_half_of_one_is_one_line(load, pictures):
    pictures[1].write_bytes(pictures[1].read_bytes()[:-30])
    with pytest.raises(RecipeError, match=r"row 2: found .*\(image file is truncated\)"):
        load(FORMS["paths"](pictures))
    pictures[1].write_text("no image")
    with pytest.raises(RecipeError, match=r"row 2: found .*\(cannot identify image file"):
        load(FORMS["paths"](pictures))


def test_a_policy_that_reads_no_images_is_one_line(load, pictures, policy):
    with pytest.raises(RecipeError, match=r"the data have images in 'image', and the policy .* reads none; rename"):
        load(FORMS["paths"](pictures), f"model_name_or_path={policy}")


@pytest.mark.skipif(importlib.util.find_spec("torchvision") is not None, reason="the package is there")
def test_a_package_that_a_processor_needs_is_named(load, pictures, vision_policy, tmp_path):
    folder = shutil.copytree(vision_policy, tmp_path / "other")
    parts = {"image_processor": {"image_processor_type": "Qwen2VLImageProcessor"}}
    parts |= {
        "video_processor": {"video_processor_type": "Qwen2VLVideoProcessor"},
        "processor_class": "Qwen2VLProcessor",
    }
    (folder / "processor_config.json").write_text(json.dumps(parts))
    with pytest.raises(RecipeError, match=r"other cannot be loaded .*requires the Torchvision library"):
        load(FORMS["paths"](pictures), f"model_name_or_path={folder}")


def test_questions_alone_need_no_processor(load, policy):
    _, processor, train = load([{"question": "What is 1 + 2?"}] * ROWS)
    assert not hasattr(processor, "image_processor")
    assert train.column_names == ["prompt"]


def changed_config(folder, target, **values):
    shutil.copytree(folder, target)
    config = json.loads((target / "config.json").read_text()) | values
    (target / "config.json").write_text(json.dumps(config))
    return target


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"architectures": ["Qwen2ForSequenceClassification"]}, "architectures Qwen2ForSequenceClassification)"),
        ({"architectures": ["Qwen2ForTokenClassification"]}, "is no causal language model"),
        ({"architectures": ["Qwen2Model"]}, "architectures Qwen2Model)"),
        ({"architectures": ["BertForMaskedLM"], "model_type": "bert"}, "architectures BertForMaskedLM)"),
        (
            {"architectures": ["T5ForConditionalGeneration"], "model_type": "t5", "is_encoder_decoder": True},
            "architectures T5ForConditionalGeneration)",
        ),
        ({"architectures": None}, "config.json says architectures nothing)"),
        ({"architectures": []}, "config.json says architectures nothing)"),
        ({"architectures": ["MineForCausalLM"]}, "architectures MineForCausalLM)"),
        ({"architectures": ["pipeline"]}, "architectures pipeline)"),
        ({"model_type": "mine"}, "cannot be loaded (The checkpoint you are trying to load has model type `mine`"),
    ],
)
def test_a_policy_that_goes_on_with_no_text_is_one_line(load, policy, tmp_path, changes, told):
    folder = changed_config(policy, tmp_path / "other", **changes)
    with pytest.raises(RecipeError, match=r"^model_name_or_path: ") as caught:
        load([{"question": "What is 1 + 2?"}] * ROWS, f"model_name_or_path={folder}")
    (line,) = caught.value.problems
    assert told in line


def test_weights_of_another_shape_are_one_line(load, policy, tmp_path):
    folder = changed_config(policy, tmp_path / "other", hidden_size=64)
    recipe, tokenizer, train = load([{"question": "What is 1 + 2?"}] * ROWS, f"model_name_or_path={folder}")
    with pytest.raises(RecipeError, match=r"model_name_or_path: .*other cannot be loaded \("):
        build_trainer(recipe, tmp_path / "checkpoints", processing_class=tokenizer, train_dataset=train)


@pytest.mark.parametrize("name", ["/no/such/folder", "./no", "~/no/such", "a/b/c"])
@pytest.mark.parametrize("key", ["reward_funcs", "reward_processing_classes"])
def test_a_reward_model_that_is_nowhere_is_one_line(load, policy, key, name):
    models = "org/judge" if key == "reward_processing_classes" else name
    more = [f"reward_processing_classes=[{name}]"] if key == "reward_processing_classes" else []
    with pytest.raises(RecipeError) as caught:
        load([{"question": "What?"}] * ROWS, f"model_name_or_path={policy}", f"reward_funcs=[{models}]", *more)
    (line,) = caught.value.problems
    assert f": {key}: found '{name}', expected a Hub id or an existing folder" in line


def test_the_trainer_sees_what_plain_trl_sees(load, pictures, tmp_path):
    """With images the losses are those of TRL's own trainer."""
    from trl import GRPOTrainer

    from dra_toolkit import DRATrainer

    losses = []
    for trainer_class, more in ((GRPOTrainer, {}), (DRATrainer, {"diversity": "none", "record": False})):
        recipe, processor, _ = load(FORMS["paths"](pictures))
        data = Dataset.from_list(
            [
                {"prompt": [{"role": "user", "content": f"What is {i} + 2?"}], "image": str(path)}
                for i, path in enumerate(pictures)
            ]
        ).cast_column("image", Image())
        trainer = trainer_class(
            recipe.model.model_name_or_path,
            tiny.letters,
            tiny.grpo_config(tmp_path / "plain", max_steps=2),
            data,
            processing_class=processor,
            **more,
        )
        trainer.train()
        losses.append([entry["loss"] for entry in trainer.state.log_history if "loss" in entry])
    assert losses[0] == losses[1]
    assert any(losses[0])
