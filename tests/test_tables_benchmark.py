# ruff: noqa: E402 (pandas is asked for before what needs it)
"""The comparison on real tables keeps its books right. On made-up tables; nothing is downloaded."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pd = pytest.importorskip("pandas")
pytest.importorskip("sklearn")

from benchmarks.tables import catalogue, command, preparation, records, report, run, scores, worker
from benchmarks.tables import standing as standings
from benchmarks.tables.catalogue import Entry
from benchmarks.tables.methods import Method, methods
from benchmarks.tables.prepare import fingerprint, prepare
from benchmarks.tables.table import Facts, Table, cache_folder, facts_of

ROOT = Path(__file__).parents[1]


def made_up(rows=60, task="classification", seed=0) -> pd.DataFrame:
    """A number and a category with holes, what never changes, and what follows from them."""
    rng = np.random.default_rng(seed)
    size = rng.normal(size=rows)
    kind = rng.choice(["NA", "b", "3"], size=rows).astype(object)
    target = size + (kind == "b")
    frame = pd.DataFrame({"size": size, "kind": kind, "same": 1, "id": np.arange(rows)})
    frame["target"] = np.where(target > 0, "yes", "no") if task == "classification" else target
    frame.loc[3, "size"] = np.nan
    frame.loc[5, "kind"] = None
    return frame


def prepared(name="made up", task="classification", **changes) -> Table:
    entry = Entry(name, "nowhere", "nothing", "target", task, drop=("id",))
    return prepare(replace(entry, **changes), made_up(task=task))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache with two prepared tables, which are all that there is."""
    entries = (
        Entry("vehicle", "nowhere", "nothing", "target", "classification", drop=("id",)),
        Entry("concrete", "nowhere", "nothing", "target", "regression", drop=("id",)),
    )
    monkeypatch.setattr(command, "BY_NAME", {entry.name: entry for entry in entries})
    monkeypatch.setattr(command, "ENTRIES", entries)
    for entry in entries:
        prepare(entry, made_up(task=entry.task)).save(tmp_path / "data")
    return tmp_path


def test_the_halves_are_named_and_alike():
    names = [entry.name for entry in catalogue.ENTRIES]
    assert len(set(names)) == len(names) >= 24
    choosing, judging = (
        sorted(entry.task for entry in half) for half in (catalogue.CHOOSING, catalogue.JUDGING)
    )
    assert choosing == judging


def test_a_table_is_prepared_and_nothing_more():
    frame = made_up()
    frame.loc[7, "target"] = None
    frame.loc[8, "target"] = "rare"
    table = prepare(Entry("t", "", "", "target", "classification", drop=("id",)), frame)
    assert list(table.X) == ["size", "kind"]
    assert len(table.X) == len(table.y) == 58
    assert set(table.y) == {0, 1}
    assert table.facts.rows == 58
    assert (table.facts.numbers, table.facts.categories, table.facts.classes) == (1, 1, 2)
    assert table.X["size"].isna().sum() == table.X["kind"].isna().sum() == 1
    assert set(table.X["kind"].cat.categories) == {"NA", "b", "3"}


def test_a_number_that_is_a_name_becomes_a_category():
    frame = made_up(task="regression").assign(code=np.arange(60) % 3)
    for named, kind in (((), "f"), (("code",), "O")):
        entry = Entry("t", "", "", "target", "regression", categories=named)
        assert prepare(entry, frame).X["code"].dtype.kind == kind


def test_a_table_that_is_too_long_is_cut_and_always_in_the_same_way(monkeypatch):
    monkeypatch.setattr("benchmarks.tables.prepare.MOST_ROWS", 50)
    monkeypatch.setattr("benchmarks.tables.prepare.SAMPLE", 40)
    first, second = prepared(), prepared()
    assert first.facts.rows == 40
    assert first.facts == second.facts


def test_a_table_comes_out_of_the_cache_as_it_went_in(tmp_path):
    for task in ("classification", "regression"):
        table = prepared(task=task)
        table.save(tmp_path)
        loaded = Table.load(tmp_path, "made up")
        assert facts_of(tmp_path, "made up") == loaded.facts == table.facts
        assert fingerprint(loaded.X, loaded.y) == table.facts.fingerprint
        np.testing.assert_array_equal(loaded.y, table.y)
        pd.testing.assert_frame_equal(loaded.X, table.X)
    changed = loaded.X.assign(size=loaded.X["size"] * 2)
    assert fingerprint(changed, loaded.y) != table.facts.fingerprint
    with pytest.raises(SystemExit, match="prepare"):
        facts_of(tmp_path, "unheard of")


def test_the_cache_is_where_one_says(tmp_path, monkeypatch):
    monkeypatch.setenv("CHAINRULE_TABLES", str(tmp_path / "named"))
    assert cache_folder() == tmp_path / "named"
    assert cache_folder(tmp_path) == tmp_path


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_split_is_a_fifth_is_stratified_and_is_the_same_for_all(task):
    table = prepared(task=task)
    learning, testing = table.split(0)
    assert len(testing) == 12
    assert sorted([*learning, *testing]) == list(range(60))
    np.testing.assert_array_equal(table.split(0)[1], testing)
    assert set(table.split(1)[1]) != set(testing)
    assert table.y[testing].mean() == pytest.approx(table.y.mean(), abs=0.2)


def test_the_preparation_leaves_no_hole_and_knows_no_new_category():
    X = prepared().X
    ready = preparation.one_hot().fit(X)
    numbers = ready.transform(X)
    assert numbers.shape == (60, 2 + 4)  # size and whether it is missing; three kinds and none
    assert np.isfinite(numbers).all()
    np.testing.assert_allclose(numbers.mean(axis=0)[:2], 0.0, atol=1e-12)
    stranger = X.head(1).assign(kind=pd.Categorical(["never seen"]))
    assert (ready.transform(stranger)[0, 2:] == 0).all()
    filled = preparation.imputed().fit_transform(X)
    assert filled["size"].notna().all()
    assert filled["kind"].isna().sum() == 1


def test_calibration_is_what_its_formula_says():
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.0, 1.0]])
    y = np.array([0, 1, 1, 1])
    expected = (abs(2 * 0.9 - 1) + abs(0.6 - 1) + abs(1.0 - 1)) / 4
    assert scores.expected_calibration_error(y, probabilities) == pytest.approx(expected)
    found = scores.of_classes(y, probabilities.argmax(axis=1), probabilities)
    assert found["accuracy"] == 0.75
    assert found["balanced_accuracy"] == pytest.approx((1 + 2 / 3) / 2)
    assert found["log_loss"] == pytest.approx(-np.log([0.9, 0.1, 0.6, 1.0]).mean())


def test_scores_of_numbers_and_of_intervals():
    y = np.array([0.0, 2.0, 4.0])
    found = scores.of_numbers(y, np.array([0.0, 2.0, 1.0]))
    assert found == {"r2": pytest.approx(1 - 9 / 8), "rmse": pytest.approx(np.sqrt(3))}
    found = scores.of_intervals(y, y - 1, np.array([1.0, 1.5, 5.0]), deviation=0.5)
    assert found["coverage_90"] == pytest.approx(2 / 3)
    assert found["width_90"] == pytest.approx((2 + 0.5 + 2) / 3 / 0.5)


class Oracle:
    """Answers with the mean of what it has learned, and has an interval around it."""

    def fit(self, X, y):
        assert X["size"].isna().sum() <= 1
        self.mean = y.mean()
        return self

    def predict(self, X):
        return np.full((len(X), 1), self.mean)


def test_a_method_with_intervals_is_measured():
    method = Method(
        *("oracle", "numpy", lambda task, seed: Oracle()),
        cost=0,
        interval=lambda model, X, level: (np.full(len(X), -99.0), np.full(len(X), 99.0)),
    )
    record, predictions = worker.fit_and_score(prepared(task="regression"), 0, method)
    assert predictions.shape == (12,)
    assert record["scores"]["coverage_90"] == 1.0
    assert record["scores"]["r2"] <= 0
    assert record["fit"]["cpu"] >= 0
    assert record["peak_kib"] > 0


def test_a_class_that_was_not_learned_has_probability_zero():
    found = worker._in_order(np.array([[0.3, 0.7]]), np.array([0, 2]), 3)
    np.testing.assert_array_equal(found, [[0.3, 0.0, 0.7]])


def test_the_version_of_a_package_that_is_only_a_checkout_is_found(monkeypatch):
    method = methods()["MLP"]
    assert worker.version_of(method).startswith("scikit-learn ")
    a_module = type("module", (), {"__version__": "3.2.1"})
    monkeypatch.setitem(sys.modules, "only_a_checkout", a_module)
    found = worker.version_of(replace(method, package="only_a_checkout"))
    assert found == "only_a_checkout 3.2.1"


def test_processor_time_is_what_was_worked_and_not_what_was_waited():
    _, waited = worker.timed(lambda: time.sleep(0.2))
    assert waited["wall"] >= 0.2
    assert waited["cpu"] < waited["wall"]


def test_cheap_methods_and_small_tables_come_first_and_then_what_judges_at_little_cost():
    facts = Facts("vehicle", "classification", 10, 1, 0, 2, 0.0, "")
    tables = [facts, replace(facts, name="sonar", rows=5), replace(facts, name="cells", rows=30)]
    cheap = Method("cheap", "numpy", lambda task, seed: None, cost=1)
    dear, dearer = (replace(cheap, name=f"cost {c}", cost=c) for c in (10, 40))
    fits = run.order([dearer, dear, cheap], tables, 1)
    assert [(table, method) for table, _, method in fits] == [
        *[("sonar", "cheap"), ("vehicle", "cheap"), ("cells", "cheap")],
        *[("sonar", "cost 10"), ("cells", "cost 10"), ("vehicle", "cost 10")],
        *[("sonar", "cost 40"), ("cells", "cost 40"), ("vehicle", "cost 40")],
    ]
    both = run.order([cheap], tables[:1], 2)
    assert both == [("vehicle", 0, "cheap"), ("vehicle", 1, "cheap")]


def test_a_killed_run_goes_on_where_it_was(tmp_path):
    file = tmp_path / "results.jsonl"
    assert records.read(file) == {}
    whole = {"table": "a", "split": 0, "method": "m", "status": "failed"}
    records.append(file, whole)
    with file.open("a") as stream:
        stream.write('{"table": "a", "spl')  # killed while it wrote
    records.append(file, whole | {"split": 1, "status": "ok"})
    found = records.read(file)
    assert [key[1] for key in found] == [0, 1]
    fits = [("a", split, "m") for split in range(3)]
    assert run.left_to_do(fits, found) == [("a", 2, "m")]
    assert run.left_to_do(fits, found, ["failed"]) == [("a", 0, "m"), ("a", 2, "m")]
    records.append(file, whole | {"status": "ok"})
    assert records.read(file)["a", 0, "m"]["status"] == "ok"


def test_from_the_command_line_and_again(cache, capsys):
    arguments = ["--cache", str(cache), "run", "--methods", "baseline", "linear", "--splits", "2"]
    command.main(arguments)
    with pytest.raises(SystemExit, match="nothing to rank"):
        command.main(["--cache", str(cache), "report"])
    arguments += ["--methods", "baseline", "linear", "HistGradientBoosting"]
    command.main(arguments)
    assert capsys.readouterr().out.count("fit ") == 12
    command.main(arguments)
    assert capsys.readouterr().out == ""
    found = records.read(cache / "results.jsonl")
    assert {record["status"] for record in found.values()} == {"ok"}
    assert found["vehicle", 0, "linear"]["version"].startswith("scikit-learn ")
    kept = np.load(cache / "predictions" / "linear" / "vehicle-1.npz")["predictions"]
    assert kept.shape == (12, 2)

    command.main(["--cache", str(cache), "status", "--methods", "linear"])
    assert "4 ok of 4" in capsys.readouterr().out
    small = cache / "small.jsonl"
    command.main(["--cache", str(cache), "report", "--condense", str(small)])
    assert "concrete" in capsys.readouterr().out
    assert len(small.read_text().splitlines()) == 12
    with pytest.raises(SystemExit, match="'TabM' has no results"):
        command.main(["--cache", str(cache), "report", "--against", "TabM"])
    with pytest.raises(SystemExit, match="No name matches"):
        command.main(["--cache", str(cache), "run", "--tables", "unheard-of"])


def test_a_fit_that_fails_or_takes_too_long_is_recorded_as_such(cache, monkeypatch):
    monkeypatch.setattr(run, "PATIENCE", 0.0)
    assert run.one(cache, ("vehicle", 0, "baseline"), 10)["status"] == "out of time"
    monkeypatch.undo()
    record = run.one(cache, ("unheard of", 0, "baseline"), 10)
    assert record["status"] in ("failed", "out of time")
    into = cache / "measured.json"
    worker.work(cache, ("vehicle", 0, "unheard of"), 10, into)
    record = {"table": "vehicle", "split": 0, "method": "unheard of"} | json.loads(into.read_text())
    assert record["status"] == "failed"
    assert "KeyError" in run.in_short(record)


def test_a_limit_of_processor_time_ends_a_process():
    code = "from benchmarks.tables import worker\nworker.limit_processor(0)\nwhile True: pass"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=120)
    assert ended.returncode == -signal.SIGXCPU


ABC = [Method(name, "numpy", lambda task, seed: None, cost=1) for name in "abc"]


def by_hand() -> tuple[dict, list[Facts]]:
    """Three tables, two splits; c is not run on the third, b did not end on half the second."""
    facts = Facts("ionosphere", "classification", 10, 1, 0, 2, 0.0, "")
    tables = [
        facts,
        replace(facts, name="concrete", task="regression", classes=0),
        replace(facts, name="letter", rows=20_000),
    ]
    scored = {
        ("ionosphere", "baseline"): [0.5, 0.5],
        ("ionosphere", "a"): [0.9, 0.9],
        ("ionosphere", "b"): [0.8, 0.6],
        ("ionosphere", "c"): [0.4, 0.4],
        ("concrete", "baseline"): [0.0, 0.0],
        ("concrete", "a"): [0.4, 0.4],
        ("concrete", "b"): [0.8, None],
        ("concrete", "c"): [0.8, 0.8],
        ("letter", "baseline"): [0.1, 0.1],
        ("letter", "a"): [0.9, 0.9],
        ("letter", "b"): [0.9, 0.9],
    }
    found = {}
    for (table, method), both in scored.items():
        name = "r2" if table == "concrete" else "accuracy"
        for split, score in enumerate(both):
            record = {"table": table, "split": split, "method": method, "status": "out of time"}
            if score is not None:
                seconds = {"cpu": {"a": 1.0, "b": 2.0, "c": 8.0}.get(method, 0.0), "wall": 9.0}
                record |= {"status": "ok", "scores": {name: score}}
                record |= {"fit": seconds, "predict": seconds}
            found[table, split, method] = record
    return found, tables


def test_standing_by_hand():
    found, tables = by_hand()
    figures = standings.standing(found, tables, ABC, 2)
    assert [facts.name for facts in figures.tables] == ["ionosphere", "concrete"]
    np.testing.assert_allclose(figures.scores, [[0.9, 0.7, 0.4], [0.4, 0.4, 0.8]])
    np.testing.assert_allclose(figures.normalised, [[1.0, 0.5, 0.0], [0.5, 0.5, 1.0]])
    np.testing.assert_array_equal(figures.ranks, [[1, 2, 3], [2.5, 2.5, 1]])
    np.testing.assert_array_equal(figures.times_best, [1, 0, 1])
    np.testing.assert_allclose(figures.errors[:, 0], [0.1, np.sqrt(0.6)])
    assert figures.geometric_mean_error()[0] == pytest.approx(
        np.sqrt(0.11 * (np.sqrt(0.6) + 0.01)) - 0.01
    )
    assert figures.worse_beyond_spread("c", "b") == ["ionosphere"]  # 0.3 behind, spread 0.14
    assert figures.worse_beyond_spread("b", "a") == ["ionosphere"]
    assert figures.worse_beyond_spread("a", "c") == ["concrete"]


def test_marks_are_shown_but_not_ranked():
    found, tables = by_hand()
    best = replace(ABC[2], ranked=False)
    figures = standings.standing(found, tables[1:2], [*ABC[:2], best], 2)
    np.testing.assert_array_equal(figures.ranks, [[1.5, 1.5, np.nan]])
    np.testing.assert_allclose(figures.normalised, [[1.0, 1.0, 2.0]])


def test_a_table_where_nobody_beats_the_baseline_gives_nobody_a_point():
    found, tables = by_hand()
    for split in range(2):
        found["ionosphere", split, "baseline"]["scores"]["accuracy"] = 0.95
    figures = standings.standing(found, tables[:1], ABC, 2)
    np.testing.assert_array_equal(figures.normalised, [[0, 0, 0]])


def test_duels_by_hand():
    found, tables = by_hand()
    figures = standings.standing(found, tables, ABC, 2)
    against = standings.duel(figures, "a", "b")
    assert (against.better, against.equal, against.worse) == (1, 1, 0)
    assert against.difference == 0.25
    assert against.interval == (0.0, 0.5)
    assert against.p == 1.0
    assert standings.duel(figures, "a", "a").p == 1.0


def test_the_interval_covers_the_mean_and_narrows_with_more_tables():
    few = np.array([0.0, 1.0] * 4)
    low, high = standings.interval(few)
    assert low < 0.5 < high
    lower, higher = standings.interval(np.tile(few, 10))
    assert higher - lower < 0.5 * (high - low)
    assert standings.interval(few) == (low, high)


def test_the_report_says_it_all():
    found, tables = by_hand()
    text = report.everything(ABC, tables, found, 2, against="a")
    assert "Judging, all: 2 of 3 tables (not run by all: letter)" in text
    lines = text.splitlines()
    a, b, c = (next(line for line in lines if line.startswith(f"| {n} |")) for n in "abc")
    assert a.startswith("| a | 1.75 | 0.750")
    assert a.endswith("| 1 | 1 |")
    assert b.endswith("| 2 | 2 |")
    assert c.endswith("| 8 | 8 |")
    assert "| b | 1 / 1 / 0 | +0.250 (+0.000 to +0.500) | 1.000 | none |" in lines
    assert "| c | 1 / 0 / 1 | +0.250 (-0.500 to +1.000) | 1.000 | concrete |" in lines
    assert "| letter | judging | 20,000 | accuracy | **0.9000** | **0.9000** | – |" in lines
    assert "| concrete | 10 | 1 + 1 | 2 + 2 | 8 + 8 |" in lines
    assert "| b | concrete | 1 | out of time |" in lines
    assert "Judging, up to 5,000 rows: 2 tables" in text
    assert "Choosing" not in text  # there is none


def test_the_condensed_records_are_enough_to_report_again():
    found, tables = by_hand()
    lines = report.condensed(found, tables).splitlines()
    again = {records.key_of(record): record for record in map(json.loads, lines)}
    assert report.everything(ABC, tables, again, 2) == report.everything(ABC, tables, found, 2)


def test_the_registry_knows_the_peers_without_importing_them():
    known = methods()
    names = {"baseline", "linear", "LightGBM", "HistGradientBoosting", "RandomForest", "MLP"}
    assert names | {"RealMLP", "TabM"} <= known.keys()
    assert [method.cost for method in known.values()] == sorted(m.cost for m in known.values())
    assert not run.installed(replace(known["MLP"], package="no_such_package"))
    assert run.installed(known["MLP"])


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("name", ["HistGradientBoosting", "RandomForest", "LightGBM"])
def test_peers_take_the_tables_as_they_are(name, task):
    method = methods()[name]
    if not run.installed(method):
        pytest.skip(f"{method.package} is not installed")
    record, _ = worker.fit_and_score(prepared(task=task), 0, method)
    assert all(np.isfinite(value) for value in record["scores"].values())
