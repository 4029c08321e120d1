"""Data on its way to a network.

arrays.py         batches, splits, one-hot labels
files.py          IDX, MNIST and its kin, npz, CSV
augmentation.py   images changed a little, each time differently
sources.py        where a training's batches come from
"""

from chainrule.data import augmentation
from chainrule.data.arrays import batches, one_hot, train_test_split
from chainrule.data.files import read_csv, read_idx, read_mnist, read_npz
from chainrule.preparation import Standardizer

__all__ = [
    "Standardizer",
    "augmentation",
    "batches",
    "one_hot",
    "read_csv",
    "read_idx",
    "read_mnist",
    "read_npz",
    "train_test_split",
]
