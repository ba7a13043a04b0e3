"""Keep decoded images, so that the second load takes no decoding."""

import hashlib
import json
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from defective.data.sets import ImageSet
from defective.files import cache_folder, write_whole


def fingerprint(path: Path, *settings: object) -> str:
    """Identify a file or folder by names, sizes and times of change of all it holds, together with how it is read."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    digest = hashlib.sha256(repr((str(path.resolve()), *settings)).encode())
    for file in files:
        stat = file.stat()
        digest.update(f"{file.relative_to(path)}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def restore(name: str, key: str) -> dict[str, ImageSet] | None:
    """The data set stored under this key, or None."""
    file = _file(name, key)
    if not file.exists():
        return None
    try:
        with safe_open(file, "pt") as stored:
            classes = tuple(json.loads(stored.metadata()["classes"]))
            return {
                split: ImageSet(name, split, stored.get_tensor(f"{split}.x"), stored.get_tensor(f"{split}.y"), classes)
                for split in ("train", "test")
            }
    except (SafetensorError, KeyError, TypeError, json.JSONDecodeError):
        file.unlink(missing_ok=True)
        return None


def store(name: str, key: str, sets: dict[str, ImageSet]) -> None:
    """Keep a decoded data set under this key."""
    tensors = {f"{split}.{part}": getattr(each, part) for split, each in sets.items() for part in ("x", "y")}
    classes = {"classes": json.dumps(sets["train"].classes)}
    write_whole(_file(name, key), lambda temporary: save_file(tensors, temporary, classes))


def _file(name: str, key: str) -> Path:
    return cache_folder() / "decoded" / f"{name}-{key}.safetensors"
