"""Networks and trainings in files: verified, atomic, without pickle.

archive.py        one file of named arrays and a description
atomic.py         writing all of a file or nothing
npy.py            arrays in files, as NumPy writes them
schema.py         what a description from a file may look like
architecture.py   a module's architecture as data, and back
comparison.py     whether a module comes back as it is
module_file.py    a module or network: architecture, values, metadata, preparations
names.py          names with a prefix
rng_state.py      a random generator's state as data, and back
"""
