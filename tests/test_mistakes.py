"""Typical mistakes of the first hour: each is told in one short line that says the mend, before anything heavy loads."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

DRA = str(Path(sys.executable).with_name("dra"))
RECIPE = """model_name_or_path: builtin:ways
dataset_name: data.jsonl
prompt_column: question
solution_column: gold
reward_funcs: [mine.reward, format]
embedder: hash
num_generations: 4
per_device_train_batch_size: 16
max_steps: 20
"""
FILES = {
    "work/r.yaml": RECIPE,
    "work/data.jsonl": '{"question": "1 + 1?", "gold": "2"}\n',
    "work/mine.py": "def reward(completions, gold, **columns): ...\n\ndef strict(completions, answer, **columns): ...\n\n"
    "def few(completions): ...\n\ndef embed(texts): ...\n\n"
    "class Scorer:\n    def __call__(self, completions, **columns): ...\n",
    "work/broken.py": "import not_there_at_all\n\ndef reward(completions, **columns): ...\n",
    "work/torn.py": "def reward(:\n",
    "work/list.yaml": "- a\n- b\n",
    "work/twice.yaml": f"{RECIPE}max_steps: 3\n",
    "work/tab.yaml": "model_name_or_path:\tx\n\ty: z\n",
    "work/empty.csv": "",
    "work/nested.jsonl": '{"asked": {"text": "1?"}, "judge": {"gold": "2"}, "talk": [{"role": "user", "content": "1?"}]}\n',
    "other/nothing.txt": "",
}
NESTED = ["dataset_name=nested.jsonl", "prompt_column=talk", "reward_funcs=[format]"]
MISTAKES = [
    (["trian", "r.yaml"], "did you mean 'train'|Did you mean 'train'"),
    (["train"], "RECIPE: missing"),
    (["train", "quikstart"], "did you mean 'quickstart'"),
    (["train", "r.yml"], "did you mean 'r.yaml'"),
    (["train", "data.jsonl"], "data.jsonl"),
    (["train", "."], "cannot be read"),
    (["train", "latin.yaml"], "expected YAML in UTF-8"),
    (["train", "list.yaml"], "expected a mapping of `key: value` lines"),
    (["train", "twice.yaml"], "key max_steps stands twice"),
    (["train", "tab.yaml"], "tab.yaml:"),
    (["train", "r.yaml", "learning_rat=1"], "did you mean 'learning_rate'"),
    (["train", "r.yaml", "--learning-rat", "1"], "did you mean '--learning_rate'"),
    (["train", "r.yaml", "--dry-rnu"], "did you mean '--dry-run'"),
    (["train", "r.yaml", "--max_steps"], "expected a value"),
    (["train", "r.yaml", "3"], "expected key=value"),
    (["train", "r.yaml", "seed=1", "seed=2"], "seed: stands 2 times"),
    (["train", "r.yaml", "learning_rate=fast"], "found 'fast', expected a number"),
    (["train", "r.yaml", "learning_rate=-1"], "expected at least 0"),
    (["train", "r.yaml", "learning_rate=.nan"], "learning_rate: found nan"),
    (["train", "r.yaml", "max_steps=-5"], "expected at least 1, or -1"),
    (["train", "r.yaml", "temperature=-1"], "temperature: found -1"),
    (["train", "r.yaml", "top_p=1.5"], "and at most 1"),
    (["train", "r.yaml", "seed=-1"], "seed: found -1"),
    (["train", "r.yaml", "diversity=graphcut"], "did you mean 'graph_cut'"),
    (["train", "r.yaml", "diversity="], "diversity: found None"),
    (["train", "r.yaml", "num_generations=5"], "the nearest that does"),
    (["train", "r.yaml", "per_device_train_batch_size=0"], "expected at least 1"),
    (["train", "r.yaml", "reward_funcs=[acuracy]"], "did you mean 'accuracy'"),
    (["train", "r.yaml", "reward_funcs=[mine.rewrad]"], "has nothing of this name, .*did you mean .reward."),
    (["train", "r.yaml", "reward_funcs=[mine.Scorer]"], "holds a type there, expected a function"),
    (["train", "r.yaml", "embedder=./none"], "embedder: found './none'"),
    (["train", "r.yaml", "output_dir=data.jsonl"], "output_dir: data.jsonl is a file"),
    (["train", "r.yaml", "reward_funcs=[nine.reward]"], "no package or module 'nine'"),
    (["train", "r.yaml", "reward_funcs=[torn.reward]"], "importing 'torn' failed with SyntaxError: .*torn.py, line 1"),
    (["train", "r.yaml", "reward_funcs=[broken.reward]", "--dry-run"], "No module named 'not_there_at_all'"),
    (["train", "r.yaml", "reward_funcs=[mine.strict]"], "asks for 'answer', which is no column"),
    (["train", "r.yaml", "reward_funcs=[mine.few]"], "add \\*\\*columns to it"),
    (["train", "r.yaml", "embedder=mine.embd"], "did you mean 'embed'"),
    (["train", "r.yaml", "embedder=minilmm"], "did you mean 'minilm'"),
    (["train", "r.yaml", "prompt_column=problem"], "data.jsonl has no column 'problem', it has question, gold"),
    (["train", "r.yaml", "solution_column=godl"], "did you mean 'gold'"),
    (["train", "r.yaml", "dataset_name=dta.jsonl"], "did you mean 'data.jsonl'"),
    (["train", "r.yaml", "dataset_name=latin.csv"], "is not UTF-8"),
    (["train", "r.yaml", "dataset_name=empty.csv"], "is empty"),
    (["train", "r.yaml", "reward_funcs=[mine]"], "a function of mine.py is mine.FUNCTION"),
    (["train", "r.yaml", "reward_funcs=[mine.py]"], "expected a function; it has reward, strict, few, embed"),
    (["train", "r.yaml", "embedder=mine.nothing_near"], "expected a function; it has reward"),
    (
        ["train", "r.yaml", "model_name_or_path=data.jsonl"],
        "found 'data.jsonl', expected a Hub id or an existing folder",
    ),
    (["train", "r.yaml", *NESTED, "solution_column=judge.gld"], "did you mean 'judge.gold'"),
    (
        ["train", "r.yaml", "dataset_name=nested.jsonl", "prompt_column=asked"],
        "'asked' of nested.jsonl is an object with",
    ),
    (["train", "r.yaml", "model_name_or_path=./tiny"], "expected a Hub id or an existing folder; looked in"),
    (["train", "r.yaml", "--resume", "--dry-run"], "there is no run in .* to resume"),
    (["train", "r.yaml", "--resume", "--overwrite"], "choose one"),
    (["train", "r.yaml", "--config", "r.yaml"], "name it once"),
    (["train", "r.yaml", "hub_token=hf_" + "a" * 34], "a token must not stand in a file|cannot be set here"),
    (["inspect", "summry"], "Did you mean 'summary'"),
    (["inspect", "no_such_run"], "there is no such run|no runs yet"),
    (["recipes", "keys", "temprature"], "did you mean 'temperature'"),
    (["doctor", "quikstart"], "did you mean 'quickstart'"),
]
PROGRAM = """
import json, sys
from typer.testing import CliRunner
from dra_toolkit.cli.main import app
told = []
for arguments in json.load(sys.stdin):
    ran = CliRunner().invoke(app, arguments)
    heavy = sorted({"torch", "transformers", "trl", "datasets"} & set(sys.modules))
    crashed = repr(ran.exception) if ran.exception and not isinstance(ran.exception, SystemExit) else ""
    told.append({"status": ran.exit_code, "text": ran.output, "heavy": heavy, "crashed": crashed})
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What every mistake is answered, asked from a folder beside the recipe's in one process."""
    folder = tmp_path_factory.mktemp("mistakes")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    (folder / "work" / "latin.yaml").write_bytes("# für\nseed: 1\n".encode("latin-1"))
    (folder / "work" / "latin.csv").write_bytes("question,gold\nfür,2\n".encode("latin-1"))
    commands = json.dumps([arguments for arguments, _ in MISTAKES])
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], input=commands, cwd=folder / "work", capture_output=True, text=True, check=True
    )
    return json.loads(ran.stdout)


@pytest.mark.parametrize("number", range(len(MISTAKES)), ids=[" ".join(command)[:60] for command, _ in MISTAKES])
def test_a_mistake_is_one_short_line_with_its_mend(told, number):
    answer, ((command, *_), said) = told[number], MISTAKES[number]
    assert answer["crashed"] == ""
    assert answer["status"] == (1 if command == "doctor" else 2)  # which looks at the machine all the same
    assert "Traceback" not in answer["text"]
    assert re.search(said, " ".join(answer["text"].replace("│", " ").split())), answer["text"]
    errors = [line for line in answer["text"].splitlines() if line.startswith("error: ")]
    assert all(len(line) <= 307 for line in errors)
    assert answer["heavy"] == []


@pytest.mark.parametrize(
    "command", [["train", "{work}/r.yaml", "--dry-run"], ["train", "--config", "{work}/r.yaml", "--dry-run"]]
)
def test_from_another_folder_everything_beside_the_recipe_is_found(told, tmp_path_factory, command):
    work = next(path for path in tmp_path_factory.getbasetemp().glob("mistakes*/work"))
    argv = [part.format(work=work) for part in command]
    ran = subprocess.run(
        [str(Path(sys.executable).with_name("dra")), *argv, "--json"],
        cwd=work.parent / "other",
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    shown = json.loads(ran.stdout)
    assert shown["settings"]["dataset_name"]["value"] == str(work / "data.jsonl")
    assert shown["commands"][-1]["argv"][-2:] == ["--beside", str(work)]


def test_an_error_with_json_is_an_object_on_standard_output(tmp_path):
    ran = subprocess.run(
        [str(Path(sys.executable).with_name("dra")), "train", "quikstart", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 2
    (line,) = json.loads(ran.stdout)["errors"]
    assert f"error: {line}" == ran.stderr.strip()
