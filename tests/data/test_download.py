import hashlib
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

from defective import InputError
from defective.data.download import REMOTES, Remote, download, fetch, verify
from image_files import unlocked
from refusals import refused

CONTENT = np.random.default_rng(0).bytes(300_000)
OTHER = CONTENT[:-1] + b"?"


class Server(HTTPServer):
    """Serves CONTENT at /good; what else it does is said by the first part of the path. ``seen`` holds (path, Range) of each request."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, str | None]] = []
        self.encodings: set[str | None] = set()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}/file.bin"

    def handle_error(self, *_: object) -> None:
        """The client may hang up."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked, behaviour = self.headers.get("Range"), self.path.split("/")[1]
        self.server.seen.append((behaviour, asked))
        self.server.encodings.add(self.headers.get("Accept-Encoding"))
        content = OTHER if behaviour == "wrong" else CONTENT
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and behaviour != "no-range" else 0
        if behaviour == "error":
            return self.send_error(503)
        if start >= len(content):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        stop = 200_000 if behaviour == "broken" and start < 100_000 else len(content)
        self.wfile.write(content[start:stop])
        return None

    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def remote(*urls: str, content: bytes = CONTENT) -> Remote:
    return Remote("file.bin", urls, f"sha256:{hashlib.sha256(content).hexdigest()}")


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_a_file_is_fetched_whole_and_only_once(server, tmp_path, algorithm):
    wanted = Remote("file.bin", (server.url("good"),), f"{algorithm}:{hashlib.new(algorithm, CONTENT).hexdigest()}")
    for _ in range(2):
        assert fetch(wanted, tmp_path / "new") == tmp_path / "new" / "file.bin"
        assert (tmp_path / "new" / "file.bin").read_bytes() == CONTENT
        assert unlocked(tmp_path / "new") == ["file.bin"]
    assert server.seen == [("good", None)]
    # Bytes packed on the way would break both the sum and the count.
    assert server.encodings == {"identity"}


def test_of_several_at_once_one_fetches_and_the_others_wait(server, tmp_path):
    wanted = remote(server.url("good"))
    with ThreadPoolExecutor(4) as pool:
        fetched = [pool.submit(fetch, wanted, tmp_path) for _ in range(4)]
    assert {each.result().read_bytes() for each in fetched} == {CONTENT}
    assert server.seen == [("good", None)]
    assert unlocked(tmp_path) == ["file.bin"]


def test_a_whole_file_in_a_folder_that_cannot_be_written_is_taken(tmp_path, monkeypatch):
    (tmp_path / "file.bin").write_bytes(CONTENT)
    monkeypatch.setattr("filelock.FileLock.acquire", lambda *_, **__: pytest.fail("locked"))
    assert fetch(remote("http://127.0.0.1:9/never"), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("second", ["broken", "good"])
def test_an_interrupted_download_resumes_also_from_the_next_address(server, tmp_path, second):
    wanted = remote(server.url("broken"))
    with pytest.raises(InputError, match=rf"cannot fetch file\.bin .*try again later, or put the file at {tmp_path}/file\.bin"):
        fetch(wanted, tmp_path)
    assert unlocked(tmp_path) == ["file.bin.part"]
    part = (tmp_path / "file.bin.part").read_bytes()
    assert 100_000 < len(part) <= 200_000
    assert CONTENT.startswith(part)
    assert fetch(remote(server.url(second)), tmp_path).read_bytes() == CONTENT
    assert unlocked(tmp_path) == ["file.bin"]
    assert server.seen == [("broken", None), (second, f"bytes={len(part)}-")]


@pytest.mark.parametrize(("behaviour", "have"), [("no-range", 1000), ("good", 300_000)], ids=["starts over", "complete already"])
def test_a_part_is_completed_or_begun_again(server, tmp_path, behaviour, have):
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:have])
    assert fetch(remote(server.url(behaviour)), tmp_path).read_bytes() == CONTENT
    assert server.seen == [(behaviour, f"bytes={have}-")] and unlocked(tmp_path) == ["file.bin"]


@pytest.mark.parametrize(("behaviour", "part"), [("wrong", b""), ("good", OTHER[::-1][:1000])], ids=["sent", "resumed"])
def test_a_wrong_checksum_is_named_and_nothing_stays(server, tmp_path, behaviour, part):
    (tmp_path / "file.bin.part").write_bytes(part)
    wanted = remote(server.url(behaviour))
    with pytest.raises(InputError, match=f"the checksum is wrong, expected {wanted.checksum}"):
        fetch(wanted, tmp_path)
    assert unlocked(tmp_path) == []


@pytest.mark.parametrize("first", ["error", "wrong"])
def test_a_corrupt_file_is_fetched_again_from_the_second_address_when_the_first_fails(server, tmp_path, first):
    (tmp_path / "file.bin").write_bytes(OTHER)
    assert fetch(remote(server.url(first), server.url("good")), tmp_path).read_bytes() == CONTENT
    assert [path for path, _ in server.seen] == [first, "good"]
    assert unlocked(tmp_path) == ["file.bin"]


def test_an_unreachable_server_is_said_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{free.getsockname()[1]}/file.bin"
    with refused(f"{closed}: ConnectionError.*{closed}: ConnectionError.*or put the file at {tmp_path / 'file.bin'}$"):
        fetch(remote(closed, closed), tmp_path)
    assert unlocked(tmp_path) == []


def test_a_data_set_of_one_file_is_a_file_and_of_several_a_folder(server, cache, monkeypatch):
    one = remote(server.url("good"))
    monkeypatch.setitem(REMOTES, "cifar10", (one,))
    monkeypatch.setitem(REMOTES, "mnist", (one, one._replace(name="second.bin")))
    assert download("cifar10") == cache / "downloads" / "cifar10" / "file.bin"
    assert download("mnist") == cache / "downloads" / "mnist"
    assert unlocked(cache / "downloads" / "mnist") == ["file.bin", "second.bin"]


def test_files_are_whole_corrupt_or_missing(cache, monkeypatch):
    monkeypatch.setitem(REMOTES, "mnist", tuple(remote()._replace(name=name) for name in ("a", "b", "c")))
    folder = cache / "downloads" / "mnist"
    assert verify("mnist") == [(str(folder / name), "missing") for name in "abc"]
    folder.mkdir(parents=True)
    (folder / "a").write_bytes(CONTENT)
    (folder / "b").write_bytes(OTHER)
    assert verify("mnist") == [(str(folder / "a"), "ok"), (str(folder / "b"), "corrupt"), (str(folder / "c"), "missing")]


def test_every_remote_file_has_an_address_and_a_checksum():
    for each in (each for remotes in REMOTES.values() for each in remotes):
        algorithm, _, digits = each.checksum.partition(":")
        assert len(bytes.fromhex(digits)) == hashlib.new(algorithm).digest_size
        assert each.urls
        assert all(url.endswith(f"/{each.name}") for url in each.urls)
