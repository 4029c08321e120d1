"""scikit-learn estimators: `NetworkClassifier` and `NetworkRegressor`.

This is the one part that needs scikit-learn, the extra ``sklearn``.

classifier.py, regressor.py   the two, with their options and what they predict
base.py                       what they share: the whole way of `fit`
defaults.py                   every default, and how members differ
options.py                    what the words of the options stand for, and their bounds
rows.py                       X and the weights, through the door; rows that are held out
targets.py                    y: classes, answers of yes or no, numbers
learners.py                   what learns: an ensemble, or a ready network
calibration.py                probabilities and intervals that keep their promise

Many trainings. A search or a cross-validation gives the same on all back ends of joblib, to the
bit, where `random_state` is a number and BLAS does not round otherwise with other threads: rows
may be memory-mapped and read-only, as joblib hands large arrays to its processes, and networks,
losses and functions of one's own travel along. ``n_jobs=2`` starts processes on this machine and
shares its processors out among their BLAS. On a cluster::

    from dask.distributed import Client, LocalCluster

    if __name__ == "__main__":  # the workers read this file, too
        with LocalCluster(n_workers=2, threads_per_worker=1) as cluster, Client(cluster):
            with joblib.parallel_config("dask"):
                search.fit(X, y)

dask gives BLAS one thread in each worker. But it has freed memory handed back to the system at
once (MALLOC_TRIM_THRESHOLD_=65536), after which every step clears its pages anew (see
`chainrule.training.allocator`): a training took 1.7 times as long (11.0 s, and 6.3 s without).
Where the C library is glibc, start the program, or each ``dask worker``, with other thresholds::

    export MALLOC_TRIM_THRESHOLD_=67108864 MALLOC_MMAP_THRESHOLD_=33554432

Ctrl-C ends a search over processes. Where one process does all, it ends the present training
after its epoch, and the search goes on; pressed twice at once it ends the search.
"""

from chainrule.checks.extras import require

require("sklearn", "sklearn", "chainrule.estimators")

from chainrule.estimators.classifier import NetworkClassifier  # noqa: E402
from chainrule.estimators.regressor import NetworkRegressor  # noqa: E402

__all__ = ["NetworkClassifier", "NetworkRegressor"]
