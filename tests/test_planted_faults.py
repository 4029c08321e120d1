"""Faults that are planted to test the tests: each still applies, and is found or not, as it is."""

import ast
import textwrap

import pytest

from benchmarks.planted_faults import campaign, trial
from benchmarks.planted_faults.fault import DoesNotApply, Fault, replaced
from benchmarks.planted_faults.faults import ROOMS, Room

LONG = pytest.mark.long
FAULTS = [(room, fault) for room in ROOMS for fault in ROOMS[room].faults]


def test_each_fault_still_applies():
    """After a function was moved or rewritten, describe its fault in `faults/` anew."""
    broken = []
    for _, fault in FAULTS:
        try:
            file, text = fault.plant()
        except DoesNotApply as error:
            broken.append(str(error))
            continue
        compile(text, file, "exec")
        before = file.read_text("utf-8")
        assert text != before
        assert ast.dump(ast.parse(text)) != ast.dump(ast.parse(before)), fault
    assert not broken, "\n".join(broken)


def test_there_are_many_in_every_room_and_none_twice():
    assert len(FAULTS) >= 60
    assert len({fault.name for _, fault in FAULTS}) == len(FAULTS)
    for room in ROOMS.values():
        assert len(room.faults) >= 5
        for path in room.tests:
            assert (trial.ROOT / path).exists()


@pytest.mark.parametrize(
    ("where", "right", "message"),
    [
        ("chainrule.Linear.backwards", "dy", "there is no chainrule.Linear.backwards"),
        ("chainrule.no_such_file.f", "dy", "there is no chainrule.no_such_file.f"),
        ("chainrule.ReLU.backward", "y < 0", "'y < 0' is not there in .*activations"),
        ("chainrule.Sigmoid.backward", "y", "'y' is there 3 times"),
        ("chainrule.ReLU.backward", "dy; y", "one expression or one statement"),
        ("chainrule.__version__", "dy", "no function and no class"),
    ],
)
def test_one_that_does_not_apply_says_why(where, right, message):
    with pytest.raises(DoesNotApply, match=message):
        Fault("wrong", where, right, "None").plant()


SOURCE = """
def f(ü):
    if ü:  # what an axis is
        x = g(ü)[
            0
        ]; y = 2
    return x + 1
"""


@pytest.mark.parametrize(
    ("pick", "wrong", "expected"),
    [
        (lambda f: f.body[0].body[0], "pass", "pass; y = 2"),
        (lambda f: f.body[0].body[0].value, "ü * 2", "x = (ü * 2); y = 2"),
        (lambda f: f.body[1], "x = 1\nreturn x", "    x = 1\n    return x\n"),
    ],
    ids=["a statement over lines", "an expression over lines", "two statements for one"],
)
def test_code_takes_the_place_of_other_code_and_nothing_else_changes(pick, wrong, expected):
    text = replaced(SOURCE, pick(ast.parse(SOURCE).body[0]), wrong)
    assert expected in text
    assert text.startswith("\ndef f(ü):\n    if ü:")
    ast.parse(text)


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of a project of one file, whose test fails where its function returns another number.

    Its long test alone looks at a second number.
    """
    project = tmp_path / "original"
    for name, text in {
        "chainrule/__init__.py": "def f():\n    return 1, 2\n",
        "tests/test_f.py": """
            import pytest
            from chainrule import f
            def test_first():
                assert f()[0] == 1
            @pytest.mark.long
            def test_second():
                assert f()[1] == 2
            """,
        "tests/other/test_g.py": """
            def test_that_passes():
                pass
            def test_that_fails_anyway():
                assert False
            """,
        "pytest.ini": "[pytest]\nmarkers = long\n",
    }.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    monkeypatch.setattr(trial, "ROOT", project)
    monkeypatch.setitem(ROOMS, "f", Room(("tests/test_f.py",), ()))
    return trial.Copy(tmp_path)


@pytest.mark.parametrize(
    ("returned", "quick", "by", "test"),
    [
        ("3, 2", False, "its room", "tests/test_f.py::test_first"),
        pytest.param("1, 3", False, *("the long run", "tests/test_f.py::test_second"), marks=LONG),
        pytest.param("1, 3", True, "nobody", "", marks=LONG),
    ],
)
def test_who_finds_a_fault_is_told(copy, monkeypatch, returned, quick, by, test):
    fault = Fault("another number", "chainrule.f", "1, 2", returned)
    original = trial.ROOT / "chainrule" / "__init__.py"
    text = original.read_text().replace("1, 2", returned)
    monkeypatch.setattr(Fault, "plant", lambda self: (original, text))
    monkeypatch.setattr(trial, "PACKAGE", original.parent)
    outcome = campaign.Campaign(quick).try_out(copy, "f", fault)
    assert (outcome.by, outcome.test) == (by, test)
    assert (copy.root / "chainrule" / "__init__.py").read_text() == original.read_text()
    table = campaign.as_table([outcome])
    assert f"| f | f: another number | {by} |" in table
    assert campaign.in_short([outcome]).startswith("1 faults: ")
