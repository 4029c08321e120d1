"""A small GPT: what comes next? Its scores are those of the embedding's own rows.

Radford et al., "Language Models are Unsupervised Multitask Learners", 2019; the tied embedding
after Press, Wolf, "Using the Output Embedding to Improve Language Models", 2017.
"""

import numpy as np

from architectures import Architecture
from chainrule import (
    CategoricalCrossEntropy,
    Embedding,
    LayerNorm,
    Module,
    Network,
    PositionalEncoding,
    TransformerBlock,
)
from chainrule.metrics import accuracy

WORDS, WIDTH, STEPS = 7, 16, 10


class TiedHead(Module):
    """y = x Wᵀ: the score of each row of an embedding's table W, for x (N, T, D)."""

    def __init__(self, embedding):
        self.embedding = embedding
        self.weight = embedding.weight

    def forward(self, x, training=True):
        self.save_for_backward(x, training=training)
        return x @ self.weight.value.T

    def backward(self, dy):
        (x,) = self.saved_values()
        self.weight.grad = np.einsum("ntw,ntd->wd", dy, x)
        return dy @ self.weight.value


def build(seed):
    words = Embedding(WORDS, WIDTH)
    return Network(
        [
            words,
            PositionalEncoding(WIDTH),
            TransformerBlock(WIDTH, 2, hidden_size=32, causal=True),
            TransformerBlock(WIDTH, 2, hidden_size=32, causal=True),
            LayerNorm(WIDTH),
            TiedHead(words),
        ],
        seed=seed,
    )


def data(seed, count=160):
    """Sequences that go up or down by one, round a circle: two words tell which."""
    rng = np.random.default_rng(seed)
    start, step = rng.integers(0, WORDS, (count, 1)), rng.choice([-1, 1], (count, 1))
    whole = (start + step * np.arange(STEPS + 1)) % WORDS
    return whole[:, :-1], whole[:, 1:]


def reached(trainer):
    X, y = data(1)
    return accuracy(y[:, 1:], trainer.predict(X)[:, 1:]) > 0.98


ARCHITECTURE = Architecture(
    build,
    data,
    lambda: CategoricalCrossEntropy(from_logits=True),
    epochs=12,
    reached=reached,
    learning_rate=0.005,
    clip_norm=1.0,
    own_modules=[TiedHead],
)
