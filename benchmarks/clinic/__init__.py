"""The clinic: patients with a known disease, or none, and what the doctor says of them.

    python -m benchmarks.clinic run --part tuning --patients 300
    python -m benchmarks.clinic report --part tuning
    python -m benchmarks.clinic cost

A patient is a data set, an architecture, a seed, and at most two diseases, each of some strength.
Its healthy twin is trained too. The thresholds of the doctor may be set by what the part `tuning`
shows; the part `judging` has other data sets, architectures and seeds, and decides nothing.

setup.py          what is trained, and how good it is in the end
datasets.py       tables, images and sequences, a set for each part
architectures.py  healthy networks for them, plain and odd
diseases.py       what is planted
patients.py       who comes to the clinic
examination.py    one patient: the twins, the diagnosis, the treatment
report.py         the confusion table and the figures
cost.py           what the callback costs
command.py        the command line
"""
