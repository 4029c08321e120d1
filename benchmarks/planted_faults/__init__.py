"""Plant faults in a copy of the package, one at a time: the short run of the tests finds them.

`fault.py` says what a fault is and plants it, `faults/` holds them by room, `trial.py` runs the
tests on a copy with one of them in it, `campaign.py` goes through all of them, and `__main__.py` is
the command.
"""
