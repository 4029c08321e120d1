"""What turns raw rows into the numbers that a network takes, and is saved with the network.

base.py              Preparation: fit, transform, and how one is written into a file and read again
frames.py            tables of every kind as columns; pandas and polars are never imported
values.py            what single values are: missing, numbers, categories, or refused
standardizer.py      Standardizer: mean 0 and standard deviation 1
piecewise_linear.py  the piecewise linear encoding of a number
number_column.py     a column of numbers, robustly scaled and smoothly clipped
category_column.py   a column of categories, one-hot, or very many of them as codes for an embedding
table.py             TablePreparation: all columns of a table at once
report.py            TableReport: what is unusual in new rows
table_file.py        a table's fitted columns as arrays, for a file, and back
packing.py           text and lists as arrays, for a file, and back
"""

from chainrule.preparation.base import Preparation
from chainrule.preparation.report import TableReport
from chainrule.preparation.standardizer import Standardizer
from chainrule.preparation.table import TablePreparation

__all__ = ["Preparation", "Standardizer", "TablePreparation", "TableReport"]
