"""A small BERT: words, places and segments are added, and a masked word is guessed from both sides.

Devlin, Chang, Lee, Toutanova, "BERT: Pre-training of Deep Bidirectional Transformers", 2019. The
blocks have their norms behind; tests/parity/test_attention.py holds the whole to PyTorch's.
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
    Network,
    Node,
    TransformerBlock,
)
from chainrule.metrics import accuracy

MASK, WORDS, WIDTH, STEPS = 0, 8, 16, 8
BLOCK = {"hidden_size": 32, "norm_first": False}


def build(seed):
    graph = Graph(
        inputs=["words", "places", "segments", "padding"],
        nodes={
            "word": Node(Embedding(WORDS, WIDTH), "words"),
            "place": Node(Embedding(STEPS, WIDTH), "places"),
            "segment": Node(Embedding(2, WIDTH), "segments"),
            "sum": Node(Add(), "word", "place", "segment"),
            "input": Node(LayerNorm(WIDTH), "sum"),
            "block1": Node(
                TransformerBlock(WIDTH, 2, **BLOCK), "input", key_padding_mask="padding"
            ),
            "block2": Node(
                TransformerBlock(WIDTH, 2, **BLOCK), "block1", key_padding_mask="padding"
            ),
            "scores": Node(Linear(WIDTH, WORDS), "block2"),
        },
        outputs="scores",
    )
    return Network(graph, seed=seed)


def data(seed, count=320):
    """Each sentence says one word over and over, in each segment another; some are masked."""
    rng = np.random.default_rng(seed)
    _, padding = sequences(rng, count, STEPS)
    segments = np.tile(np.arange(STEPS) % 2, (count, 1))
    of_segment = rng.integers(1, WORDS, (count, 2))
    y = np.take_along_axis(of_segment, segments, axis=1)
    hidden = (rng.random(y.shape) < 0.3) & (np.arange(STEPS) > 1)
    places = np.tile(np.arange(STEPS), (count, 1))
    words = np.where(hidden | padding, MASK, y)
    return {"words": words, "places": places, "segments": segments, "padding": padding}, y


def reached(trainer):
    X, y = data(1)
    asked = (X["words"] == MASK) & ~X["padding"]
    return accuracy(y[asked], trainer.predict(X)[asked]) > 0.9


ARCHITECTURE = Architecture(
    build,
    data,
    lambda: CategoricalCrossEntropy(from_logits=True),
    epochs=25,
    reached=reached,
    learning_rate=0.005,
    clip_norm=1.0,
)
