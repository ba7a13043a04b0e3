import errno
import os
import time
from pathlib import Path
from stat import S_IMODE

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from defective import InputError
from defective.files import (
    cache_folder,
    check_file,
    check_folder,
    left_behind,
    read_tensors,
    write_tensors,
    write_text,
    write_whole,
)

TENSORS = {"a": torch.arange(6.0).view(2, 3), "b": torch.tensor([True, False])}
DTYPES = [torch.bfloat16, torch.float8_e4m3fn, torch.float64, torch.int8, torch.bool, torch.uint16]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), ValueError("no"), OSError(errno.ENOSPC, "No space left on device")], ids=repr
)
@pytest.mark.parametrize("begun", [True, False])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, error, begun):
    (tmp_path / "a.txt").write_text("old")

    def fail(temporary: Path) -> None:
        assert temporary.parent == tmp_path
        if begun:
            temporary.write_text("half")
        raise error

    with pytest.raises(type(error)) as caught:
        write_whole(tmp_path / "a.txt", fail)
    assert (tmp_path / "a.txt").read_text() == "old"
    assert names(tmp_path) == ["a.txt"]
    if isinstance(error, OSError):
        assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path / "a.txt"))


def test_the_old_file_is_there_until_the_new_one_is_whole(tmp_path):
    file = tmp_path / "x" / "y" / "a.txt"
    write_whole(file, lambda temporary: temporary.write_text("old"))

    def write(temporary: Path) -> None:
        temporary.write_text("new")
        assert file.read_text() == "old"

    write_whole(file, write)
    assert file.read_text() == "new" and names(file.parent) == ["a.txt"]


def test_tensors_and_their_document_come_back(tmp_path):
    about = {"kind": "ünicode", "list": [1, 2.5, None], "nested": {"b": True}}
    written = TENSORS | {str(dtype): torch.ones(3, 2).to(dtype) for dtype in DTYPES}
    write_tensors(tmp_path / "t.safetensors", written, about)
    tensors, again = read_tensors(tmp_path / "t.safetensors")
    assert again == about and tensors.keys() == written.keys()
    assert all(
        tensors[name].dtype == each.dtype and torch.equal(tensors[name].float(), each.float()) for name, each in written.items()
    )


def test_the_same_tensors_give_the_same_bytes(tmp_path):
    write_tensors(tmp_path / "1", TENSORS, {"a": 1, "b": 2})
    write_tensors(tmp_path / "2", dict(reversed(TENSORS.items())), {"b": 2, "a": 1})
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o002, 0o664)])
def test_a_file_has_the_usual_permissions_and_the_umask_is_left_alone(tmp_path, monkeypatch, umask, mode):
    before = os.umask(umask)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(os, "umask", lambda mask: pytest.fail("the umask is that of all threads"))
            write_tensors(tmp_path / "t.safetensors", TENSORS, {})
            write_whole(tmp_path / "a.txt", lambda temporary: temporary.write_text("done"))
    finally:
        os.umask(before)
    assert [S_IMODE(path.stat().st_mode) for path in sorted(tmp_path.iterdir())] == [mode, mode]
    (tmp_path / "a.txt").chmod(0o600)
    write_text(tmp_path / "a.txt", "again")
    assert S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o600


def test_a_link_stays_and_what_it_names_is_written(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    for content in ("new", "again"):
        write_text(tmp_path / "link", content)
        assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_text() == content
    assert names(tmp_path) == ["file", "link"]


def cut(file: Path, end: int) -> None:
    file.write_bytes(file.read_bytes()[:end])


BAD_FILES = {
    "missing": (lambda file: file.unlink(), "there is no such file"),
    "folder": (lambda file: (file.unlink(), file.mkdir()), "there is no such file"),
    "empty": (lambda file: cut(file, 0), "neither torch.save nor safetensors"),
    "text": (lambda file: file.write_text("no safetensors file"), "neither torch.save nor safetensors"),
    "tensors cut off": (lambda file: cut(file, -1), "neither torch.save nor safetensors"),
    "no metadata": (lambda file: save_file(TENSORS, file), "was not written by defective"),
    "no checksums": (lambda file: save_file(TENSORS, file, {"defective": '{"n": 1}'}), "does not have the form"),
    "list": (lambda file: save_file(TENSORS, file, {"defective": "[[], null]"}), "does not have the form"),
    "deep document": (
        lambda file: save_file(TENSORS, file, {"defective": "[" * 100_000}),
        "neither torch.save nor safetensors",
    ),
    "other tensors": (
        lambda file: save_file(TENSORS | {"c": TENSORS["a"].clone()}, file, safe_open(file, "pt").metadata()),
        "other tensors than were written",
    ),
    "other shape": (
        lambda file: save_file(TENSORS | {"a": TENSORS["a"].view(3, 2)}, file, safe_open(file, "pt").metadata()),
        "a is not what was written",
    ),
    "corrupt metadata": (
        lambda file: save_file(TENSORS, file, {"defective": "{"}),
        "neither torch.save nor safetensors",
    ),
    "a long number": (
        lambda file: save_file(TENSORS, file, {"defective": "9" * 5000}),
        "neither torch.save nor safetensors",
    ),
}


@pytest.mark.parametrize("problem", BAD_FILES)
def test_a_file_that_cannot_be_read_is_named_in_one_line(tmp_path, problem):
    file = tmp_path / "t.safetensors"
    write_tensors(file, TENSORS, {})
    break_it, says = BAD_FILES[problem]
    break_it(file)
    with pytest.raises(InputError) as caught:
        read_tensors(file)
    assert str(caught.value).startswith(str(file))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_flipped_byte_is_refused_in_one_line(tmp_path):
    file = tmp_path / "t.safetensors"
    write_tensors(file, TENSORS | {"scalar": torch.tensor(1.5), "none": torch.empty(0, 3)}, {"kind": "model", "epochs": 3})
    whole = file.read_bytes()
    start = whole.index(b"{")
    for place, bits in [*((place, 0xFF) for place in range(len(whole))), *((place, 1) for place in range(start, len(whole)))]:
        file.write_bytes(whole[:place] + bytes([whole[place] ^ bits]) + whole[place + 1 :])
        with pytest.raises(InputError) as caught:
            read_tensors(file)
        assert "\n" not in str(caught.value)


def test_what_is_read_in_part_is_checked_in_part(tmp_path):
    file = tmp_path / "t.safetensors"
    write_tensors(file, TENSORS, {"n": 1})
    save_file(TENSORS | {"a": TENSORS["a"] + 1}, file, safe_open(file, "pt").metadata())
    assert torch.equal(read_tensors(file, ("b",))[0]["b"], TENSORS["b"])
    with pytest.raises(InputError, match="a is not what was written"):
        read_tensors(file, ("a",))


@pytest.mark.parametrize("place", ["new", "new/deeper", "."])
def test_a_place_that_can_be_made_is_accepted_and_not_made(tmp_path, place):
    check_folder(tmp_path / place)
    check_file(tmp_path / place / "a.txt")
    assert names(tmp_path) == []


def test_a_file_cannot_hold_results(tmp_path):
    """It is named once."""
    file = tmp_path / "file"
    file.write_text("")
    for place, said in {file: "", file / "below": f"{file}/below cannot hold results: "}.items():
        for check in (lambda place=place: check_folder(place), lambda place=place: check_file(place / "a.txt")):
            with pytest.raises(InputError, match=f"^{said}{file} is a file, not a folder$"):
                check()
    with pytest.raises(InputError, match="is a folder: name a file"):
        check_file(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match=r"pipe is a device or pipe, not a file: choose another name$"):
        check_file(tmp_path / "pipe")


def test_the_cache_is_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DEFECTIVE_CACHE", "~/somewhere")
    assert cache_folder() == tmp_path / "somewhere"
    monkeypatch.delenv("DEFECTIVE_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder().name == "defective"
    assert tmp_path in cache_folder().parents


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    if Path("/proc/self").exists():
        with pytest.raises(InputError, match=r"/proc/x cannot hold results: /proc cannot be written"):
            check_folder(Path("/proc/x"))
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(InputError, match=f"cannot hold results: {tmp_path} is not writable"):
        check_folder(tmp_path / "new")


def test_a_user_without_a_home_gets_a_cache_for_this_process(monkeypatch, caplog):
    def none(*_):
        raise RuntimeError("could not determine the home directory")

    monkeypatch.delenv("DEFECTIVE_CACHE", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_path", none)
    first, second = cache_folder(), cache_folder()
    assert first == second and first.is_dir() and not any(first.iterdir())
    (record,) = caplog.records
    assert "could not determine the home directory; set DEFECTIVE_CACHE" in record.getMessage()


def test_a_cache_that_cannot_be_written_is_read(monkeypatch, caplog, tmp_path):
    (tmp_path / "downloads" / "mnist").mkdir(parents=True)
    monkeypatch.setenv("DEFECTIVE_CACHE", str(tmp_path))

    def refuse(folder):
        raise InputError(f"{folder} is not writable")

    monkeypatch.setattr("defective.files.check_folder", refuse)
    assert cache_folder("downloads/mnist") == tmp_path / "downloads/mnist" and not caplog.records
    assert cache_folder("downloads/cifar10").parents[1] == cache_folder() != tmp_path and len(caplog.records) == 1


def test_a_file_whose_name_is_no_text_is_written_and_read(tmp_path):
    file = tmp_path / "r\udce9seau" / "caf\udce9.safetensors"
    write_tensors(file, TENSORS, {"n": 1})
    tensors, about = read_tensors(file)
    assert about == {"n": 1} and all(torch.equal(tensors[name], tensor) for name, tensor in TENSORS.items())
    assert names(file.parent) == [file.name]


def test_what_a_killed_process_left_is_known_by_its_name_and_age(tmp_path):
    for name, age in (("old.txt", 7200), ("new.txt", 0)):
        file = tmp_path / f".{name}.123-0a1b2c3d"
        file.write_text("half")
        os.utime(file, (time.time() - age,) * 2)
    (tmp_path / ".gitignore").write_text("")
    assert names(tmp_path) == [".gitignore", ".new.txt.123-0a1b2c3d", ".old.txt.123-0a1b2c3d"]
    assert [file.name for file in left_behind(tmp_path)] == [".old.txt.123-0a1b2c3d"]
