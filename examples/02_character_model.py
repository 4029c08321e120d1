"""A model of text, character by character: a GRU reads Python's own help pages and writes on.

    python examples/02_character_model.py               # some seconds: first words
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

LENGTH = 48  # characters that the model sees at a time


def read_text():
    """Return Python's help pages as one text: letters, digits, punctuation, single spaces."""
    text = " ".join(re.sub(r"[^ -~]+|\s+", " ", page) for page in topics.values())
    return re.sub(r"([-=*~^ ])\1+", r"\1", text)


def windows(codes):
    """Cut the text into pieces: X (N, LENGTH), and y the same, one character further on."""
    count = (len(codes) - 1) // LENGTH
    X = codes[: count * LENGTH].reshape(count, LENGTH)
    y = codes[1 : count * LENGTH + 1].reshape(count, LENGTH)
    return X, y


def write_on(network, codes, length, temperature, rng):
    """Return `codes` continued by `length` characters, each drawn by the network."""
    written = list(codes)
    for _ in range(length):
        logits = network.predict([written[-LENGTH:]])[0, -1].astype(float) / temperature
        likely = np.exp(logits - logits.max())
        written.append(rng.choice(len(likely), p=likely / likely.sum()))
    return written


def share_of_words(sample, text):
    """Return how many of the sample's words (of three letters or more) stand in the text."""
    known = set(re.findall(r"[A-Za-z]{3,}", text))
    words = re.findall(r"[A-Za-z]{3,}", sample)
    return sum(word in known for word in words) / max(len(words), 1)


def main():
    """Train, then let the model write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--characters", type=int, default=60_000, help="of the text to learn from")
    parser.add_argument("--units", type=int, default=96, help="size of the GRU's memory")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    text = read_text()[: options.characters]
    alphabet = sorted(set(text))
    codes = np.array([alphabet.index(character) for character in text])
    X, y = windows(codes)
    print(f"{len(text):,} characters, {len(alphabet)} different ones, {len(X):,} pieces")

    network = Network(
        [
            Embedding(len(alphabet), 24),  # (N, T) -> (N, T, 24)
            GRU(24, options.units),  # (N, T, units)
            Linear(options.units, len(alphabet)),  # scores of the next character at every place
        ],
        seed=options.seed,
    )
    loss = CategoricalCrossEntropy(from_logits=True)
    trainer = Trainer(network, loss, Adam(0.005), clip_norm=1.0, seed=options.seed)
    history = trainer.fit(X, y, epochs=options.epochs, batch_size=16, validation_split=0.1)
    choices = np.exp(history.row()["val_loss"])
    print(f"on pieces it has not seen it is as unsure as between {choices:.1f} characters")

    rng = np.random.default_rng(options.seed)
    begin = [alphabet.index(character) for character in "The "]
    written = write_on(network, begin, 300, 0.7, rng)
    sample = "".join(alphabet[code] for code in written)
    print(f"\n{sample}\n\nwords that stand in the text: {share_of_words(sample, text):.0%}")


if __name__ == "__main__":
    main()
