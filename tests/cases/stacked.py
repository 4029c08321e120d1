"""Stacked layers: each member does what the layer alone does, written out member by member."""

import numpy as np

from cases import Case
from cases.embedding import category_embedding, with_codes
from cases.linear import linear
from cases.normalization import batch_norm, used
from chainrule.layers import (
    BatchNorm,
    CategoryEmbedding,
    Linear,
    StackedBatchNorm,
    StackedCategoryEmbedding,
    StackedDropout,
    StackedLinear,
)
from chainrule.module import cast


def alone(layer, stack, k):
    """Return the layer alone with the values of member k."""
    cast(layer, "float64")
    layer.load_state({name: value[k] for name, value in stack.state().items()})
    return layer


def stacked_linear(module, x, training):
    sizes = module.in_features, module.out_features
    y = np.zeros((len(x), module.members, module.out_features))
    for k in range(module.members):
        one = alone(Linear(*sizes, bias=module.bias is not None), module, k)
        y[:, k] = linear(one, x if x.ndim == 2 else x[:, k], training)
    return y


def stacked_category_embedding(module, x, training):
    sizes = module.in_features, module.categories, module.embedding_dim
    members = []
    for k in range(module.members):
        one = alone(CategoryEmbedding(*sizes), module, k)
        members.append(category_embedding(one, x if x.ndim == 2 else x[:, k], training))
    return np.stack(members, axis=1)


def stacked_batch_norm(module, x, training):
    y = np.zeros(x.shape)
    options = {"epsilon": module.epsilon, "affine": module.weight is not None}
    options["track_running_stats"] = module.track_running_stats
    for k in range(module.members):
        one = alone(BatchNorm(module.num_features, **options), module, k)
        y[:, k] = batch_norm(one, x[:, k], training)
    return y


def unchanged(module, x, training):
    return x


CASES = [
    Case(
        "StackedLinear",
        lambda: used(StackedLinear(3, 5, 2, seed=0)),
        (4, 3, 5),
        reference=stacked_linear,
        bad_shape=(4, 2, 5),
    ),
    Case(
        "StackedLinear-same_input",
        lambda: used(StackedLinear(3, 5, 2, seed=0)),
        (4, 5),
        reference=stacked_linear,
        bad_shape=(4, 6),
    ),
    Case(
        "StackedLinear-one_member",
        lambda: used(StackedLinear(1, 4, 3, seed=1)),
        (6, 1, 4),
        reference=stacked_linear,
        bad_shape=(4,),
    ),
    Case(
        "StackedLinear-one_of_each",
        lambda: used(StackedLinear(2, 1, 1, seed=2)),
        (1, 2, 1),
        reference=stacked_linear,
    ),
    Case(
        "StackedLinear-no_bias",
        lambda: StackedLinear(2, 3, 4, bias=False, seed=3),
        (5, 2, 3),
        reference=stacked_linear,
    ),
    Case(
        "StackedCategoryEmbedding",
        lambda: StackedCategoryEmbedding(3, 4, (5, 3), embedding_dim=2, seed=0),
        x=with_codes(5, 3, shape=(8, 3, 4)),
        reference=stacked_category_embedding,
        bad_shape=(8, 2, 4),
    ),
    Case(
        "StackedCategoryEmbedding-same_input",
        lambda: StackedCategoryEmbedding(3, 4, (5, 3), embedding_dim=2, seed=0),
        x=with_codes(5, 3, shape=(8, 4)),
        reference=stacked_category_embedding,
        bad_shape=(8, 5),
    ),
    Case(
        "StackedCategoryEmbedding-codes_alone",
        lambda: StackedCategoryEmbedding(1, 1, (4,), embedding_dim=3, seed=1),
        x=with_codes(4, shape=(5, 1, 1)),
        reference=stacked_category_embedding,
        bad_shape=(5,),
    ),
    Case(
        "StackedBatchNorm",
        lambda: used(StackedBatchNorm(3, 4)),
        (6, 3, 4),
        reference=stacked_batch_norm,
        bad_shape=(6, 4, 3),
    ),
    Case(
        "StackedBatchNorm-one_member",
        lambda: used(StackedBatchNorm(1, 2, epsilon=0.1)),
        (5, 1, 2),
        reference=stacked_batch_norm,
        bad_shape=(5, 2),
    ),
    Case(
        "StackedBatchNorm-not_affine",
        lambda: StackedBatchNorm(2, 3, affine=False),
        (6, 2, 3),
        reference=stacked_batch_norm,
    ),
    Case(
        "StackedBatchNorm-by_the_batch",
        lambda: used(StackedBatchNorm(2, 3, track_running_stats=False)),
        (6, 2, 3),
        reference=stacked_batch_norm,
    ),
    Case(
        "StackedDropout",
        lambda: StackedDropout([0.5, 0.0, 0.2], seed=0),
        (6, 3, 5),
        reference=unchanged,
        bad_shape=(6, 2, 5),
        random=True,
    ),
    Case(
        "StackedDropout-off",
        lambda: StackedDropout([0.0, 0.0], seed=0),
        (4, 2, 3),
        reference=unchanged,
        bad_shape=(4, 2),
    ),
]
