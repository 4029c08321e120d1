"""Checks at the door, each an error in the user's words.

options.py   options of the right kind, in their range
arrays.py    arrays as users give them: numbers, finite, without ragged rows
extras.py    optional packages, asked for by name
"""

from chainrule.checks.arrays import *
from chainrule.checks.options import *
