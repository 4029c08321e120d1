"""A transformer of encoder and decoder: it writes a sequence again, backwards.

Vaswani et al., "Attention Is All You Need", 2017.
"""

import numpy as np

from architectures import Architecture, sequences
from chainrule import (
    Add,
    CategoricalCrossEntropy,
    Embedding,
    Graph,
    LayerNorm,
    Linear,
    MultiHeadAttention,
    Network,
    Node,
    PositionalEncoding,
    Sequential,
    TransformerBlock,
)
from chainrule.metrics import accuracy

BEGIN, WORDS, WIDTH, STEPS = 0, 6, 24, 5


def embedded():
    return Sequential([Embedding(WORDS, WIDTH), PositionalEncoding(WIDTH)])


def build(seed):
    graph = Graph(
        inputs=["source", "source_padding", "target"],
        nodes={
            "words": Node(embedded(), "source"),
            "memory": Node(
                TransformerBlock(WIDTH, 2, hidden_size=32),
                "words",
                key_padding_mask="source_padding",
            ),
            "written": Node(embedded(), "target"),
            "so_far": Node(TransformerBlock(WIDTH, 2, hidden_size=32, causal=True), "written"),
            "asking": Node(LayerNorm(WIDTH), "so_far"),
            "found": Node(
                MultiHeadAttention(WIDTH, 2),
                "asking",
                context="memory",
                key_padding_mask="source_padding",
            ),
            "both": Node(Add(), "so_far", "found"),
            "scores": Node(Sequential([LayerNorm(WIDTH), Linear(WIDTH, WORDS)]), "both"),
        },
        outputs="scores",
    )
    return Network(graph, seed=seed)


def data(seed, count=320):
    """Words 1 to 5; the target is the source read from its own end, then BEGIN for ever."""
    rng = np.random.default_rng(seed)
    lengths, padding = sequences(rng, count, STEPS)
    source = np.where(padding, BEGIN, rng.integers(1, WORDS, (count, STEPS)))
    y = np.array([[*row[:n][::-1], *row[n:]] for row, n in zip(source, lengths, strict=True)])
    target = np.hstack([np.full((count, 1), BEGIN), y[:, :-1]])  # what was written so far
    return {"source": source, "source_padding": padding, "target": target}, y


def reached(trainer):
    X, y = data(1)
    return accuracy(y, trainer.predict(X)) > 0.9


ARCHITECTURE = Architecture(
    build,
    data,
    lambda: CategoricalCrossEntropy(from_logits=True),
    epochs=60,
    reached=reached,
    learning_rate=0.005,
    batch_size=32,
)
