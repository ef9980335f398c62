"""One run that takes long to read keeps nobody else waiting; `benchmarks/app_load.py` has the real loads."""

from __future__ import annotations

import asyncio
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
from dra_app.guard import Guard, Rules

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


@pytest.mark.parametrize(("path", "password"), [("/dra/ask/app/look", None), ("/login", "correct horse battery")])
def test_who_goes_in_the_middle_of_a_question_leaves_no_error(tmp_path: Path, path: str, password: str | None) -> None:
    app = FastAPI()
    questions.add_questions(app, Context(tmp_path))
    told = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return told.pop(0) if len(told) > 1 else told[0]

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"127.0.0.1"), (b"content-length", b"1000")]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers, "scheme": "http"}
    asyncio.run(Guard(app, Rules(password=password))(scope, receive, send))
    assert told == [{"type": "http.disconnect"}], "the question was read up to its end"
    assert not [message for message in sent if message.get("status", 500) == 200]
