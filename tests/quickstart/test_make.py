"""The base model and the cache, with a few warm-up steps."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from ways_analysis import analyse

from dra_toolkit.errors import LaunchError
from dra_toolkit.quickstart import Problem, QuickstartAssets, cache_dir, cached_ways, problems, ways
from dra_toolkit.quickstart.__main__ import main
from dra_toolkit.quickstart.assets import ABANDONED_AFTER, folder_name
from dra_toolkit.quickstart.base_model import IGNORED, WarmUp, _encode, warm_up, warm_up_rows
from dra_toolkit.quickstart.tokenizer import build_tokenizer

TINY = WarmUp(steps=3, batch=4)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> QuickstartAssets:
    return ways(tmp_path_factory.mktemp("cache"), settings=TINY)


def weights(seed: int, settings: WarmUp = TINY) -> Any:
    import torch

    model = warm_up(problems=problems(0).train, tokenizer=build_tokenizer(), settings=settings, seed=seed)
    return torch.cat([weight.detach().flatten() for weight in model.parameters()])


def test_the_same_seed_gives_the_same_weights() -> None:
    import torch

    torch.manual_seed(5)
    before = torch.get_rng_state()
    once = weights(7)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(once, weights(7))
    assert not torch.equal(once, weights(8))


def test_warm_up_learns() -> None:
    import torch

    tokenizer, settings = build_tokenizer(), WarmUp(steps=40, batch=8)
    model = warm_up(problems=problems(0).train, tokenizer=tokenizer, settings=settings, seed=0)
    ids, labels = _encode(tokenizer, list(warm_up_rows(problems(0).held_out, count=32, slip=0.0, seed=1)))
    with torch.no_grad():
        loss = model(input_ids=ids, labels=labels).loss.item()
    assert loss < 2.5  # untrained: about log(132) = 4.9


def test_the_loss_is_on_completion_tokens_only() -> None:
    tokenizer = build_tokenizer()
    rows = list(warm_up_rows([Problem(47, 38), Problem(11, 80)], count=20, slip=0.5, seed=0))
    ids, labels = _encode(tokenizer, rows)
    for row_ids, row_labels, (prompt, completion) in zip(ids, labels, rows, strict=True):
        assert tokenizer.decode(row_ids[: (row_labels != IGNORED).nonzero()[0]]) == prompt
        assert tokenizer.decode(row_labels[row_labels != IGNORED]) == completion + "<eos>"


def test_rows_are_balanced() -> None:
    from dra_toolkit.quickstart import STYLES, style_of

    rows = list(warm_up_rows([Problem(47, 38)], count=4000, slip=0.5, seed=0))
    styles = [style_of(completion) for _, completion in rows]
    assert all(abs(styles.count(style) / 4000 - 0.2) < 0.03 for style in STYLES)
    assert abs(sum(analyse(completion, 47, 38).correct for _, completion in rows) / 4000 - 0.5) < 0.04


def test_what_is_made(made: QuickstartAssets) -> None:
    train = [json.loads(line) for line in made.train.read_text().splitlines()]
    held_out = [json.loads(line) for line in made.heldout.read_text().splitlines()]
    assert (len(train), len(held_out)) == (4250, 750)
    for row in train + held_out:
        assert row.keys() == {"problem", "solution"}
        problem = Problem.from_prompt(row["problem"])
        assert row["solution"] == str(problem.a + problem.b)
    assert json.loads(made.card.read_text())["settings"]["steps"] == 3
    assert [path.name for path in made.folder.parent.iterdir()] == [made.folder.name]


def test_the_model_loads_and_generates(made: QuickstartAssets) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(made.model)
    tokenizer = AutoTokenizer.from_pretrained(made.model)
    assert type(model).__name__ == "Qwen2ForCausalLM"
    assert model.dtype == torch.float32
    assert model.config.hidden_size // model.config.num_attention_heads >= 32
    assert model.config.tie_word_embeddings
    config = model.generation_config
    assert (config.pad_token_id, config.eos_token_id) == (tokenizer.pad_token_id, tokenizer.eos_token_id)
    assert config.max_length is None
    assert config.max_new_tokens is None
    ids = model.generate(**tokenizer("What is 47 + 38?", return_tensors="pt"), max_new_tokens=40, min_new_tokens=40)
    assert ids.shape == (1, 8 + 40)


def test_the_cache_is_used_and_keyed(made: QuickstartAssets) -> None:
    cache = made.folder.parent
    assert cached_ways(cache=cache, settings=TINY) == made
    assert cached_ways(1, cache=cache, settings=TINY) is None
    assert cached_ways(cache=cache) is None
    assert ways(cache, settings=TINY, progress=lambda *_: pytest.fail("made again")) == made


def test_every_setting_is_in_the_key() -> None:
    from dataclasses import fields, replace

    names = {folder_name(seed=0, settings=WarmUp()), folder_name(seed=1, settings=WarmUp())}
    for field in fields(WarmUp):
        names.add(folder_name(seed=0, settings=replace(WarmUp(), **{field.name: getattr(WarmUp(), field.name) + 1})))
    assert len(names) == len(fields(WarmUp)) + 2


def test_progress_is_told_stage_by_stage(tmp_path: Path) -> None:
    reports: list[tuple[str, int]] = []
    ways(tmp_path, settings=TINY, progress=lambda stage, done, total: reports.append((stage, done)))
    assert reports == [*(("warm-up", n) for n in range(4)), ("measure", 0), ("measure", 1)]


def test_cache_dir_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DRA_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.delenv("DRA_CACHE")
    assert cache_dir() == Path.home() / ".cache" / "dra-toolkit"


def test_looking_it_up_imports_no_torch(made: QuickstartAssets) -> None:
    code = f"""
        import sys
        from pathlib import Path
        from dra_toolkit.quickstart import cached_ways
        from dra_toolkit.quickstart.base_model import WarmUp
        import dra_toolkit.quickstart.reward
        assert cached_ways(cache=Path({str(made.folder.parent)!r}), settings=WarmUp(steps=3, batch=4))
        print({{"torch", "transformers", "tokenizers", "numpy", "rich"}} & set(sys.modules))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


BUILDER = """
    import sys
    from pathlib import Path
    from dra_toolkit.quickstart import ways
    from dra_toolkit.quickstart.base_model import WarmUp

    def progress(stage, done, total):
        if stage == "warm-up" and done == 2:
            print("ready", flush=True)
            sys.stdin.readline()

    print(ways(Path(sys.argv[1]), progress=progress, settings=WarmUp(steps=3, batch=4)).folder)
"""


def start_builder(cache: Path) -> subprocess.Popen[str]:
    """Start a build that stops in the middle until it gets a line."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(BUILDER), str(cache)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def wait_ready(builder: subprocess.Popen[str]) -> None:
    assert builder.stdout is not None
    assert any(line == "ready\n" for line in iter(builder.stdout.readline, ""))


@pytest.mark.long
def test_builders_at_once_all_succeed_and_a_killed_one_leaves_nothing_finished(tmp_path: Path) -> None:
    killed, late = start_builder(tmp_path), start_builder(tmp_path)
    try:
        for builder in (killed, late):
            wait_ready(builder)
        assert len(list(tmp_path.glob(".ways-*"))) == 2
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        assert cached_ways(cache=tmp_path, settings=TINY) is None
        first = ways(tmp_path, settings=TINY)
        inode = first.card.stat().st_ino
        output, _ = late.communicate("\n")
    finally:
        for builder in (killed, late):
            builder.kill()
    assert (killed.returncode, late.returncode) == (-signal.SIGKILL, 0)
    assert output.splitlines()[-1] == str(first.folder)
    assert cached_ways(cache=tmp_path, settings=TINY) == first
    assert first.card.stat().st_ino == inode
    # Only the killed one's leftovers remain, under a name that is never looked up.
    assert len(list(tmp_path.glob(".ways-*"))) == 1
    assert len(list(tmp_path.glob("ways-*"))) == 1


def test_a_build_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(stage: str, done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ways(tmp_path, settings=TINY, progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_old_leftovers_are_removed_by_the_next_build(tmp_path: Path) -> None:
    name = folder_name(seed=0, settings=TINY)
    old, new, other = (tmp_path / f".{name}-old", tmp_path / f".{name}-new", tmp_path / "other")
    for folder in (old, new, other):
        folder.mkdir()
    long_ago = new.stat().st_mtime - ABANDONED_AFTER - 60
    for folder in (old, other):
        os.utime(folder, (long_ago, long_ago))
    ways(tmp_path, settings=TINY)
    assert (old.exists(), new.exists(), other.exists()) == (False, True, True)


def test_a_cache_that_cannot_be_written_is_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file" / "cache"
    blocked.parent.touch()
    with pytest.raises(LaunchError, match="set DRA_CACHE"):
        ways(blocked, settings=TINY)
    monkeypatch.setenv("DRA_CACHE", str(blocked))
    assert main() == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "expected a folder that can be written" in captured.err


def test_the_command_prints_the_folder_and_what_was_measured(
    made: QuickstartAssets, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = tmp_path / folder_name(seed=0, settings=WarmUp())
    found.symlink_to(made.folder)
    monkeypatch.setenv("DRA_CACHE", str(tmp_path))
    assert main() == 0
    assert (
        capsys.readouterr().out
        == f"{found}  pass@1 {made.pass_at_1:.2f}  effective styles {made.effective_styles:.1f}\n"
    )
