"""Every page of the doctor's guide: its condition is reported first, and its code runs."""

import runpy
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from chainrule.doctor.conditions import CONDITIONS

ROOT = Path(__file__).resolve().parent.parent.parent
GENERATOR = runpy.run_path(str(ROOT / "docs" / "generate_doctor.py"))
FOLDER = ROOT / "docs" / "doctor"
OTHERS = ("README", "design")
PAGES = {page.stem: page for page in sorted(FOLDER.glob("*.md")) if page.stem not in OTHERS}


@pytest.mark.long  # each trains a network that is ill, and networks that are treated
@pytest.mark.parametrize("name", PAGES)
def test_the_condition_of_a_page_is_reported_first(name):
    example, *remedy = GENERATOR["blocks"](PAGES[name])
    names = {"__name__": "page"}
    printed = GENERATOR["run"](example, names)
    report = names["report"]
    assert report.findings[0].id == name
    first_screen = printed.splitlines()[:24]
    assert any(name in line for line in first_screen)
    for block in remedy:
        GENERATOR["run"](block, names)
    assert isinstance(names["figure"], Figure)


def test_there_is_a_page_for_each_condition_and_the_guide_lists_it():
    assert set(PAGES) == set(CONDITIONS) - {"refused"}
    for name, page in PAGES.items():
        heading = page.read_text("utf-8").splitlines()[0]
        assert heading == f"# {CONDITIONS[name].title}: `{name}`"
    guide = (FOLDER / "README.md").read_text("utf-8")
    assert guide.endswith(GENERATOR["table_of_conditions"]())


def test_pages_hold_what_their_code_printed():
    for page in PAGES.values():
        for _, printed in GENERATOR["BLOCK"].findall(page.read_text("utf-8")):
            assert len(printed.splitlines()) <= GENERATOR["MOST_LINES"] + 1
    assert "PROBLEM  dead-relu" in PAGES["dead-relu"].read_text("utf-8")
    assert all(page.with_suffix(".png").exists() for page in PAGES.values())
