"""The password: asked for once in a form, or sent with each request; wrong guesses are slowed, whichever way they come.

Wrong guesses are counted by address and in all; where there were too many, nothing is compared until some time has passed.
Who is in already stays in meanwhile.
"""

import hashlib
import hmac
import ipaddress
import secrets
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from dra_app.templates import template
from dra_toolkit.errors import RunError

LEAST_PASSWORD = 12
"""Characters of a password at least."""
COOKIE = "dra_app"
SESSION_SECONDS = 12 * 3600
BY_ADDRESS = (10, 6.0)
"""Wrong guesses that one address may make at once, and the seconds after which it may make another."""
IN_ALL = (30, 2.0)
"""The same for all addresses together."""
MOST_ADDRESSES = 10_000


def check_password(password: str | None, source: str) -> None:
    """Raise RunError, with a password to take instead, for one that could be guessed."""
    if password is not None and len(password) < LEAST_PASSWORD:
        raise RunError(
            f"{source}: found {len(password)} characters, expected at least {LEAST_PASSWORD}; a made-up one: "
            f"{secrets.token_urlsafe(15)}"
        )


clock = time.monotonic
"""What waiting is measured by."""


@dataclass
class Guesses:
    """How many wrong guesses are left: so many at once, and another each time some seconds have passed."""

    most: int
    seconds: float
    left: float = field(init=False)
    since: float = field(default_factory=lambda: clock())

    def __post_init__(self) -> None:
        self.left = self.most

    def wait(self) -> float:
        """Return the seconds until a guess is looked at; 0 for at once."""
        now = clock()
        self.left, self.since = min(self.most, self.left + (now - self.since) / self.seconds), now
        return max(0.0, (1 - self.left) * self.seconds)


class Door:
    """Lets in who has the password."""

    def __init__(self, password: str) -> None:
        self._password = password.encode()
        self._secret = secrets.token_bytes(32)
        self._in_all = Guesses(*IN_ALL)
        self._by_address: OrderedDict[str, Guesses] = OrderedDict()

    async def answer(self, request: Request) -> Response | None:
        """Return None for who is in, or what to answer instead."""
        form = request.url.path == "/login"
        if self._is_session(request.cookies.get(COOKIE, "")):
            return RedirectResponse("./", 303) if form else None
        fields = parse_qs((await request.body()).decode("utf-8", "replace")) if form else {}
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        given = fields.get("password", [""])[0] if form else bearer
        counts = (self._in_all, self._of(request))
        wait = max(count.wait() for count in counts)
        if wait and (given or COOKIE in request.cookies):
            said = f"Too many wrong passwords; the next one is looked at in {wait:.0f} s."
            return PlainTextResponse(said, 429, {"retry-after": f"{wait + 1:.0f}", "cache-control": "no-store"})
        if given and hmac.compare_digest(given.encode(), self._password):
            return self._welcome(request, fields.get("to", [""])[0]) if form else None
        if given or COOKIE in request.cookies:
            for count in counts:
                count.left -= 1
        query = request.url.query
        return _asked(request, "That is not the password." if form else "", f"?{query}" if query and not form else "")

    def _of(self, request: Request) -> Guesses:
        """Return the guesses of an address; of a network of IPv6, which one machine can have many addresses of."""
        address = request.client.host if request.client else ""
        if ":" in address:
            with suppress(ValueError):  # a proxy may write what is no address
                address = str(ipaddress.ip_network(f"{address.partition('%')[0]}/64", strict=False))
        found = self._by_address.setdefault(address, Guesses(*BY_ADDRESS))
        self._by_address.move_to_end(address)
        if len(self._by_address) > MOST_ADDRESSES:
            self._by_address.popitem(last=False)
        return found

    def _welcome(self, request: Request, to: str) -> Response:
        # relative, so that both hold below any path; what begins with a question mark stays on this server
        answer = RedirectResponse(f"./{to if to.startswith('?') else ''}", 303, {"cache-control": "no-store"})
        is_https = request.url.scheme == "https"
        answer.set_cookie(
            COOKIE, self._session(), SESSION_SECONDS, path="", httponly=True, samesite="strict", secure=is_https
        )
        return answer

    def _session(self, end: int | None = None) -> str:
        """Return what the cookie holds: when the session ends, signed."""
        end = int(time.time()) + SESSION_SECONDS if end is None else end
        return f"{end}-{hmac.new(self._secret, str(end).encode(), hashlib.sha256).hexdigest()}"

    def _is_session(self, cookie: str) -> bool:
        end = cookie.partition("-")[0]
        if not (end.isascii() and end.isdigit() and len(end) < 16):
            return False
        return hmac.compare_digest(cookie.encode(), self._session(int(end)).encode()) and int(end) > time.time()


def _asked(request: Request, said: str, to: str) -> Response:
    headers = {"cache-control": "no-store"}
    if request.url.path not in ("/", "/login"):
        return PlainTextResponse("A password is needed.", 401, headers)
    return HTMLResponse(template("client/login.html").render(said=said, to=to), 401, headers)
