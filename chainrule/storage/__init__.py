"""Networks and trainings in files: verified, atomic, without pickle.

npy.py            one array's file, read by a pattern
schema.py         what a description out of a file may look like
archive.py        one file of named arrays and a description
architecture.py   a network's architecture as data, and back
module_file.py    both in one file, for a module
lock.py           one training at a time in a folder
names.py          names with a prefix
rng_state.py      a random generator's state as data, and back
"""
