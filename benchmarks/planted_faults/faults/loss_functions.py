"""Faults in loss functions."""

from benchmarks.planted_faults.fault import Fault
from benchmarks.planted_faults.faults.room import Room

ROOM = Room(
    tests=("tests/test_loss_functions.py", "tests/test_several_outputs.py"),
    faults=(
        Fault(
            "wrong sign",
            "chainrule.MeanSquaredError.gradients",
            "y_pred - y_true",
            "y_true - y_pred",
        ),
        Fault(
            "sum over outputs instead of mean",
            "chainrule.MeanAbsoluteError.losses",
            "np.abs(y_pred - y_true).sum(axis=1) / y_pred.shape[1]",
            "np.abs(y_pred - y_true).sum(axis=1)",
        ),
        Fault(
            "gradient not clipped",
            "chainrule.Huber.gradients",
            "np.clip(y_pred - y_true, -self.delta, self.delta)",
            "y_pred - y_true",
        ),
        Fault(
            "quantile swapped",
            "chainrule.Quantile.gradients",
            "(1 - self.quantile) * above - self.quantile * below",
            "self.quantile * above - (1 - self.quantile) * below",
        ),
        Fault(
            "smoothing over one class too few",
            "chainrule.CategoricalCrossEntropy.target",
            "smoothing / y_true.shape[1]",
            "smoothing / (y_true.shape[1] - 1)",
        ),
        Fault(
            "class weights forgotten in the mean",
            "chainrule.Loss._weights",
            "weight @ (true @ weight_of_classes(self.class_weight, true.shape[1]))",
            "weight.sum()",
        ),
        Fault(
            "forgotten epsilon: log of 0",
            "chainrule.KLDivergence.losses",
            "np.maximum(y_true, tiny(y_true.dtype))",
            "y_true",
        ),
        Fault(
            "weight of the positive class on the negative one",
            "chainrule.BinaryCrossEntropy.targets",
            "(yes if self.pos_weight == 1 else self.pos_weight * yes, 1 - yes)",
            "(yes, self.pos_weight * (1 - yes))",
        ),
        Fault(
            "overflow for large logits",
            "chainrule.loss_functions.cross_entropy.negative_log_sigmoids",
            "np.log1p(np.exp(-np.abs(z)))",
            "np.log1p(np.exp(-z)) - np.maximum(-z, 0)",
        ),
        Fault(
            "gamma forgotten in the slope",
            "chainrule.CategoricalFocalCrossEntropy.gradients",
            "self.gamma * q ** (self.gamma - 1)",
            "q ** (self.gamma - 1)",
        ),
        Fault(
            "alpha for both classes",
            "chainrule.BinaryFocalCrossEntropy.gradients",
            "(1 - self.alpha) * (1 - y_true)",
            "self.alpha * (1 - y_true)",
        ),
        Fault(
            "margin inclusive",
            "chainrule.Hinge.gradients",
            "y_true * y_pred < 1",
            "y_true * y_pred < 0",
        ),
        Fault(
            "sample weights not normalised",
            "chainrule.Loss._validate",
            "weight / total",
            "weight / len(pred)",
        ),
        Fault(
            "negative sample weights taken",
            "chainrule.loss_functions.base.weight_of_rows",
            "weight.min() < 0",
            "False",
        ),
        Fault(
            "labels from 0 to classes inclusive",
            "chainrule.one_hot",
            "low < 0 or high >= classes",
            "low < 0 or high > classes",
        ),
    ),
)
