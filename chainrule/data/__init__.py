"""Data for networks.

arrays.py         batches, splits, one-hot labels
files.py          IDX, MNIST and similar data sets, npz, CSV
augmentation.py   random changes of images
samples.py        `Samples`: validated rows of arrays, and how they become batches
weights.py        how much each sample counts
sources.py        where the batches of a training come from: arrays, or an iterable
fingerprint.py    a short text that other data would not have
mapped.py         memory-mapped arrays: pages that were read are released
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
