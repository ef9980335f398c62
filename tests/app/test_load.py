"""One run that takes long to read keeps nobody else waiting; `benchmarks/app_load.py` has the real loads."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from recorded import make_run, record, record_all
from starlette.testclient import TestClient
from waiting import wait_until

from dra_app import questions
from dra_app.context import Context

TABS = 30


def test_others_are_served_while_many_wait_for_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = next(name for name in "abc" if hash(name) % questions.PLACES != hash("slow") % questions.PLACES)
    for name in ("slow", quick):
        record_all(make_run(tmp_path / name), [record(1)])
    goes_on, waiting = threading.Event(), []
    answer = questions.answer

    def slowly(context: Context, page: str, question: str, params: Any) -> Any:
        if params["run"] == "slow":
            waiting.append(question)
            goes_on.wait()
        return answer(context, page, question, params)

    monkeypatch.setattr(questions, "answer", slowly)
    app = FastAPI()
    questions.add_questions(app, Context(tmp_path))

    def ask(client: TestClient, run: str) -> int:
        return client.post("/dra/ask/groups/show", json={"run": run, "step": 1}).status_code

    with TestClient(app) as client, ThreadPoolExecutor(TABS) as tabs:
        asked = [tabs.submit(ask, client, "slow") for _ in range(TABS)]
        try:
            wait_until(lambda: waiting)
            assert [ask(client, quick) for _ in range(3)] == [200] * 3
            assert len(waiting) < 8
        finally:
            goes_on.set()
        assert {each.result() for each in asked} == {200}
