import errno
import io
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from defective import InputError
from defective.data import archive as rooms
from defective.data.archive import stem, unpack
from image_files import pack
from runs import listing

SUFFIXES = [".zip", ".ZIP", ".tar", ".tar.gz", ".tgz", ".tar.xz"]
CONTENTS = {
    "first.bin": np.random.default_rng(0).bytes(3000),
    "a/b/deep.bin": np.random.default_rng(1).bytes(100),
    "a/empty.txt": b"",
    "ünïcode.txt": b"text",
}


@pytest.fixture
def whole(tmp_path, request) -> Path:
    """An archive of CONTENTS with the suffix the test is parametrised by."""
    for name, content in CONTENTS.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(content)
    archive = pack(tmp_path / "in", tmp_path / f"whole{request.param}")
    shutil.rmtree(tmp_path / "in")
    return archive


def assert_refused(archive: Path, *says: str) -> None:
    """Unpacking fails in one line that names the file, and nothing is new on the disk, inside or outside."""
    before = sorted(archive.parent.rglob("*"))
    with pytest.raises(InputError) as caught:
        unpack(archive, archive.parent / "cache" / "into")
    message = str(caught.value)
    assert all(word in message for word in (str(archive), *says)) and "\n" not in message, message
    shutil.rmtree(archive.parent / "cache")
    assert sorted(archive.parent.rglob("*")) == before


@pytest.mark.parametrize("whole", SUFFIXES, indirect=True)
def test_every_file_comes_out_as_it_went_in(whole, tmp_path):
    unpack(whole, tmp_path / "out")
    assert listing(tmp_path / "out") == CONTENTS


@pytest.mark.parametrize("whole", [".zip", ".tar", ".tar.gz", ".tar.xz"], indirect=True)
def test_a_truncated_archive_is_refused_wherever_it_is_cut(whole):
    content = whole.read_bytes()
    # The zeros that end an uncompressed tar are no part of any file.
    end = len(content.rstrip(b"\0")) + 512 if whole.suffix == ".tar" else len(content)
    for cut in {*range(0, end, 397), *range(1024, end, 1024), end - 1}:
        whole.write_bytes(content[:cut])
        assert_refused(whole)


@pytest.mark.parametrize("whole", [".zip", ".tar.gz", ".tar.xz"], indirect=True)
def test_one_wrong_bit_is_noticed(whole):
    content = bytearray(whole.read_bytes())
    content[1500] ^= 1
    whole.write_bytes(content)
    assert_refused(whole, "corrupt")


OUTSIDE = ["../evil", "a/../../evil", "/tmp/evil", "C:/evil", "C:\\evil", "C:evil", "..\\evil", "\\evil", "//host/share/evil"]


def write_tar(path: Path, *members: tarfile.TarInfo) -> None:
    with tarfile.open(path, "w") as archive:
        for member in members:
            member.size = 4 if member.isreg() else 0
            archive.addfile(member, io.BytesIO(b"evil"))


def write_zip(path: Path, *members: zipfile.ZipInfo) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for member in members:
            archive.writestr(member, b"evil")


def test_a_corrupt_header_is_not_taken_for_the_end(tmp_path):
    write_tar(tmp_path / "t.tar", *map(tarfile.TarInfo, ("one", "two", "three")))
    content = bytearray((tmp_path / "t.tar").read_bytes())
    content[content.index(b"two")] ^= 1
    (tmp_path / "t.tar").write_bytes(content)
    assert_refused(tmp_path / "t.tar", "no end mark")


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_name_leads_outside(name, tmp_path):
    write_tar(tmp_path / "t.tar", tarfile.TarInfo("good"), tarfile.TarInfo(name))
    assert_refused(tmp_path / "t.tar", repr(name), "leads outside")
    write_zip(tmp_path / "z.zip", zipfile.ZipInfo("good"), zipfile.ZipInfo(name))
    assert_refused(tmp_path / "z.zip", repr(name), "leads outside")


@pytest.mark.parametrize("name", ["a\\b", "./a/b", "a//b", "a/./b"])
def test_other_ways_to_write_a_path_are_understood(name, tmp_path):
    write_tar(tmp_path / "t.tar", tarfile.TarInfo(name))
    write_zip(tmp_path / "z.zip", zipfile.ZipInfo(name))
    for archive in ("t.tar", "z.zip"):
        unpack(tmp_path / archive, tmp_path / archive[0])
        assert listing(tmp_path / archive[0]) == {"a/b": b"evil"}


ODD_TAR = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE]
ODD_ZIP = [stat.S_IFLNK, stat.S_IFSOCK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK]


@pytest.mark.parametrize(("kind", "mode"), [*zip(ODD_TAR, ODD_ZIP, strict=True)])
def test_an_archive_with_anything_but_files_is_refused(kind, mode, tmp_path):
    in_tar, in_zip = tarfile.TarInfo("odd"), zipfile.ZipInfo("odd")
    in_tar.type, in_tar.linkname, in_zip.external_attr = kind, "good", (mode | 0o777) << 16
    write_tar(tmp_path / "t.tar", tarfile.TarInfo("good"), in_tar)
    write_zip(tmp_path / "z.zip", zipfile.ZipInfo("good"), in_zip)
    for archive in ("t.tar", "z.zip"):
        assert_refused(tmp_path / archive, "'odd'", "link or a device")


# Places of the flags and of the method after the marks of a local and of a central entry.
@pytest.mark.parametrize(("local", "central", "value"), [(6, 8, 1), (8, 10, 99)], ids=["encrypted", "unknown compression"])
def test_a_zip_that_python_cannot_read_is_refused(local, central, value, tmp_path):
    write_zip(tmp_path / "z.zip", zipfile.ZipInfo("good"))
    content = bytearray((tmp_path / "z.zip").read_bytes())
    content[local] = content[content.index(b"PK\1\2") + central] = value
    (tmp_path / "z.zip").write_bytes(content)
    assert_refused(tmp_path / "z.zip", "encrypted")


@pytest.mark.parametrize(
    "names", [("a", "a/b"), ("a/b", "a"), ("n" * 300,), (".",)], ids=["under file", "over folder", "long", "dot"]
)
def test_names_that_cannot_be_written_are_refused(names, tmp_path):
    write_tar(tmp_path / "t.tar", *map(tarfile.TarInfo, names))
    assert_refused(tmp_path / "t.tar")
    write_zip(tmp_path / "z.zip", *map(zipfile.ZipInfo, names))
    assert_refused(tmp_path / "z.zip")


@pytest.mark.parametrize("content", [b"", b"no archive at all", bytes(100)], ids=["empty", "text", "zeros"])
@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.xz"])
def test_what_is_no_archive_is_refused(content, suffix, tmp_path):
    (tmp_path / f"x{suffix}").write_bytes(content)
    assert_refused(tmp_path / f"x{suffix}", "cannot be unpacked")


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")], ids=["interrupt", "full disk"]
)
@pytest.mark.parametrize("whole", [".zip", ".tar"], indirect=True)
def test_an_interrupt_and_a_full_disk_pass_and_leave_nothing(whole, error, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "copyfileobj", lambda *_: (_ for _ in ()).throw(error))
    with pytest.raises(type(error)) as caught:
        unpack(whole, tmp_path / "into")
    if isinstance(error, OSError):
        assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path / "into"))
    assert not (tmp_path / "into").exists()


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz", ".tar.xz"])
def test_an_archive_of_far_more_than_its_size_is_refused(suffix, tmp_path, monkeypatch):
    monkeypatch.setattr(rooms, "FREE_SIZE", 1000)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "zeros").write_bytes(bytes(3 << 20))
    bomb = pack(tmp_path / "in", tmp_path / f"bomb{suffix}")
    shutil.rmtree(tmp_path / "in")
    size = bomb.stat().st_size
    assert_refused(bomb, f"more than {50 * size:,} bytes", f"archive of {size:,}")
    monkeypatch.setattr(rooms, "FREE_SIZE", 4 << 20)
    unpack(bomb, tmp_path / "out")
    assert (tmp_path / "out" / "zeros").stat().st_size == 3 << 20


def test_a_tar_whose_headers_are_large_is_refused_before_they_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(rooms, "MAX_READ", 1 << 20)
    name = tarfile.TarInfo("././@LongLink")
    name.type, name.size = tarfile.GNUTYPE_LONGNAME, 2 << 20
    content = name.tobuf(tarfile.GNU_FORMAT) + b"a" * (2 << 20) + tarfile.TarInfo("x").tobuf() + bytes(1024)
    (tmp_path / "t.tar").write_bytes(content)
    assert_refused(tmp_path / "t.tar", "corrupt")


def test_a_tar_with_holes_is_refused(tmp_path):
    # GNU's old way to write a file of 1 TB without its zeros.
    sparse = tarfile.TarInfo("holes")
    sparse.type = tarfile.GNUTYPE_SPARSE
    header = bytearray(sparse.tobuf(tarfile.GNU_FORMAT))
    header[483:495] = b"%011o\0" % (1 << 32)
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header[:512])
    (tmp_path / "t.tar").write_bytes(bytes(header) + bytes(1024))
    assert_refused(tmp_path / "t.tar", "'holes'")


@pytest.mark.parametrize("whole", [".zip", ".tar"], indirect=True)
def test_an_archive_of_too_many_files_is_refused(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(rooms, "MAX_MEMBERS", len(CONTENTS) - 1)
    assert_refused(whole, f"more than {len(CONTENTS) - 1} files")


@pytest.mark.parametrize("name", ["", "\0x"])
def test_a_zip_entry_without_a_name_is_refused(name, tmp_path):
    write_zip(tmp_path / "z.zip", zipfile.ZipInfo("good"), zipfile.ZipInfo("q" * (len(name) or 1)))
    content = bytearray((tmp_path / "z.zip").read_bytes())
    if name:
        content = content.replace(b"qq", name.encode())
    else:
        # The central entry alone says what a file is called.
        at = content.rindex(b"PK\1\2")
        content[at + 28] = 0
        del content[at + 46]
        size = content.index(b"PK\5\6") - content.index(b"PK\1\2")
        end = content.index(b"PK\5\6")
        content[end + 12 : end + 16] = size.to_bytes(4, "little")
    (tmp_path / "z.zip").write_bytes(content)
    assert_refused(tmp_path / "z.zip", "without a name")


@pytest.mark.parametrize(
    ("name", "called"),
    [("a.zip", "a"), ("a.TAR.GZ", "a"), ("a.b.tgz", "a.b"), ("a.tar.xz", "a"), ("a.tar", "a"), ("a.gz", "a.gz"), ("zip", "zip")],
)
def test_a_data_set_is_called_by_the_name_of_its_archive(name, called):
    assert stem(Path("x.zip") / name) == called
