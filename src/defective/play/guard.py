"""Keep the page to this machine: requests of other sites and large ones are refused before anything of them is read."""

from typing import Any


class Guard:
    """ASGI middleware that lets requests through whose host and origin are the page itself.

    A page of another site, open in the same browser, could otherwise send requests to this machine, also under a name of its own that
    leads here. A body has to state its length, of at most ``max_bytes``.
    """

    def __init__(self, app: Any, *, hosts: frozenset[str], max_bytes: int) -> None:
        self.app, self.hosts, self.max_bytes = app, hosts, max_bytes

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Let a request through, or answer it with a status and one line."""
        refusal = self.refusal(scope) if scope["type"] in ("http", "websocket") else None
        if refusal is None:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            status, reason = refusal
            headers = [(b"content-type", b"text/plain; charset=utf-8")]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": reason.encode()})

    def refusal(self, scope: Any) -> tuple[int, str] | None:
        """HTTP status and reason; None for a request of the page.

        Example:
            >>> guard = Guard(None, hosts=frozenset({"localhost:8080"}), max_bytes=10)
            >>> guard.refusal({"method": "GET", "headers": [(b"host", b"localhost:8080")]})
            >>> guard.refusal({"method": "GET", "headers": [(b"host", b"elsewhere.org")]})
            (403, 'this page is for this machine alone')
        """
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        origin = headers.get(b"origin")
        if headers.get(b"host") not in self.hosts or (origin is not None and origin.removeprefix("http://") not in self.hosts):
            return 403, "this page is for this machine alone"
        if b"transfer-encoding" in headers:
            return 411, "a body has to state its length"
        length = headers.get(b"content-length", "0")
        if not length.isdecimal() or int(length) > self.max_bytes:
            return 413, f"a body has at most {self.max_bytes:,} bytes"
        return None
