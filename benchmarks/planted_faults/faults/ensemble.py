"""Faults in ensembles."""

from benchmarks.planted_faults.fault import Fault
from benchmarks.planted_faults.faults.room import Room

ROOM = Room(
    tests=("tests/ensemble",),
    faults=(
        Fault(
            "weights of the members ignored",
            "chainrule.Ensemble.predict",
            "np.einsum('nkc,k->nc', outputs, weights)",
            "outputs.mean(axis=1)",
        ),
        Fault(
            "the worst member is chosen",
            "chainrule.ensemble.scorer.Scorer.cost",
            "scores if self.mode == 'min' else -scores",
            "-scores if self.mode == 'min' else scores",
        ),
        Fault(
            "sum for mean in the selection",
            "chainrule.ensemble.selection.greedy_selection",
            "(total + outputs) / added",
            "total + outputs",
        ),
        Fault(
            "sample weights of members summed over members",
            "chainrule.ensemble.objective.sample_shares",
            "weight.sum(axis=0)",
            "weight.sum()",
        ),
        Fault(
            "all members learn at the first one's rate",
            "chainrule.ensemble.optimizer.MemberOptimizer.__init__",
            "[member.learning_rate for member in members]",
            "[members[0].learning_rate for member in members]",
        ),
        Fault(
            "decay of biases",
            "chainrule.ensemble.optimizer.MemberOptimizer._bind",
            "vector_of_members(self.decays, stack) * stack.flat.decay",
            "vector_of_members(self.decays, stack)",
        ),
        Fault(
            "the same fold is trained on and left out",
            "chainrule.ensemble.folds.stratified_folds",
            "np.flatnonzero(fold != k)",
            "np.flatnonzero(fold == k)",
        ),
        Fault(
            "counts of out-of-fold predictions forgotten",
            "chainrule.Ensemble._predict_out_of_fold",
            "total / np.maximum(counts, 1)",
            "total",
        ),
        Fault(
            "the last instead of the best weights",
            "chainrule.ensemble.training.EnsembleTrainer._save_best",
            "tensor.value[places]",
            "tensor.value[[0] * len(places)]",
        ),
    ),
)
