"""The clinic: patients with a known disease, or none, and what the doctor says about them.

    python -m benchmarks.clinic run --part tuning --patients 300
    python -m benchmarks.clinic report --part tuning
    python -m benchmarks.clinic cost

A patient is a data set, an architecture, a seed, and at most two diseases, each of some strength.
Its healthy twin is trained too. The doctor's thresholds may be chosen by the results of the part
`tuning`; the part `judging` has other data sets, architectures and seeds, and decides nothing.

setup.py          what is trained, and its score
datasets.py       tables, images and sequences, for each part
architectures.py  healthy networks for them, common and unusual
diseases/         what is planted
patients.py       which patients there are
examination.py    one patient: the twins, the diagnosis, the treatment
report.py         the confusion table and the figures
cost.py           what the callback costs
command.py        the command line
"""
