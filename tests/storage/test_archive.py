"""The file format: a file is read whole or refused, whatever was done to it."""

import io
import json
import os
import zipfile

import numpy as np
import pytest

from chainrule import ConfigurationError, FileFormatError
from chainrule.storage.archive import (
    DESCRIPTION,
    checksum,
    read_archive,
    write_archive,
)
from chainrule.storage.atomic import remove_leftovers, write_atomically
from chainrule.storage.npy import read_npy

ARRAYS = {
    "float32": np.linspace(0, 1, 7, dtype=np.float32).reshape(7, 1),
    "float64": np.array([[1.5, -0.0], [np.inf, np.nan]]),
    "int64": np.arange(6).reshape(1, 2, 3),
    "bool": np.array([True, False]),
    "uint8": np.frombuffer(b"abc", np.uint8),
    "number": np.array(3.25),
    "nothing": np.empty((0, 4), np.float32),
    "columns/first": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "big-endian": np.arange(3, dtype=">i4"),
}
WORDS = {"text": "Ünïcödé", "list": [1, 2.5, None, True], "infinite": float("inf")}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "folder" / "file.npz"
    write_archive(path, "test", ARRAYS, WORDS)
    return path


def rewrite(path, members, compression=zipfile.ZIP_STORED):
    """Write a zip archive of raw members."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def npy(array, **options):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, **options)
    return file.getvalue()


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def head(**changes):
    content = {"format": 1, "kind": "test", "sha256": checksum({}, "{}"), "description": "{}"}
    text = json.dumps(content | changes)
    return {f"{DESCRIPTION}.npy": npy(np.frombuffer(text.encode(), np.uint8))}


def test_what_was_written_is_read(path):
    arrays, words = read_archive(path, "test")
    assert words == WORDS
    assert list(arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype.newbyteorder("=")
        assert arrays[name].shape == array.shape
        assert arrays[name].flags.writeable


def test_numpy_alone_opens_it(path):
    with np.load(path, allow_pickle=False) as file:
        np.testing.assert_array_equal(file["float32"], ARRAYS["float32"])


def test_arrays_in_columns_are_read_whoever_wrote_them(tmp_path):
    array = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    changes = head(sha256=checksum({"a": array}, "{}"))
    rewrite(tmp_path / "f", {"a.npy": npy(array)} | changes)
    np.testing.assert_array_equal(read_archive(tmp_path / "f", "test")[0]["a"], array)


def test_only_numbers_are_written(tmp_path):
    with pytest.raises(ConfigurationError, match="words holds <U1"):
        write_archive(tmp_path / "f", "test", {"words": np.array(["a"])}, {})
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------- atomic


def test_a_failed_write_leaves_the_old_file_and_nothing_else(path):
    before = path.read_bytes()

    def fail(file):
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, fail)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["file.npz"]


def test_the_bytes_are_on_the_disk_before_the_name_points_to_them(path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (calls.append("fsync"), fsync(handle))[1])
    monkeypatch.setattr(os, "replace", lambda *names: (calls.append("replace"), replace(*names))[1])
    write_archive(path, "test", {}, {})
    assert calls == ["fsync", "replace", "fsync"]


def test_leftovers_of_a_killed_program_are_removed(path):
    leftover = path.with_name(".file.npz.0123abcd.tmp")
    other = path.with_name(".other.npz.0123abcd.tmp")
    for name in (leftover, other):
        name.write_bytes(b"half")
    remove_leftovers(path)
    assert not leftover.exists()
    assert other.exists()
    assert path.exists()


# ---------------------------------------------------------------- damaged, foreign, hostile


def test_a_file_cut_anywhere_is_refused(path):
    whole = path.read_bytes()
    for length in [*range(0, len(whole), 97), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(FileFormatError, match=r"truncated|damaged|not a chainrule file"):
            read_archive(path, "test")


def test_a_changed_byte_is_refused_or_changes_nothing(path):
    whole = path.read_bytes()
    refused = 0
    for place in np.random.default_rng(0).integers(0, len(whole), 300):
        changed = bytearray(whole)
        changed[place] ^= 0x41
        path.write_bytes(changed)
        try:
            arrays, words = read_archive(path, "test")
        except FileFormatError:
            refused += 1
            continue
        assert words == WORDS  # a date or a flag in the zip's own tables
        assert checksum(arrays, "") == checksum(ARRAYS, "")
    assert refused > 150


def test_another_value_with_a_right_crc_is_refused_by_the_checksum(path):
    changed = members(path)
    changed["number.npy"] = npy(np.array(3.5))
    rewrite(path, changed)
    with pytest.raises(FileFormatError, match="does not match its checksum"):
        read_archive(path, "test")


def test_an_array_more_or_less_is_refused(path):
    content = members(path)
    rewrite(path, content | {"more.npy": npy(np.zeros(1))})
    with pytest.raises(FileFormatError, match="checksum"):
        read_archive(path, "test")
    del content["bool.npy"]
    rewrite(path, content)
    with pytest.raises(FileFormatError, match="checksum"):
        read_archive(path, "test")


def test_another_kind_and_another_version_are_named(path, tmp_path):
    with pytest.raises(FileFormatError, match="is a 'test' file; a 'network' file was expected"):
        read_archive(path, "network")
    rewrite(tmp_path / "new", head(format=99))
    with pytest.raises(FileFormatError, match="format 99; this version of chainrule reads 1"):
        read_archive(tmp_path / "new", "test")


@pytest.mark.parametrize("content", [b"", b"PK", b"hello world", os.urandom(4000), b"\x93NUMPY"])
def test_files_from_elsewhere_are_refused(tmp_path, content):
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(FileFormatError, match="not a chainrule file"):
        read_archive(tmp_path / "f", "test")


def test_somebody_elses_npz_is_refused(tmp_path):
    np.savez(tmp_path / "f.npz", weight=np.ones(3))
    with pytest.raises(FileFormatError, match="is not a chainrule file"):
        read_archive(tmp_path / "f.npz", "test")


def test_a_file_that_is_not_there_is_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_archive(tmp_path / "none.npz", "test")
    with pytest.raises(FileFormatError, match="is a folder; give the file in it"):
        read_archive(tmp_path, "model")


class Explodes:
    def __reduce__(self):
        return (os.abort, ())


def huge(shape):
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + b"1234"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.npy", npy(np.array([Explodes()], object), allow_pickle=True), "holds pickled objects"),
        ("a.npy", npy(np.array(["text"])), "holds <U4; numbers are expected"),
        ("a.npy", huge((10**12,)), "claims the shape"),
        ("a.npy", huge((2**32, 2**32)), "claims the shape"),
        ("a.npy", huge((-1,)), "claims the shape"),
        ("a.npy", huge((-1, -1)), "claims the shape"),
        ("a.npy", b"\x93NUMPY\x01\x00\xff\xff{", "header cannot be read"),
        ("a.npy", b"\x93NUMPY\x09\x00" + b" " * 100, "header cannot be read"),
        ("a.npy", b"\x93NUMPY\x01\x00\x10\x00__import__('os')", "header cannot be read"),
        ("a.txt", b"text", "which is not an array"),
        ("../../a.npy", npy(np.zeros(1)), "checksum"),
        ("a.pkl", b"cos\nabort\n(tR.", "which is not an array"),
    ],
)
def test_hostile_members_are_refused(tmp_path, name, data, message):
    rewrite(tmp_path / "f", {name: data} | head())
    with pytest.raises(FileFormatError, match=message):
        read_archive(tmp_path / "f", "test")


def test_a_bomb_is_not_unpacked(tmp_path):
    rewrite(tmp_path / "f", {"a.npy": npy(np.zeros(10**6))} | head(), zipfile.ZIP_DEFLATED)
    with pytest.raises(FileFormatError, match="is compressed"):
        read_archive(tmp_path / "f", "test")


def test_members_that_overlap_are_refused(tmp_path):
    path = tmp_path / "f"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", npy(np.zeros(1000)))
        first = archive.infolist()[0]
        for number in range(5):
            info = zipfile.ZipInfo(f"{number}.npy")
            info.header_offset, info.CRC = first.header_offset, first.CRC
            info.file_size = info.compress_size = first.file_size
            archive.filelist.append(info)
            archive.NameToInfo[info.filename] = info
    with pytest.raises(FileFormatError, match=r"larger than the file|truncated, damaged"):
        read_archive(path, "test")


def test_a_name_that_stands_twice_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "f", "w") as archive:
        archive.writestr("a.npy", npy(np.zeros(1)))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.npy", npy(np.ones(1)))
    with pytest.raises(FileFormatError, match="the same name twice"):
        read_archive(tmp_path / "f", "test")


def test_an_encrypted_file_is_refused(path):
    content = bytearray(path.read_bytes())
    place = content.index(b"PK\x01\x02")
    content[place + 8] |= 1  # the flag of encryption, of the first member
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"not a chainrule file .*encrypted"):
        read_archive(path, "test")


@pytest.mark.parametrize(
    "text",
    [b"not json", b"[]", b"3", b"{}", b'{"format": 1}', b"[" * 100_000, b"\xff\xfe", b"9" * 5000],
)
def test_a_description_that_is_none_is_refused(tmp_path, text):
    rewrite(tmp_path / "f", {f"{DESCRIPTION}.npy": npy(np.frombuffer(text, np.uint8))})
    with pytest.raises(FileFormatError, match=r"description.* (cannot|should)|more lists"):
        read_archive(tmp_path / "f", "test")
    rewrite(tmp_path / "f", head(description=text.decode("latin-1") + "}"))
    with pytest.raises(FileFormatError):
        read_archive(tmp_path / "f", "test")


# ---------------------------------------------------------------- names, modes, links


@pytest.mark.skipif(os.name == "nt", reason="modes and links as POSIX systems have them")
class TestWhereItIsWritten:
    def test_a_file_keeps_its_mode(self, path):
        for mode in (0o600, 0o644, 0o660):
            path.chmod(mode)
            write_archive(path, "test", ARRAYS, WORDS)
            assert path.stat().st_mode & 0o777 == mode

    def test_it_is_private_while_it_is_written(self, path):
        path.chmod(0o600)
        seen = []

        def write(file):
            seen.append(os.fstat(file.fileno()).st_mode & 0o777)

        write_atomically(path, write)
        assert seen == [0o600]

    @pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
    def test_a_new_file_follows_the_umask(self, tmp_path, umask):
        before = os.umask(umask)
        try:
            write_archive(tmp_path / "new", "test", {}, {})
        finally:
            os.umask(before)
        assert (tmp_path / "new").stat().st_mode & 0o777 == 0o666 & ~umask

    def test_a_symbolic_link_stays_and_its_target_is_replaced(self, path, tmp_path):
        link, second = tmp_path / "link.npz", tmp_path / "second.npz"
        link.symlink_to(path)
        second.symlink_to("link.npz")
        write_archive(second, "test", {}, {"new": 1})
        assert link.is_symlink()
        assert second.is_symlink()
        assert not path.is_symlink()
        assert read_archive(path, "test")[1] == {"new": 1}

    def test_a_link_to_nothing_is_followed_too(self, tmp_path):
        (tmp_path / "link").symlink_to(tmp_path / "elsewhere" / "file")
        write_archive(tmp_path / "link", "test", {}, {})
        assert (tmp_path / "elsewhere" / "file").is_file()
        assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("name", ["a" * 251 + ".npz", "é" * 120 + ".npz", "b[0-9]*?.npz"])
def test_any_name_that_a_file_can_have(tmp_path, name, monkeypatch):
    path = tmp_path / name
    for _ in range(2):
        write_archive(path, "test", ARRAYS, WORDS)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert read_archive(path, "test")[1] == WORDS

    def killed(*_, **__):  # nothing is put away then
        raise SystemExit

    monkeypatch.setattr(os, "replace", killed)
    monkeypatch.setattr("pathlib.Path.unlink", killed)
    with pytest.raises(SystemExit):
        write_archive(path, "test", ARRAYS, WORDS)
    monkeypatch.undo()
    assert len(list(tmp_path.iterdir())) == 2
    remove_leftovers(path)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_leftovers_of_a_file_with_a_longer_name_are_left_alone(path):
    other = path.with_name(f".{path.name}.more.0123abcd.tmp")
    other.write_bytes(b"half")
    remove_leftovers(path)
    assert other.exists()


# ---------------------------------------------------------------- as much as belongs to it


def test_what_could_not_be_read_back_is_not_written(tmp_path):
    many = {"lists": [[]] * 30_000}
    with pytest.raises(ConfigurationError, match="more lists and dicts"):
        write_archive(tmp_path / "f", "test", {}, many)
    assert not list(tmp_path.iterdir())
    arrays = {str(i): np.zeros(1) for i in range(1100)}
    write_archive(tmp_path / "f", "test", arrays, many)
    assert read_archive(tmp_path / "f", "test")[1] == many


def test_a_description_of_nothing_but_brackets_is_refused_before_it_is_read(tmp_path):
    text = "{" + ", ".join(f'"{i}": [[], {{}}]' for i in range(20_000)) + "}"
    rewrite(tmp_path / "f", head(description=text, sha256=checksum({}, text)))
    with pytest.raises(FileFormatError, match=r"more lists and dicts \(60,002\)"):
        read_archive(tmp_path / "f", "test")


UNREADABLE = "header cannot be read"


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", ""),
        ("{'shape': (1,), 'fortran_order': True, 'descr': '<f4', }   \n", ""),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}", UNREADABLE),
        ("{'descr': '<f4', 'descr': '<f4', 'shape': (1,)}", UNREADABLE),
        ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "holds |V4"),
        ("{'descr': '<f3', 'fortran_order': False, 'shape': (1,)}", UNREADABLE),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1-1,)}", UNREADABLE),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 9999999999999999999)}", "claims"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (" + "1," * 70 + ")}", "impossible"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (" + "9" * 4000 + ",)}", "claims"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (" + "9" * 5000 + ",)}", UNREADABLE),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (True,)}", "impossible"),
        ("{'descr': 'V2147483647', 'fortran_order': False, 'shape': (1,)}", "holds |V2147483647"),
        ("{'descr': ('<f4', (10**9,)), 'fortran_order': False, 'shape': (1,)}", UNREADABLE),
        ("{'descr': ('<f4', (99999999,)), 'fortran_order': False, 'shape': (1,)}", "holds |V"),
        ("{'descr': '" + "f4," * 3000 + "', 'fortran_order': False, 'shape': (1,)}", "holds |V"),
        ("{'descr': '<f4', 'fortran_order': 3, 'shape': (1,)}", UNREADABLE),
        ("__import__('os').abort()", UNREADABLE),
        ("(" * 9000, UNREADABLE),
        ("{" * 20_000, UNREADABLE),
    ],
)
def test_a_header_is_read_as_a_literal(header, message):
    data = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
    data += b"" if "(0," in header else np.ones(1, "<f4").tobytes()
    if not message:
        assert read_npy(data).tolist() == [1.0]
        return
    with pytest.raises(FileFormatError, match=message.replace("|", r"\|")) as refused:
        read_npy(data)
    assert len(str(refused.value)) < 300
