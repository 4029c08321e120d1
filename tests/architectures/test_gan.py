"""A generative adversarial network: two networks, two optimizers, trained by hand.

Goodfellow et al., "Generative Adversarial Nets", 2014. The generator learns from the
discriminator's gradient at its own input.
"""

import numpy as np

from chainrule import (
    Adam,
    BinaryCrossEntropy,
    LeakyReLU,
    Linear,
    Network,
    Sequential,
    Tanh,
    check_module,
)

NOISE, BATCH = 2, 32
MEAN, DEVIATION = 3.0, 0.5


class Game:
    """Both networks, what moves them, and the chance that they are played with."""

    def __init__(self, seed):
        generator = [Linear(NOISE, 16), Tanh(), Linear(16, 1)]
        discriminator = [Linear(1, 16), LeakyReLU(0.2), Linear(16, 1)]
        self.generator = Network(generator, seed=seed)
        self.discriminator = Network(discriminator, seed=seed + 1)
        self.optimizers = [Adam(0.003, beta1=0.5), Adam(0.006, beta1=0.5)]
        self.loss = BinaryCrossEntropy(from_logits=True)
        self.rng = np.random.default_rng(seed)

    def invented(self, count=BATCH):
        return self.generator.forward(self.rng.standard_normal((count, NOISE)))

    def step(self):
        """Let the discriminator tell true from invented, then the generator deceive it."""
        true = self.rng.normal(MEAN, DEVIATION, (BATCH, 1))
        shown = np.concatenate([true, self.invented()])
        labels = np.repeat([1, 0], BATCH)[:, np.newaxis]
        answers = self.discriminator.forward(shown)
        self.discriminator.backward_parameters(self.loss.backward(labels, answers))
        self.optimizers[1].step(self.discriminator)

        answers = self.discriminator.forward(self.invented())
        wanted = np.ones((BATCH, 1))
        dx = self.discriminator.backward(self.loss.backward(wanted, answers))
        self.generator.backward_parameters(dx)
        self.optimizers[0].step(self.generator)

    def state(self):
        return {
            "networks": [net.state() for net in (self.generator, self.discriminator)],
            "optimizers": [optimizer.state() for optimizer in self.optimizers],
            "rng": self.rng.bit_generator.state,
        }

    def load_state(self, state):
        networks = self.generator, self.discriminator
        for net, values in zip(networks, state["networks"], strict=True):
            net.load_state(values)
        for optimizer, values in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state(values)
        self.rng.bit_generator.state = state["rng"]


def played(game, steps):
    for _ in range(steps):
        game.step()
    return game


def test_gradients_through_both():
    game = Game(0)
    both = Sequential([game.generator, game.discriminator])
    x = np.random.default_rng(1).standard_normal((6, NOISE))
    report = check_module(both, x, loss=game.loss, y_true=np.ones((6, 1)))
    assert report.passed, str(report)


def test_what_it_invents_becomes_like_what_is_true():
    game = Game(0)
    before = game.generator.predict(np.random.default_rng(5).standard_normal((2000, NOISE)))
    assert abs(before.mean() - MEAN) > 1.5
    played(game, 1500)
    made = game.generator.predict(np.random.default_rng(5).standard_normal((2000, NOISE)))
    assert abs(made.mean() - MEAN) < 0.3
    assert 0.5 * DEVIATION < made.std() < 1.6 * DEVIATION


def test_stopped_and_gone_on_it_ends_with_the_same_bits():
    whole = played(Game(0), 30)
    state = played(Game(0), 17).state()
    resumed = Game(9)
    resumed.load_state(state)
    played(resumed, 13)
    for name in ("generator", "discriminator"):
        ours, theirs = getattr(whole, name), getattr(resumed, name)
        np.testing.assert_array_equal(ours.flat.values, theirs.flat.values)


def test_both_are_saved_and_loaded(tmp_path):
    game = played(Game(0), 5)
    for net, x in ((game.generator, np.ones((3, NOISE))), (game.discriminator, np.ones((3, 1)))):
        net.save(tmp_path / "network.npz")
        again = Network.load(tmp_path / "network.npz")
        np.testing.assert_array_equal(again.predict(x), net.predict(x))
