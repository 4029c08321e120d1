"""What is shown: text on a terminal, a table in a notebook, everything escaped."""

import copy
import pickle

import numpy as np

from chainrule import Graph, Linear, Network, Node, ReLU, check_module
from chainrule.diagnosis.post_mortem import NonFiniteArray
from chainrule.summary.display import Shown, html_table, html_text, notebook


def test_a_table_in_html():
    table = html_table(
        ["name", "count"],
        [["a\nb", "1"], ["total", "2"]],
        title="Title",
        notes=["a note"],
        numbers=[1],
        bold=[1],
    )
    left, right = (f'style="text-align: {s}; white-space: pre-wrap"' for s in ("left", "right"))
    assert table.splitlines() == [
        "<div>",
        "<p>Title</p>",
        "<table>",
        f"<tr><th {left}>name</th><th {right}>count</th></tr>",
        f"<tr><td {left}>a",
        f"b</td><td {right}>1</td></tr>",
        f"<tr><th {left}>total</th><th {right}>2</th></tr>",
        "</table>",
        "<p>a note</p>",
        "</div>",
    ]


def test_everything_in_it_is_escaped():
    hostile = "<script>alert('&')</script>"
    table = html_table([hostile], [[hostile]], title=hostile, notes=[hostile])
    assert "<script" not in table
    assert table.count("&lt;script&gt;alert(&#x27;&amp;&#x27;)&lt;/script&gt;") == 4
    assert "<script" not in html_text(hostile)


def test_shown_text_is_a_string_that_shows_itself():
    shown = Shown("a\nb", "<p>")
    assert shown == "a\nb"
    assert repr(shown) == str(shown) == "a\nb"
    assert shown._repr_html_() == "<p>"
    assert Shown("a")._repr_html_() is None
    for twin in (pickle.loads(pickle.dumps(shown)), copy.deepcopy(shown)):
        assert (twin, twin.html) == (shown, "<p>")


def test_there_is_no_notebook_here():
    assert notebook() is None


def cells(html):
    return [line.split(">")[2].split("<")[0] for line in html.splitlines() if "<tr>" in line]


def test_a_summary_is_a_table_too():
    summary = Network([4, 8, 3]).summary()
    rows = cells(summary._repr_html_())
    layers = ["0: Linear(4, 8)", "1: ReLU()", "2: Linear(8, 3)", "3: Softmax()"]
    assert rows == ["layer", *layers, "total"]
    assert "(N, 8)" in summary._repr_html_()


def test_a_network_shows_its_layers_without_running():
    class Loud(ReLU):
        def forward(self, x, training=True):
            raise AssertionError("it ran")

    shown = Network([Linear(4, 3), Loud()], dtype="float64")._repr_html_()
    assert "Network, float64" in shown
    assert cells(shown) == ["layer", "0: Linear(4, 3)", "1: Loud()", "total"]


def test_names_of_nodes_and_classes_are_escaped():
    hostile = type("<b>Bold</b>", (ReLU,), {})
    graph = Graph(["x"], {"<i>": Node(Linear(4, 3), "x"), "y": Node(hostile(), "<i>")}, "y")
    network = Network(graph)
    for shown in (network._repr_html_(), network.summary((4,))._repr_html_()):
        assert "<b>" not in shown
        assert "<i>" not in shown
        assert "&lt;b&gt;Bold&lt;/b&gt;()" in shown


def test_the_report_of_a_gradient_check_shows_itself():
    report = check_module(Linear(3, 2), np.ones((2, 3)))
    assert repr(report) == str(report)
    assert repr(report.gradients[0]) == str(report.gradients[0]).strip()
    rows = cells(report._repr_html_())
    assert rows == ["verdict", *["right"] * 3]

    class Wrong(Linear):
        def backward(self, dy):
            return 2 * super().backward(dy)

    report = check_module(Wrong(3, 2), np.ones((2, 3)))
    shown = report._repr_html_()
    assert "wrong: input" in shown
    assert cells(shown)[1] == "WRONG"
    assert "backward says" in shown


def test_a_finding_shows_where_and_from_which_rows():
    finding = NonFiniteArray("forward", "the output", "layers.0", "<Linear>", list(range(12)))
    shown = finding._repr_html_()
    assert "&lt;Linear&gt; (layers.0)" in shown
    assert "row 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 ..." in shown
    assert "no single row" in NonFiniteArray("update", "the new value of w")._repr_html_()
