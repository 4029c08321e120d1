"""Faults in optimizers, schedules and clipping."""

from benchmarks.planted_faults.fault import Fault
from benchmarks.planted_faults.faults.room import Room

ROOM = Room(
    tests=("tests/optimizers",),
    faults=(
        Fault(
            "wrong sign",
            "chainrule.SGD.update_rule",
            "w -= learning_rate * g",
            "w += learning_rate * g",
        ),
        Fault(
            "gradient damped like Adam's",
            "chainrule.Momentum.update_rule",
            "v += g",
            "v += (1 - self.momentum) * g",
        ),
        Fault(
            "no look ahead",
            "chainrule.Nesterov.update_rule",
            "g + self.momentum * v",
            "v",
        ),
        Fault(
            "beta1 and beta2 swapped",
            "chainrule.Lion.update_rule",
            "m *= self.beta2",
            "m *= self.beta1",
        ),
        Fault(
            "epsilon inside the root",
            "chainrule.AdaGrad.update_rule",
            "np.sqrt(v) + self.epsilon",
            "np.sqrt(v + self.epsilon)",
        ),
        Fault(
            "sum for mean of squares",
            "chainrule.RMSprop.update_rule",
            "v *= self.rho",
            "pass",
        ),
        Fault(
            "bias of the first moment not corrected",
            "chainrule.Adam.update_rule",
            "c / (1 - self.beta1 ** self.steps)",
            "c",
        ),
        Fault(
            "epsilon not corrected",
            "chainrule.Adam.update_rule",
            "c * self.epsilon",
            "self.epsilon",
        ),
        Fault(
            "weight decay in the gradient",
            "chainrule.AdamW",
            "decoupled = True",
            "decoupled = False",
        ),
        Fault(
            "AMSGrad keeps the last instead of the largest",
            "chainrule.Adam.update_rule",
            "np.maximum(v, largest[0], out=largest[0])",
            "v",
        ),
        Fault(
            "the first gradient is damped, too",
            "chainrule.Momentum.update_rule",
            "self.dampening and self.steps > 1",
            "self.dampening",
        ),
        Fault(
            "a deviation below zero",
            "chainrule.RMSprop.update_rule",
            "np.maximum(v - m * m, 0)",
            "v - m * m",
        ),
        Fault(
            "no waiting where the sign has changed",
            "chainrule.Rprop.update_rule",
            "np.where(turned, 0, g)",
            "g",
        ),
        Fault(
            "moves are not remembered by their squares",
            "chainrule.Adadelta.update_rule",
            "move * move",
            "move",
        ),
        Fault(
            "mean not corrected",
            "chainrule.Adamax.update_rule",
            "m / (1 - self.beta1 ** self.steps)",
            "m",
        ),
        Fault(
            "the output's weights are a matrix, too",
            "chainrule.Muon.matrices",
            "parameter is not output",
            "True",
        ),
        Fault(
            "pairs in the wrong order",
            "chainrule.LBFGS._direction",
            "zip(reversed(pairs), reversed(shares), strict=True)",
            "zip(pairs, shares, strict=True)",
        ),
        Fault(
            "the penalty is left out of the loss",
            "chainrule.LBFGS._penalty",
            "self.weight_decay / 2 * squares",
            "0.0",
        ),
        Fault(
            "off by one in the momentum",
            "chainrule.NAdam.update_rule",
            "self.momentum(self.steps + 1)",
            "self.momentum(self.steps)",
        ),
        Fault(
            "warm-up of other length",
            "chainrule.RAdam.rectification",
            "length <= 5",
            "length <= 4",
        ),
        Fault(
            "off by one",
            "chainrule.StepDecay.__call__",
            "step // self.every",
            "(step + 1) // self.every",
        ),
        Fault(
            "rises again after the end",
            "chainrule.CosineDecay.__call__",
            "min(step, self.steps)",
            "step",
        ),
        Fault(
            "the schedule behind is not moved",
            "chainrule.LinearWarmup.__call__",
            "self.then(step - self.steps)",
            "self.then(step)",
        ),
        Fault(
            "clips what is below the limit too",
            "chainrule.clip_by_global_norm",
            "norm > max_norm",
            "norm > 0",
        ),
        Fault(
            "overflow of large gradients",
            "chainrule.gradient_norm",
            "1e-20 < square < math.inf",
            "square >= 0",
        ),
    ),
)
