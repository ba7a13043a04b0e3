"""Download the official files and compare their checksums; an interrupted download resumes."""

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from defective.data.cache import locked
from defective.errors import InputError
from defective.files import cache_folder
from defective.progress import progress_bar


class Remote(NamedTuple):
    """One file to fetch: its name, its addresses, and its checksum (``md5:...`` or ``sha256:...``)."""

    name: str
    urls: tuple[str, ...]
    checksum: str


_MNIST = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/")

# MD5 sums are those that the authors of the data sets or established loaders publish.
REMOTES: dict[str, tuple[Remote, ...]] = {
    "cifar10": (
        Remote(
            "cifar-10-binary.tar.gz",
            ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
            "sha256:c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        ),
    ),
    "mnist": tuple(
        Remote(name, tuple(base + name for base in _MNIST), f"md5:{md5}")
        for name, md5 in (
            ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
            ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
            ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
            ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
        )
    ),
    "tiny-imagenet": (
        Remote(
            "tiny-imagenet-200.zip",
            ("http://cs231n.stanford.edu/tiny-imagenet-200.zip",),
            "md5:90528d7ca1a48142e341f4ef8d21d0de",
        ),
    ),
}


def download(name: str) -> Path:
    """Fetch a data set's files into the cache, or verify those that are there; return the file, or the folder of several."""
    files = [fetch(remote, download_folder(name)) for remote in REMOTES[name]]
    return files[0] if len(files) == 1 else download_folder(name)


def download_folder(name: str) -> Path:
    """The folder in the cache for the files of a data set."""
    return cache_folder(f"downloads/{name}")


def verify(name: str) -> list[tuple[str, str]]:
    """For each file of a data set, whether it is ``"ok"``, ``"corrupt"`` or ``"missing"`` in the cache."""
    files = [(download_folder(name) / remote.name, remote) for remote in REMOTES[name]]
    states = ["missing" if not file.exists() else "ok" if _is_whole(file, remote) else "corrupt" for file, remote in files]
    return [(str(file), state) for (file, _), state in zip(files, states, strict=True)]


def _is_whole(file: Path, remote: Remote) -> bool:
    import pooch

    return file.exists() and bool(pooch.hashes.hash_matches(str(file), remote.checksum))


def fetch(remote: Remote, folder: Path) -> Path:
    """Download one file into ``folder`` unless it is there and intact; addresses are tried in turn, by one process at a time."""
    import pooch
    import requests

    whole = folder / remote.name
    if _is_whole(whole, remote):
        return whole
    pooch.get_logger().setLevel("WARNING")
    # pooch uses a new temporary name each time; the name of the part file is fixed, so an interrupted download can resume.
    resume = partial(_resume, folder / f"{remote.name}.part")
    problems = []
    with locked(whole, "fetching"):
        for url in remote.urls:
            try:
                return Path(pooch.retrieve(url, remote.checksum, remote.name, folder, downloader=resume))
            except requests.RequestException as error:
                problems.append(f"{url}: {type(error).__name__}")
            except ValueError:
                # pooch has deleted the file.
                problems.append(f"{url}: the checksum is wrong, expected {remote.checksum}")
    raise InputError(f"cannot fetch {remote.name} ({'; '.join(problems)}): try again later, or put the file at {whole}")


def _resume(part: Path, url: str, output: str, _: Any) -> None:
    import requests

    have = part.stat().st_size if part.exists() else 0
    # Compressed in transit, the bytes would not be those that are counted and hashed.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(url, headers=headers, stream=True, timeout=30) as response:
        # 416: the part file is complete. 200 for a range request: the server sends the whole file.
        if response.status_code != 416:
            response.raise_for_status()
            have = have if response.status_code == 206 else 0
            total = have + int(response.headers.get("Content-Length", 0))
            with part.open("ab" if have else "wb") as file, progress_bar(part.stem, total, unit="B") as advance:
                advance(have)
                for chunk in response.iter_content(1 << 16):
                    file.write(chunk)
                    advance(len(chunk))
    part.replace(output)
