"""Speed, side by side: `python -m benchmarks --help`.

work.py           what is measured, and what ratio is to be reached
ours.py           the work, done by chainrule through its public interface
peer_torch.py     the same work in PyTorch
peer_jax.py       in JAX
peer_sklearn.py   in scikit-learn
floor.py          the matrix products of the work and nothing else, in np.matmul
iris_torch.py     iris_example.py as one would write it with PyTorch
sides.py          which of these there are, and what they need
measure.py        processes that take turns; medians and ratios
over_mpi.py       one of several processes that do the work together
growth.py         how time grows with batch, width and depth
report.py         tables, JSON and the plot
command.py        the command line

How it is measured. Every side of a row works in a process of its own, with its own default
settings, so that no thread pool or allocator of one stands in the way of another. They take turns,
each for about a tenth of a second; after each turn there is a pause in which its threads go to
sleep. The figure is a ratio: in each round, a peer's time by ours; over all rounds, the median.
What else the machine is doing changes the times, but hits both.
"""
