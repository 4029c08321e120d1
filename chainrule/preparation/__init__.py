"""What turns rows as they are into the numbers that a network takes, and is saved with it.

base.py           Preparation: fit, transform, and how one is written into a file and read again
frames.py         data frames: the names of their columns, and the columns by name
standardizer.py   mean 0 and standard deviation 1
"""

from chainrule.preparation.base import Preparation
from chainrule.preparation.standardizer import Standardizer

__all__ = ["Preparation", "Standardizer"]
