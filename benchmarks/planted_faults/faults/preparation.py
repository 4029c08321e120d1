"""Faults in the preparation of tables."""

from benchmarks.planted_faults.fault import Fault
from benchmarks.planted_faults.faults.room import Room

ROOM = Room(
    tests=("tests/preparation",),
    faults=(
        Fault(
            "variance for standard deviation",
            "chainrule.Standardizer.fit",
            "X.std(axis=0)",
            "X.var(axis=0)",
        ),
        Fault(
            "order of the inverse swapped",
            "chainrule.Standardizer.inverse_transform",
            "self._checked(X) * self.std + self.mean",
            "(self._checked(X) + self.mean) * self.std",
        ),
        Fault(
            "columns of a frame in any order",
            "chainrule.Standardizer._checked",
            "in_order(X, self.feature_names_in_)",
            "X",
        ),
        Fault(
            "division by 0 for a constant column",
            "chainrule.preparation.standardizer.handle_zeros_in_scale",
            "constant | (std == 0)",
            "np.zeros_like(constant)",
        ),
        Fault(
            "missing values as they are",
            "chainrule.preparation.number_column.NumberColumn.write",
            "z[absent] = 0",
            "pass",
        ),
        Fault(
            "no indicator of missing values",
            "chainrule.preparation.number_column.NumberColumn.write",
            "out[:, -1] = absent",
            "pass",
        ),
        Fault(
            "off by one in the frequency",
            "chainrule.preparation.category_column.CategoryColumn.fit",
            "count >= min_frequency",
            "count > min_frequency",
        ),
        Fault(
            "unknown categories as the first one",
            "chainrule.preparation.category_column.CategoryColumn.read",
            "numbers.get(category_of(v), UNKNOWN)",
            "numbers.get(category_of(v), 0)",
        ),
        Fault(
            "sign of two categories swapped",
            "chainrule.preparation.category_column.CategoryColumn.write",
            "2 * codes[known] - 1",
            "1 - 2 * codes[known]",
        ),
        Fault(
            "extrapolates beyond the last knot",
            "chainrule.preparation.piecewise_linear.piecewise_linear",
            "(passed[:, np.newaxis] - bins).clip(0, 1)",
            "(passed[:, np.newaxis] - bins).clip(0)",
        ),
    ),
)
