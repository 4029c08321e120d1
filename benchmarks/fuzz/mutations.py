"""How a valid file is made invalid, at every level that a reader checks.

The levels are bytes, the zip's structure, the arrays' headers, the description and the arrays. A
change behind the checksum gets a correct checksum; otherwise no reader would get that far.
"""

from __future__ import annotations

import copy
import io
import json
import random
import struct
import warnings
import zipfile
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from chainrule.storage.archive import DESCRIPTION, checksum

Mutation = Callable[[bytes, random.Random], bytes]
Members = list[tuple[str, bytes]]

# ---------------------------------------------------------------- bytes


def bytes_changed(data: bytes, rng: random.Random) -> bytes:
    """Flip bits, overwrite, delete or repeat a piece, insert random bytes, or cut off the end."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 5, 20))):
        place, length = rng.randrange(len(out) + 1), rng.choice((1, 1, 2, 4, 8, 100))
        piece = bytes(out[place : place + length])
        match rng.randrange(7):
            case 0 if piece:
                out[place] ^= 1 << rng.randrange(8)
            case 1:
                out[place : place + length] = rng.randbytes(length)
            case 2:
                out[place : place + length] = rng.choice((b"\0", b"\xff", b"\x7f")) * length
            case 3:
                del out[place : place + length]
            case 4:
                out[place:place] = piece
            case 5:
                out[place:place] = rng.randbytes(length)
            case 6 if rng.random() < 0.2:
                del out[place:]
        out = out or bytearray(b"\0")
    return bytes(out)


# ---------------------------------------------------------------- the zip


def members_of(data: bytes) -> Members:
    """Return the members of a zip archive, in order."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist()]


def zipped(members: Members, compression: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip archive with correct CRCs, whatever is in it."""
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", compression) as archive:
        warnings.simplefilter("ignore")  # about duplicate names
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return file.getvalue()


NAMES = [
    "",
    "a",
    "../a.npy",
    "/a.npy",
    ".npy",
    "chainrule.npy",
    "values/.npy",
    "x" * 300,
    "é\0.npy",
]


def zip_changed(data: bytes, rng: random.Random) -> bytes:
    """Drop, repeat, rename, reorder or compress members, or change the zip's own tables."""
    members = members_of(data)
    place = rng.randrange(len(members))
    name, content = members[place]
    match rng.randrange(7):
        case 0:
            del members[place]
        case 1:
            members.append((name, content))
        case 2:
            members[place] = (rng.choice([*NAMES, rng.choice(members)[0]]), content)
        case 3:
            rng.shuffle(members)
        case 4:
            kinds = (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
            return zipped(members, rng.choice(kinds))
        case 5:
            members[place] = (name, rng.choice((b"", b"text", content[: len(content) // 2])))
        case _:
            return _tables_changed(zipped(members), rng)
    return zipped(members)


def _tables_changed(data: bytes, rng: random.Random) -> bytes:
    """Overwrite a field of a local header, the central directory or its end with a likely value."""
    out = bytearray(data)
    signature = rng.choice((b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"))
    places = [i for i in range(len(out) - 3) if out[i : i + 4] == signature]
    place = rng.choice(places) + rng.randrange(4, 46)
    size, lies = rng.choice(((2, (0, 1, 8, 99, 2**15, 2**16 - 1)), (4, (0, 1, 2**31, 2**32 - 1))))
    lie = rng.choice(lies).to_bytes(size, "little")
    out[place : place + size] = lie
    return bytes(out)


# ---------------------------------------------------------------- the arrays' headers

TYPES = [
    "<f4",
    ">f8",
    "<f2",
    "<f16",
    "|b1",
    "|u1",
    "<i8",
    "|O",
    "<U4",
    "<c8",
    "<M8[ns]",
    "f3",
    "<f0",
]
SHAPES = [
    *("()", "(0,)", "(1,)", "(-1,)", "(-1, -1)", "(1000000000,)", "(4294967296, 4294967296)"),
    *("(0, 9223372036854775808)", "(1" + ", 1" * 70 + ")", "(9" + "9" * 400 + ",)", "(1.5,)"),
    *("(True,)", "[3]", "3", "(3,", "(1L,)", "((((((((((", "(,)"),
]
LINES = [
    *("", "{", "}", "{}", "None", "__import__('os').abort()", "(" * 5000, "[" * 9000, "{'a': 1}"),
    *("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "\0\0", "'''", "1is"),
    *("{'descr': '<f4', 'descr': '<f4', 'shape': (1,)}", "{'descr': 3, 'fortran_order': 0}"),
]


def npy(line: str, content: bytes, version: bytes = b"\x01\x00") -> bytes:
    """Return a ``.npy`` file with any text as its header."""
    text = line.encode("latin-1", "replace")
    length = struct.pack("<H" if version == b"\x01\x00" else "<I", len(text) % 2**16)
    return b"\x93NUMPY" + version + length + text + content


def header_changed(data: bytes, rng: random.Random) -> bytes:
    """Give an array another header: another type, another shape, or something else."""
    members = members_of(data)
    place = rng.randrange(len(members))
    name, content = members[place]
    body = content[rng.choice((128, 128, 64)) :]
    order = rng.choice(("False", "False", "True", "1", "None"))
    line = (
        f"{{'descr': '{rng.choice(TYPES)}', 'fortran_order': {order}, "
        f"'shape': {rng.choice(SHAPES)}, }}"
    )
    if rng.random() < 0.4:
        line = rng.choice(LINES)
    elif rng.random() < 0.3:
        line = bytes_changed(content[10:128], rng).decode("latin-1")
    version = rng.choice((b"\x01\x00", b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x00\x00"))
    members[place] = (name, npy(line, body, version))
    return zipped(members)


# ---------------------------------------------------------------- behind the checksum


def opened(data: bytes) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Return the arrays, the description and the kind of a chainrule file."""
    arrays, text, kind = _parts(data)
    return dict(arrays), json.loads(text), kind


@cache
def _parts(data: bytes) -> tuple[dict[str, Any], str, str]:
    arrays = {
        name.removesuffix(".npy"): np.load(io.BytesIO(content))
        for name, content in members_of(data)
    }
    head = json.loads(arrays.pop(DESCRIPTION).tobytes())
    return arrays, head["description"], head["kind"]


def closed(arrays: dict[str, Any], text: str, kind: Any) -> bytes:
    """Return a file with a correct checksum, whatever is in it."""
    head = {"format": 1, "kind": kind, "sha256": checksum(arrays, text), "description": text}
    encoded = json.dumps(head).encode()
    members = []
    for name, array in {**arrays, DESCRIPTION: np.frombuffer(encoded, np.uint8)}.items():
        file = io.BytesIO()
        np.save(file, array)
        members.append((f"{name}.npy", file.getvalue()))
    return zipped(members)


def hostile_value(rng: random.Random, found: list[Any]) -> Any:
    """Return a value that does not belong there, often one from elsewhere in the file."""
    deep: Any = 1
    for _ in range(rng.choice((2, 50, 200))):
        deep = rng.choice(([deep], {"module": deep}, {"tuple": [deep]}, {"dict": {"a": deep}}))
    plain = [
        *(
            None,
            True,
            False,
            0,
            1,
            -1,
            2,
            7,
            255,
            1000,
            10**6,
            10**9,
            2**63,
            2**64,
            10**30,
            -(10**9),
        ),
        *(0.5, -0.0, 1e308, -1e308, 1e-320, float("nan"), float("inf"), float("-inf")),
        *("", "x", "no such name", "os.system", "Linear", "ReLU", "Network", "\ud800", "x" * 5000),
        *([], {}, [[]], [0] * 300, [None], {"same": 0}, {"same": -1}, {"same": 10**9}, deep),
        *({"class": "ReLU", "arguments": {}}, {"module": {"class": "ReLU", "arguments": {}}}),
        *({"dtype": "float64"}, {"dtype": "object"}, {"array": [1], "dtype": "O"}, {"": 1}),
    ]
    sizes = rng.choice((1, 3, 10**3, 10**6, 10**9))
    greedy = {
        "Linear": {"in_features": sizes, "out_features": rng.choice((1, 10**6))},
        "LayerNorm": {"normalized_shape": {"tuple": [sizes, 7]}},
        "BatchNorm": {"num_features": sizes},
        "RMSNorm": {"normalized_shape": sizes},
        "PReLU": {"num_parameters": sizes},
        "PositionalEncoding": {"embed_dim": sizes, "max_length": sizes},
        "LSTM": {"input_size": 1, "hidden_size": 1, "num_layers": sizes},
        "Embedding": {"num_embeddings": sizes, "embedding_dim": 8},
        "Network": {"layers": [1] * min(sizes, 3000)},
    }
    kind = rng.choice(list(greedy))
    module = {"class": kind, "arguments": greedy[kind]}
    return rng.choice(
        (rng.choice(plain), rng.choice(plain), rng.choice(found), module, {"module": module})
    )


NUMBERS: dict[type, list[Any]] = {
    bool: [True, False, 0, 1, None],
    int: [-1, 0, 1, 2, 10**6, 2**31, 2**53, 2**53 + 1, 2**63, 2**64, 10**400, True, 0.0],
    float: [0.0, -1e-9, 1e-320, 1e-46, 1e39, 1e308, float("inf"), float("-inf"), float("nan"), 1],
}
"""Numbers at the borders of what a kind of number can be."""


def alike(tree: Any, value: Any) -> list[Any]:
    """Return all values in a description that are of the same kind as this one."""
    found, waiting = [], [tree]
    while waiting:
        thing = waiting.pop()
        if type(thing) is type(value):
            found.append(thing)
        waiting += thing.values() if isinstance(thing, dict) else ()
        waiting += thing if isinstance(thing, list) else ()
    return found


def tree_changed(tree: Any, rng: random.Random) -> Any:
    """Return a description with one entry replaced, deleted, repeated or renamed."""
    places: list[tuple[Any, Any]] = []
    at = tree
    while isinstance(at, dict | list) and at:  # a random path: every depth is equally likely
        key = rng.choice(list(at) if isinstance(at, dict) else range(len(at)))
        places.append((at, key))
        at = at[key]
    if not places:
        return hostile_value(rng, [None])
    owner, key = rng.choice(places)
    found = [copy.deepcopy(o[k]) for o, k in places[-3:]]
    match rng.randrange(8):
        case 0:
            del owner[key]
        case 1 if isinstance(owner, dict):
            owner[rng.choice(("", "x", "class", "same", "custom", "bias"))] = owner.pop(key)
        case 1:
            owner.extend(owner[:200] * rng.choice((1, 3)))
        case 2 if isinstance(owner, dict):
            owner[rng.choice(("x", "seed", "custom", "bias", "dtype"))] = hostile_value(rng, found)
        case 3 if type(owner[key]) in (int, float):
            number = owner[key]
            owner[key] = rng.choice((number + 1, number - 1, -number, number * 2, number * 1000, 0))
        case 4:  # of the right kind, so that a schema lets it pass
            owner[key] = copy.deepcopy(rng.choice(alike(tree, owner[key])))
        case 5 if type(owner[key]) in NUMBERS:
            owner[key] = rng.choice(NUMBERS[type(owner[key])])
        case _:
            owner[key] = hostile_value(rng, found)
    return tree


def description_changed(data: bytes, rng: random.Random) -> bytes:
    """Change one or more entries of the description; the checksum is correct."""
    arrays, description, kind = opened(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        description = tree_changed(description, rng)
    text = json.dumps(description)
    if rng.random() < 0.1:
        text = rng.choice(
            (bytes_changed(text.encode(), rng).decode("latin-1"), "[" * 3000, "9" * 5000)
        )
    return closed(arrays, text, kind if rng.random() < 0.98 else rng.choice(("module", 3, None)))


VALUES = [np.nan, np.inf, -np.inf, 3e38, 1e308, -1.0, 0.0, 1e-45, 2.0**31, -(2.0**63), 1e19]


def array_changed(array: Any, rng: random.Random) -> Any:
    """Return the array with another type, another shape, or another value in it."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        match rng.randrange(6):
            case 0:
                return array.astype(rng.choice(("f2", "f4", "f8", "i1", "i8", "u1", "?")))
            case 1:
                return array.reshape(-1)[: rng.randrange(array.size + 1)]
            case 2:
                return array.reshape(rng.choice(((-1,), (1, -1), (-1, 1), array.shape[::-1])))
            case 3:
                return np.resize(array, rng.choice(((), (1,), (2, 2), (0, 3), (1000,), (3, 3))))
            case _ if array.size:
                array = array.copy()
                place = rng.choice((slice(None), rng.randrange(array.size)))
                array.reshape(-1)[place] = np.array(rng.choice(VALUES)).astype(array.dtype)
    return array


def arrays_changed(data: bytes, rng: random.Random) -> bytes:
    """Change, rename, add or delete arrays; the checksum is correct."""
    arrays, description, kind = opened(data)
    for _ in range(rng.choice((1, 1, 2, 5))):
        if not arrays:
            break
        name = rng.choice(list(arrays))
        match rng.randrange(8):
            case 0:
                del arrays[name]
            case 1:
                arrays[rng.choice((name + "x", "values/x", "order", "x/tuple/7"))] = arrays[name]
            case 2:
                arrays[rng.choice(list(arrays))] = arrays[name]
            case _:
                arrays[name] = array_changed(arrays[name], rng)
    if rng.random() < 0.1:
        description = tree_changed(description, rng)
    return closed(arrays, json.dumps(description), kind)


def plain_arrays_changed(data: bytes, rng: random.Random) -> bytes:
    """Change arrays in an ordinary .npz file."""
    with np.load(io.BytesIO(data)) as file:
        arrays = {name: file[name] for name in file.files}
    name = rng.choice(list(arrays))
    arrays[name] = array_changed(arrays[name], rng)
    if rng.random() < 0.2:
        arrays[name] = rng.choice((np.array(["text"]), np.array([1j]), np.array([None])))
    out = io.BytesIO()
    rng.choice((np.savez, np.savez_compressed))(out, **arrays)
    return out.getvalue()


# ---------------------------------------------------------------- IDX and CSV


def idx_changed(data: bytes, rng: random.Random) -> bytes:
    """Change an IDX file's header; sometimes compress the file afterwards."""
    import gzip

    out = bytearray(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)
    match rng.randrange(4):
        case 0:
            out[2] = rng.choice((0x08, 0x09, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F, 0))
        case 1:
            out[3] = rng.choice((0, 1, 2, 3, 4, 40, 64, 65, 255))
        case 2:
            place = rng.choice((4, 8, 12))
            lie = rng.choice((0, 1, 2**31, 2**32 - 1, 10**9))
            out[place : place + 4] = lie.to_bytes(4, "big")
        case _:
            out = bytearray(bytes_changed(bytes(out), rng))
    return gzip.compress(bytes(out), 1) if rng.random() < 0.3 else bytes(out)


FIELDS = [
    *(
        "",
        " ",
        "nan",
        "inf",
        "-inf",
        "1e999",
        "1_0",
        "0x10",
        "١",
        '"',
        '""',
        '"1',
        "'",
        "a,b",
        "a\nb",
    ),
    *("1" * 400, "9" * 5000, "\0", "\ufeff", "é", "1;2", "=1+1", "\r", "--1", "1e", "x" * 200_000),
]


def csv_changed(data: bytes, rng: random.Random) -> bytes:
    """Change fields, rows or the encoding of a table."""
    rows = [line.split(",") for line in data.decode().splitlines()]
    for _ in range(rng.choice((1, 1, 3))):
        row = rng.choice(rows)
        match rng.randrange(6):
            case 0:
                row[rng.randrange(len(row))] = rng.choice(FIELDS)
            case 1 if len(row) > 1:
                row.pop()
            case 2:
                row.append(rng.choice(FIELDS))
            case 3:
                rows.insert(rng.randrange(len(rows)), rng.choice(([""], ["", ""], list(row))))
            case 4:
                rows += [list(r) for r in rows] * rng.choice((1, 5))
            case _:
                row[rng.randrange(len(row))] = rng.choice(FIELDS)
    text = rng.choice(("\n", "\r\n", "\n", "\r")).join(",".join(row) for row in rows)
    return text.encode(rng.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16")), "replace")
