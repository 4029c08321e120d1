"""Architecture: what all members have in common, built as one network or as a stack of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from chainrule import layers
from chainrule.checks import (
    check_bool,
    check_choice,
    check_whole,
    check_whole_numbers,
    network_dtype,
)
from chainrule.ensemble.members import Member
from chainrule.errors import ConfigurationError
from chainrule.initializers import Zero
from chainrule.layers.category_embedding import check_categories
from chainrule.module import Module
from chainrule.network import Network
from chainrule.parameter import Initializer

MakeLayer = Callable[..., Any]

ACTIVATIONS: dict[str, type[Module]] = {
    "elu": layers.ELU,
    "gelu": layers.GELU,
    "leaky_relu": layers.LeakyReLU,
    "mish": layers.Mish,
    "relu": layers.ReLU,
    "selu": layers.SELU,
    "sigmoid": layers.Sigmoid,
    "silu": layers.SiLU,
    "tanh": layers.Tanh,
}

OUTPUTS: dict[str, list[type[Module]]] = {
    "softmax": [layers.Softmax],
    "sigmoid": [layers.Sigmoid],
    "linear": [],
}


@dataclass
class Architecture:
    """A multilayer perceptron; its options are those of `Ensemble`, and are checked here.

    A hidden layer is Linear, BatchNorm, activation, Dropout; the last layer is Linear and the
    output's activation. Where there are categories, a CategoryEmbedding comes first. `dropout`
    says whether any member has a dropout above 0.
    """

    sizes: Sequence[int]
    activation: str
    batch_norm: bool
    dropout: bool
    output: str
    dtype: Any
    categories: Sequence[int]
    embedding_dim: int

    def __post_init__(self) -> None:
        self.sizes = check_whole_numbers("sizes", self.sizes)
        if len(self.sizes) < 2:
            raise ConfigurationError(
                "An ensemble needs the size of its input and of its output, got "
                f"{list(self.sizes)}."
            )
        check_choice("activation", self.activation, ACTIVATIONS)
        self.batch_norm = check_bool("batch_norm", self.batch_norm)
        check_choice("output", self.output, OUTPUTS)
        if self.output == "softmax" and self.sizes[-1] == 1:
            raise ConfigurationError(
                "A softmax over one output is always 1. For two classes use output='sigmoid', or a "
                "last size of 2; for regression use output='linear'."
            )
        self.dtype = network_dtype(self.dtype).name
        self.categories = check_whole_numbers("categories", self.categories)
        if self.categories:
            check_categories(self.categories, self.sizes[0])
        self.embedding_dim = check_whole("embedding_dim", self.embedding_dim)

    def network(self, member: Member, initialization: str | Initializer | None = None) -> Network:
        """Return a network for one member; without `initialization` its weights are all 0."""
        chain = self._chain(
            partial(layers.Linear, initialization=Zero()),
            layers.BatchNorm,
            partial(layers.Dropout, member.dropout),
            layers.CategoryEmbedding,
        )
        chain += self.output_layers()
        seed = None if initialization is None else member.seed
        return Network(chain, initialization=initialization, seed=seed, dtype=self.dtype)

    def stack(self, members: Sequence[Member], output: bool = True) -> Network:
        """Return a stack for these members, its values still to be set.

        Without `output` it ends before the output's activation.
        """
        count = len(members)
        chain = self._chain(
            partial(layers.StackedLinear, count, initialization=Zero()),
            partial(layers.StackedBatchNorm, count),
            partial(layers.StackedDropout, [member.dropout for member in members]),
            partial(layers.StackedCategoryEmbedding, count),
        )
        return Network(chain + self.output_layers() if output else chain, dtype=self.dtype)

    def output_layers(self) -> list[Module]:
        """Return what turns the last linear layer's output into predictions: a layer, or none."""
        return [kind() for kind in OUTPUTS[self.output]]

    def _chain(
        self, linear: MakeLayer, batch_norm: MakeLayer, dropout: MakeLayer, embedding: MakeLayer
    ) -> list[Module]:
        """Return the layers up to the last linear one, each built by one of these functions."""
        chain: list[Module] = []
        features, *sizes = self.sizes
        if self.categories:
            first = embedding(features, self.categories, embedding_dim=self.embedding_dim)
            chain, features = [first], first.out_features
        *hidden, output = itertools.pairwise([features, *sizes])
        for in_features, out_features in hidden:
            chain.append(linear(in_features, out_features))
            if self.batch_norm:
                chain.append(batch_norm(out_features))
            chain.append(ACTIVATIONS[self.activation]())
            if self.dropout:
                chain.append(dropout())
        return [*chain, linear(*output)]
