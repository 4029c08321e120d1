"""IDX, npz and CSV: read as they are, refused with a reason where they are not."""

import doctest
import gzip
import os
import zipfile

import numpy as np
import pytest

from chainrule import FileFormatError, read_csv, read_idx, read_mnist, read_npz

TYPES = {"u1": 0x08, "i1": 0x09, ">i2": 0x0B, ">i4": 0x0C, ">f4": 0x0D, ">f8": 0x0E}


def idx(array, code):
    lengths = b"".join(int(n).to_bytes(4, "big") for n in array.shape)
    return bytes([0, 0, code, array.ndim]) + lengths + array.tobytes()


# ---------------------------------------------------------------- IDX


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 3, 4), (0, 4), (1, 1, 1, 2)])
def test_every_type_and_number_of_axes(tmp_path, dtype, shape, packed):
    size = int(np.prod(shape))
    array = (np.arange(size).reshape(shape) * 3 - 5).astype(dtype)
    content = idx(array, TYPES[dtype])
    (tmp_path / "data").write_bytes(gzip.compress(content) if packed else content)
    found = read_idx(tmp_path / "data")
    np.testing.assert_array_equal(found, array)
    assert found.dtype == np.dtype(dtype).newbyteorder("=")
    assert found.dtype.isnative
    assert found.flags.writeable


@pytest.fixture
def images():
    return idx(np.arange(60, dtype=np.uint8).reshape(3, 4, 5), 0x08)


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_cut_anywhere_is_refused(tmp_path, images, packed):
    whole = gzip.compress(images) if packed else images
    for length in range(len(whole)):
        (tmp_path / "data").write_bytes(whole[:length])
        with pytest.raises(FileFormatError, match=r"truncated|damaged|not an IDX"):
            read_idx(tmp_path / "data")


def test_a_damaged_gzip_file_is_refused(tmp_path, images):
    whole = bytearray(gzip.compress(images))
    whole[-5] ^= 0xFF  # in its checksum
    (tmp_path / "data").write_bytes(whole)
    with pytest.raises(FileFormatError, match="truncated or damaged: it cannot be unpacked"):
        read_idx(tmp_path / "data")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file"),
        (b"\x00\x00\x0a\x01", "not an IDX file"),
        (b"\x00\x00\x08\x00", "not an IDX file"),
        (b"\x01\x00\x08\x01\x00\x00\x00\x00", "not an IDX file"),
        (b"\x89PNG\r\n\x1a\n" + b"x" * 100, "not an IDX file"),
        (b"\x00\x00\x08\x03\x00\x00", "ends within its header"),
        (b"\x00\x00\x08\x01\x00\x00\x00\x02abc", r"shape \(2,\), which is 2 bytes.*it holds more"),
        (b"\x00\x00\x0e\x01\x00\x00\x00\x02abc", "16 bytes of float64, but it holds 3 of them"),
        (b"\x00\x00\x0e\xff" + b"\xff" * 4 * 255 + b"abc", "claims 255 axes; 64 are the most"),
        (gzip.compress(b"hello", mtime=0), "not an IDX file"),
    ],
)
def test_foreign_and_hostile_files_are_refused(tmp_path, content, message):
    (tmp_path / "data").write_bytes(content)
    with pytest.raises(FileFormatError, match=message):
        read_idx(tmp_path / "data")


# ---------------------------------------------------------------- npz


def test_npz(tmp_path):
    np.savez_compressed(tmp_path / "d.npz", X=np.ones((2, 3)), y=np.array([0, 1]))
    found = read_npz(tmp_path / "d.npz")
    assert list(found) == ["X", "y"]
    np.testing.assert_array_equal(found["X"], np.ones((2, 3)))


def test_npz_files_that_are_none_or_hold_something_else(tmp_path):
    path = tmp_path / "d.npz"
    np.savez(path, X=np.ones(1000))
    whole = path.read_bytes()
    for content in (b"", b"hello", whole[:500], whole[:-4], whole[:100] + b"?" + whole[101:]):
        path.write_bytes(content)
        with pytest.raises(FileFormatError, match="truncated, damaged"):
            read_npz(path)
    np.savez(path, X=np.array([os.abort], object))
    with pytest.raises(FileFormatError, match="pickled objects"):
        read_npz(path)
    np.savez(path, names=np.array(["a", "b"]))
    with pytest.raises(FileFormatError, match=r"'names.npy' .* holds <U1; numbers are expected"):
        read_npz(path)
    with open(path, "wb") as file:
        np.save(file, np.ones(3))
    with pytest.raises(FileFormatError, match="single array"):
        read_npz(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(FileFormatError, match=r"'readme.txt' cannot be read"):
        read_npz(path)


# ---------------------------------------------------------------- CSV


def csv(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_a_table_with_and_without_a_header(tmp_path):
    text = "1,2.5,-3e2\r\n4, 5 ,6\r\n"
    for header in ("", "length, width,größe\r\n", '"a","b, c",d\n'):
        table, names = read_csv(csv(tmp_path, header + text))
        np.testing.assert_array_equal(table, [[1, 2.5, -300], [4, 5, 6]])
        assert table.dtype == np.float64
    assert names == ["a", "b, c", "d"]
    assert read_csv(csv(tmp_path, text))[1] == []


def test_the_example_runs_as_it_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (example,) = doctest.DocTestFinder().find(read_csv, "read_csv", globs={"read_csv": read_csv})
    told = []
    ran = doctest.DocTestRunner().run(example, out=told.append)
    assert ran.attempted == 6
    assert ran.failed == 0, "".join(told)
    assert "SKIP" not in read_csv.__doc__


def test_empty_fields_empty_lines_other_delimiters_and_a_mark_at_the_start(tmp_path):
    table, names = read_csv(csv(tmp_path, "\ufeffa;b\n\n1;\n;2\n  \n3;nan\n"), delimiter=";")
    np.testing.assert_array_equal(table, [[1, np.nan], [np.nan, 2], [3, np.nan]])
    assert names == ["a", "b"]
    assert read_csv(csv(tmp_path, "7\n8\n"))[0].shape == (2, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no rows of numbers"),
        ("a,b\n", "has no rows of numbers"),
        ("a,b\n1,2\n\n1,2,3\n", "line 4: expected 2 fields, got 3"),
        ("1,2\n1\n", "line 2: expected 2 fields, got 1"),
        ("a,b\n1,2\n3,setosa\n", "line 3, column 2: expected a number, got 'setosa'"),
        ("a,b\nc,d\n", "line 2, column 1: expected a number, got 'c'"),
        ('a,b\n"1,2\n', "line 2: expected 2 fields"),
        ("a,b\n1," + "2" * 200_000, "not a text file of comma-separated values"),
    ],
)
def test_errors_name_the_line(tmp_path, text, message):
    with pytest.raises(FileFormatError, match=message):
        read_csv(csv(tmp_path, text))


def test_bytes_that_are_no_text(tmp_path):
    path = csv(tmp_path, "größe\n1\n", "latin-1")
    with pytest.raises(FileFormatError, match="not a text file of comma-separated values"):
        read_csv(path)
    path.write_bytes(b"1,2\n\x00\x001,2\n")
    with pytest.raises(FileFormatError):
        read_csv(path)


def write_idx(path, array):
    data = idx(array, TYPES["u1"])
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


@pytest.fixture
def mnist_like(tmp_path):
    """Return a folder with the four files, two of them compressed, and what they hold."""
    rng = np.random.default_rng(0)
    arrays = []
    for name, count, suffix in (("train", 7, ".gz"), ("t10k", 3, "")):
        arrays.append(rng.integers(0, 256, (count, 4, 5)).astype(np.uint8))
        arrays.append(rng.integers(0, 10, count).astype(np.uint8))
        write_idx(tmp_path / f"{name}-images-idx3-ubyte{suffix}", arrays[-2])
        write_idx(tmp_path / f"{name}-labels-idx1-ubyte{suffix}", arrays[-1])
    return tmp_path, arrays


def test_mnist_whole(mnist_like):
    folder, arrays = mnist_like
    for read, written in zip(read_mnist(folder), arrays, strict=True):
        np.testing.assert_array_equal(read, written)
    assert read_mnist(str(folder))[0].dtype == np.uint8


def test_a_missing_file_of_mnist_tells_how_to_get_it(mnist_like):
    folder, _ = mnist_like
    (folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match=r"no t10k-labels-idx1-ubyte or .*apt-get install"):
        read_mnist(folder)


def test_labels_that_do_not_belong_to_the_images(mnist_like):
    folder, _ = mnist_like
    write_idx(folder / "t10k-labels-idx1-ubyte", np.zeros(4, np.uint8))
    with pytest.raises(FileFormatError, match=r"t10k images .* got \(3, 4, 5\) and \(4,\)"):
        read_mnist(folder)


def test_an_idx_file_without_numbers_cannot_claim_an_impossible_shape(tmp_path):
    axes = [2**32 - 1] * 3 + [0]
    head = b"\0\0\x0e\x04" + b"".join(length.to_bytes(4, "big") for length in axes)
    (tmp_path / "data").write_bytes(head)
    with pytest.raises(FileFormatError, match="claims the impossible shape"):
        read_idx(tmp_path / "data")


def test_an_npz_file_that_is_not_there_is_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_npz(tmp_path / "none.npz")


def test_a_long_field_is_told_shortly(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3," + "x" * 100_000)
    with pytest.raises(FileFormatError, match="line 3, column 2") as caught:
        read_csv(tmp_path / "t.csv")
    assert len(str(caught.value)) < 1000


def test_damaged_lzma_in_an_npz_file_is_refused(tmp_path):
    pytest.importorskip("lzma")
    path = tmp_path / "t.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("x.npy", bytes(range(256)) * 20)
    whole = path.read_bytes()
    errors = set()
    for place in range(45, 200):
        path.write_bytes(whole[:place] + b"\xff\x00\xff" + whole[place + 3 :])
        with pytest.raises(FileFormatError) as caught:
            read_npz(path)
        errors.add(type(caught.value.__cause__).__name__)
    assert "LZMAError" in errors
