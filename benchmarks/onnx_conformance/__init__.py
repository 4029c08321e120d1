"""ONNX's own node cases, which nobody here wrote, put to the layers of chainrule.

The package onnx generates 1,884 cases: a node (one operator with its attributes), inputs, and
the outputs that must come out. For every operator with a counterpart here there is an adapter
that says the node in chainrule: which module, with which arguments, weights and input. The
module then runs, and its outputs are compared at ONNX's tolerances.

What an adapter may do: choose the module and its arguments, give it the node's weights (scaled,
reordered or padded with zeros, as a user could), and lay the arrays out the other way (batch
first instead of time first; classes last instead of second). What it may not do is a part of
the operator's work on the data: where that would be needed, the case is not expressible, and
the adapter says why.

    cases.py       a case, read out of ONNX's protocol buffers
    outcome.py     one case put to its adapter: passed, in part, not expressible or failed
    adapters/      one function an operator, one file a family
    report.py      the table, the file of results, the page docs/results/onnx.md
    __main__.py    python -m benchmarks.onnx_conformance
"""
