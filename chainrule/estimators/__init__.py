"""scikit-learn estimators: `NetworkClassifier` and `NetworkRegressor`.

This is the one part that needs scikit-learn, the extra ``sklearn``.

classifier.py, regressor.py   the two, with their options and what they predict
base.py                       what they share: the whole path of `fit`
defaults.py                   every default, and how members differ
options.py                    what the words of the options stand for, and which values are valid
inputs.py                     masks, dates and missing labels are refused
validation.py                 checks of X, of weights and of row numbers
samples.py                    rows with their targets and weights, and which are held out
targets.py                    y: classes, several labels, numbers
ensemble_model.py             an ensemble that is built from the options and trained
network_model.py              a network of the user's own
model.py                      what both tell, and how they predict
calibration.py                calibrated probabilities and intervals
diagnosis.py                  what the doctor is asked

Many trainings: a search or a cross-validation gives the same results with every backend of joblib,
bit for bit, if `random_state` is a number and BLAS does not round differently with other threads.
Rows may be memory-mapped and read-only, as joblib passes large arrays to its processes; networks,
losses and functions of your own are passed along. ``n_jobs=2`` starts processes on this machine and
divides its processors among their BLAS threads. On a cluster::

    from dask.distributed import Client, LocalCluster

    if __name__ == "__main__":  # the workers read this file, too
        with LocalCluster(n_workers=2, threads_per_worker=1) as cluster, Client(cluster):
            with joblib.parallel_config("dask"):
                search.fit(X, y)

dask gives BLAS one thread in each worker. But it makes the C library return freed memory to the
system at once (MALLOC_TRIM_THRESHOLD_=65536), so that every step has to clear its pages again (see
`chainrule.layers.allocator`): a training took 1.7 times as long (11.0 s instead of 6.3 s). With
glibc, start the program, or each ``dask worker``, with other thresholds::

    export MALLOC_TRIM_THRESHOLD_=67108864 MALLOC_MMAP_THRESHOLD_=33554432

Ctrl-C ends a search over processes. In a single process, it ends the present training after its
epoch, and the search continues; pressed twice at once it ends the search.
"""

from chainrule.checks.extras import require

require("sklearn", "sklearn", "chainrule.estimators")

from chainrule.estimators.classifier import NetworkClassifier  # noqa: E402
from chainrule.estimators.regressor import NetworkRegressor  # noqa: E402

__all__ = ["NetworkClassifier", "NetworkRegressor"]
