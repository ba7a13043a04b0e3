"""Requests that the page answers, and those that it refuses."""

import asyncio

import pytest

from defective.play.guard import Guard

HOST = b"127.0.0.1:8080"


def ask(headers, kind="http"):
    sent = []

    async def app(scope, receive, send):
        await send("passed")

    async def receive():
        return {"type": f"{kind}.connect"}

    async def send(message):
        sent.append(message)

    guard = Guard(app, hosts=frozenset({HOST.decode()}), max_bytes=100)
    asyncio.run(guard({"type": kind, "headers": headers}, receive, send))
    return sent


@pytest.mark.parametrize(
    "headers",
    [
        [(b"host", HOST)],
        [(b"host", HOST), (b"origin", b"http://" + HOST)],
        [(b"host", HOST), (b"content-length", b"100")],
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_the_page_itself_is_answered(headers, kind):
    assert ask(headers, kind) == ["passed"]


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (403, []),
        (403, [(b"host", b"elsewhere.org")]),
        (403, [(b"host", b"127.0.0.1:8081")]),
        (403, [(b"host", HOST), (b"origin", b"http://elsewhere.org")]),
        (403, [(b"host", HOST), (b"origin", b"https://" + HOST)]),
        (403, [(b"host", HOST), (b"origin", b"null")]),
        (411, [(b"host", HOST), (b"transfer-encoding", b"chunked")]),
        (413, [(b"host", HOST), (b"content-length", b"101")]),
        (413, [(b"host", HOST), (b"content-length", b"-1")]),
    ],
)
def test_other_hosts_other_sites_and_large_bodies_are_refused(status, headers):
    start, body = ask(headers)
    assert start["status"] == status and body["body"]
    assert ask(headers, "websocket") == [{"type": "websocket.close", "code": 1008}]


def test_what_is_no_request_passes():
    assert ask([], "lifespan") == ["passed"]
