"""The password: guesses are slowed whichever way they come, by address and in all; a session ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from dra_app import door
from dra_app.door import BY_ADDRESS, IN_ALL, Door, Guesses, check_password
from dra_app.guard import Guard, Rules
from dra_toolkit.errors import RunError

PASSWORD = "correct horse battery"


class Clock:
    """Time that passes when a test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000_000.0
        monkeypatch.setattr(door, "clock", lambda: self.now)
        monkeypatch.setattr(door.time, "time", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def guard(clock: Clock) -> Guard:
    return Guard(PlainTextResponse("inside"), Rules(password=PASSWORD))


def client(guard: Guard, address: str = "10.0.0.1", scheme: str = "http") -> TestClient:
    return TestClient(guard, base_url=f"{scheme}://127.0.0.1", client=(address, 5), follow_redirects=False)


def guess(asked: TestClient, way: str, password: str = "wrong") -> Any:
    """Ask with a password, in one of the ways in."""
    if way == "form":
        return asked.post("/login", data={"password": password})
    if way == "header":
        return asked.get("/", headers={"authorization": f"Bearer {password}"})
    return asked.get("/", headers={"cookie": f"dra_app={password}"})


@pytest.mark.parametrize("way", ["form", "header", "cookie"])
def test_guesses_of_an_address_are_slowed_whichever_way_they_come(guard: Guard, clock: Clock, way: str) -> None:
    asked = client(guard)
    assert [guess(asked, way).status_code for _ in range(BY_ADDRESS[0] + 5)] == [401] * BY_ADDRESS[0] + [429] * 5
    for other in ("form", "header"):
        late = guess(client(guard), other, PASSWORD)
        assert late.status_code == 429  # the right one is not looked at either, or guessing would go on
        assert int(late.headers["retry-after"]) >= 1
    assert guess(client(guard, "10.0.0.2"), "form", PASSWORD).status_code == 303
    clock.now += BY_ADDRESS[1]
    assert guess(asked, way).status_code == 401
    assert guess(asked, way).status_code == 429
    clock.now += BY_ADDRESS[1]
    assert guess(asked, "header", PASSWORD).text == "inside"


def test_guesses_are_slowed_in_all_too_and_who_is_in_stays_in(guard: Guard, clock: Clock) -> None:
    inside = client(guard, "10.1.0.1")
    assert guess(inside, "form", PASSWORD).status_code == 303
    found = [guess(client(guard, f"10.0.{i}.1"), "header").status_code for i in range(IN_ALL[0] + 20)]
    assert found.count(401) == IN_ALL[0]
    assert inside.get("/").text == "inside"
    clock.now += 60
    again = [guess(client(guard, f"10.2.{i}.1"), "form").status_code for i in range(IN_ALL[0] + 20)]
    assert again.count(401) <= 60 / IN_ALL[1]


def test_addresses_of_one_network_count_together_and_they_are_not_kept_for_ever(clock: Clock) -> None:
    guard = Guard(PlainTextResponse("inside"), Rules(password=PASSWORD))
    statuses = [guess(client(guard, f"2001:db8::{i:x}"), "form").status_code for i in range(BY_ADDRESS[0] + 3)]
    assert statuses.count(429) == 3
    assert guard.door is not None
    assert len(guard.door._by_address) == 1


@pytest.mark.parametrize("address", ["10.0.0.1:4711", "fe80::1%eth0", "not:an:address", "::", "", "\u00fc"])
def test_whatever_a_proxy_calls_an_address_is_counted_and_is_no_error(guard: Guard, clock: Clock, address: str) -> None:
    statuses = [guess(client(guard, address), "header").status_code for _ in range(BY_ADDRESS[0] + 2)]
    assert statuses == [401] * BY_ADDRESS[0] + [429] * 2


@pytest.mark.parametrize("length", ["\u00b2", "-1", "9" * 5000, "0x10", " ", "1e3"])
def test_a_length_that_is_none_is_refused_and_no_error(guard: Guard, clock: Clock, length: str) -> None:
    headers = {"content-length": length.encode("latin-1")}
    assert client(guard).post("/login", headers=headers).status_code == 411


def test_a_page_without_a_guess_costs_none(guard: Guard, clock: Clock) -> None:
    asked = client(guard)
    assert {asked.get("/").status_code for _ in range(100)} == {401}
    assert guess(asked, "form", PASSWORD).status_code == 303


def test_a_session_ends_and_cannot_be_made_longer(guard: Guard, clock: Clock) -> None:
    asked = client(guard)
    guess(asked, "form", PASSWORD)
    cookie = asked.cookies["dra_app"]
    assert asked.get("/").text == "inside"
    assert asked.get("/login").headers["location"] == "./"
    clock.now += door.SESSION_SECONDS + 1
    late = client(guard)
    assert guess(late, "cookie", cookie).status_code == 401
    end, _, signature = cookie.partition("-")
    assert guess(late, "cookie", f"{int(end) * 2}-{signature}").status_code == 401
    assert guess(late, "cookie", f"{'9' * 5000}-{signature}").status_code == 401


def test_the_cookie_is_for_https_alone_behind_https(guard: Guard) -> None:
    for scheme, is_secure in (("https", True), ("http", False)):
        cookie = guess(client(guard, scheme=scheme), "form", PASSWORD).headers["set-cookie"]
        assert ("secure" in cookie.lower()) == is_secure
        assert {"httponly", "samesite=strict"} <= {part.strip().lower() for part in cookie.split(";")}


def test_guesses_come_back_one_by_one(clock: Clock) -> None:
    count = Guesses(2, 10.0)
    count.left = 0
    assert count.wait() == pytest.approx(10)
    clock.now += 1_000
    assert (count.wait(), count.left) == (0, 2)


def test_a_short_password_is_refused_with_another_one_to_take() -> None:
    with pytest.raises(RunError, match="found 11 characters, expected at least 12") as refused:
        check_password("x" * 11, "--password")
    check_password(str(refused.value).rpartition(" ")[2], "--password")
    check_password(None, "--password")


def test_without_a_password_there_is_no_form(tmp_path: Path) -> None:
    assert (
        TestClient(Guard(PlainTextResponse("x"), Rules()), base_url="http://localhost").post("/login").status_code
        == 404
    )
    assert isinstance(Guard(PlainTextResponse("x"), Rules(password=PASSWORD)).door, Door)
