"""A character-level language model: a GRU learns from Python's help pages and continues the text.

    python examples/02_character_model.py               # seconds: first words
    python examples/02_character_model.py --epochs 20   # minutes: whole phrases

Needs NumPy alone; the text comes with Python (the module pydoc_data).
"""

import argparse
import re
import sys
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a checkout, not installed

from chainrule import GRU, Adam, CategoricalCrossEntropy, Embedding, Linear, Network, Trainer

LENGTH = 48  # characters in a sequence


def read_text():
    """Return Python's help pages as one text: letters, digits, punctuation, single spaces."""
    text = " ".join(re.sub(r"[^ -~]+|\s+", " ", page) for page in topics.values())
    return re.sub(r"([-=*~^ ])\1+", r"\1", text)


def windows(codes):
    """Cut the text into sequences: X (N, LENGTH), and y shifted by one character."""
    count = (len(codes) - 1) // LENGTH
    X = codes[: count * LENGTH].reshape(count, LENGTH)
    y = codes[1 : count * LENGTH + 1].reshape(count, LENGTH)
    return X, y


def continue_text(network, codes, length, temperature, rng):
    """Return `codes` and `length` more characters, each sampled from the network."""
    continued = list(codes)
    for _ in range(length):
        logits = network.predict([continued[-LENGTH:]])[0, -1].astype(float) / temperature
        p = np.exp(logits - logits.max())
        continued.append(rng.choice(len(p), p=p / p.sum()))
    return continued


def share_of_words(sample, text):
    """Return the share of the sample's words (of three letters or more) that are in the text."""
    known = set(re.findall(r"[A-Za-z]{3,}", text))
    words = re.findall(r"[A-Za-z]{3,}", sample)
    return sum(word in known for word in words) / max(len(words), 1)


def main():
    """Train, then generate text."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--characters", type=int, default=60_000, help="how many to learn from")
    parser.add_argument("--units", type=int, default=96, help="size of the GRU's hidden state")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    text = read_text()[: options.characters]
    alphabet = sorted(set(text))
    codes = np.array([alphabet.index(character) for character in text])
    X, y = windows(codes)
    print(f"{len(text):,} characters, {len(alphabet)} different ones, {len(X):,} sequences")

    network = Network(
        [
            Embedding(len(alphabet), 24),  # (N, T) -> (N, T, 24)
            GRU(24, options.units),  # (N, T, units)
            Linear(options.units, len(alphabet)),  # logits of the next character at every position
        ],
        seed=options.seed,
    )
    loss = CategoricalCrossEntropy(from_logits=True)
    trainer = Trainer(network, loss, Adam(0.005), clip_norm=1.0, seed=options.seed)
    history = trainer.fit(X, y, epochs=options.epochs, batch_size=16, validation_split=0.1)
    perplexity = np.exp(history.row()["val_loss"])
    print(f"perplexity on held-out sequences: {perplexity:.1f} characters")

    rng = np.random.default_rng(options.seed)
    start = [alphabet.index(character) for character in "The "]
    continued = continue_text(network, start, 300, 0.7, rng)
    sample = "".join(alphabet[code] for code in continued)
    print(f"\n{sample}\n\nwords that occur in the text: {share_of_words(sample, text):.0%}")


if __name__ == "__main__":
    main()
