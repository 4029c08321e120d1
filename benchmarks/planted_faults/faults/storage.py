"""Faults in what is saved and loaded."""

from benchmarks.planted_faults.fault import Fault
from benchmarks.planted_faults.faults.room import Room

ROOM = Room(
    tests=("tests/storage", "tests/test_network.py"),
    faults=(
        Fault(
            "checksum without the names",
            "chainrule.storage.archive.checksum",
            "f'\\n{name} {array.dtype.str} {array.shape}\\n'.encode()",
            "b''",
        ),
        Fault(
            "checksum not compared",
            "chainrule.storage.archive.read_archive",
            "parts['sha256'] != checksum(arrays, parts['description'])",
            "False",
        ),
        Fault(
            "a newer format is read",
            "chainrule.storage.archive.read_archive",
            "isinstance(parts, dict) and parts.get('format', FORMAT) != FORMAT",
            "False",
        ),
        Fault(
            "shared parameters become separate",
            "chainrule.storage.module_file.share",
            "_put(attributes, keys, things[0])",
            "pass",
        ),
        Fault(
            "NaN is saved",
            "chainrule.storage.module_file._refuse_not_finite",
            "not np.isfinite(array).all()",
            "False",
        ),
        Fault(
            "float64 comes back as float32",
            "chainrule.storage.module_file._cast_as",
            "cast(module, types.pop())",
            "pass",
        ),
        Fault(
            "a tuple comes back as a list",
            "chainrule.storage.architecture._Describer.value",
            "{'tuple': [self.value(item, where) for item in value]}",
            "[self.value(item, where) for item in value]",
        ),
    ),
)
