"""MultiHeadAttention, as ONNX's Attention: the heads' queries, keys and values are given there.

Ours makes them by weights, from x and a context. So all features of Q, K and V lie side by side
in one input, filled up with zeros, and the weights are selections: those of the queries, of the
keys and of the values pick each head's own features out, and those of the output put what comes
out of the heads where ONNX has it. The scale goes into the queries' weights. Where Q is as long
as K and V it is self-attention; otherwise the context holds K and V.
"""

from __future__ import annotations

from functools import partial

import numpy as np

import chainrule
from benchmarks.onnx_conformance.cases import Array, NodeCase
from benchmarks.onnx_conformance.outcome import Counterpart, Expression, NotExpressible

FURTHER_INPUTS = {
    4: "keys and values of earlier positions",
    6: "lengths of a store of keys and values",
}
NOT_SAID = {
    "softcap": "a soft cap on the scores",
    "score_mod": "a graph that changes the scores",
    "prob_mod": "a graph that changes the probabilities",
}


def attention(case: NodeCase) -> Expression:
    refuse(case)
    q, k, v = (in_rows(x) for x in case.inputs[:3])  # (N, T, features of all heads)
    heads = case.get("q_num_heads") or case.input(0).shape[1]
    kv_heads = case.get("kv_num_heads") or case.input(1).shape[1]
    own, causal = q.shape[1] == k.shape[1], bool(case.get("is_causal"))
    if causal and not own:
        raise NotExpressible("a causal mask between sequences of different lengths")

    inputs = [np.concatenate([q, k, v], -1)] if own else [q, np.concatenate([k, v], -1)]
    d_qk, d_v = q.shape[-1] // heads, v.shape[-1] // kv_heads  # features of one head
    widest = max(x.shape[-1] for x in inputs)
    d = max(d_qk, d_v, -(-widest // heads))  # and those of one of our heads
    x, *context = (filled_up(x, heads * d) for x in inputs)

    module = chainrule.MultiHeadAttention(heads * d, heads, causal=causal, bias=False)
    ours = np.arange(heads)  # its heads; those that share a key and a value stand together
    theirs = ours // (heads // kv_heads)
    first_k = q.shape[-1] if own else 0  # where the keys begin in what they are picked from
    first_v = first_k + k.shape[-1]
    scale = case.get("scale", d_qk**-0.5) * d**0.5
    module.q_proj.weight.value = scale * selection(heads * d, ours * d_qk, ours * d, d_qk)
    module.k_proj.weight.value = selection(heads * d, first_k + theirs * d_qk, ours * d, d_qk)
    module.v_proj.weight.value = selection(heads * d, first_v + theirs * d_v, ours * d, d_v)
    module.out_proj.weight.value = selection(heads * d, ours * d, ours * d_v, d_v)

    def read(y: Array) -> list[Array]:
        y = y[..., : heads * d_v]
        if case.input(0).ndim == 3:
            return [y]
        return [y.reshape(*y.shape[:2], heads, d_v).swapaxes(1, 2)]

    arguments = {"context": context[0]} if context else {}
    if case.input(3) is not None:  # true where ours is false; it may lack axes in front
        shape = (len(q), heads, q.shape[1], k.shape[1])
        arguments["attn_mask"] = np.broadcast_to(~case.input(3), shape)
    return Expression(module, partial(module.forward, training=False, **arguments), (x,), read)


def refuse(case: NodeCase) -> None:
    """Raise NotExpressible for what ours has no word for."""
    for name, reason in NOT_SAID.items():
        if case.get(name):
            raise NotExpressible(reason)
    if case.get("left_window_size", -1) >= 0 or case.get("right_window_size", -1) >= 0:
        raise NotExpressible("a window of near positions")
    if case.input(3) is not None and case.input(3).dtype != np.bool_:
        raise NotExpressible("numbers that are added to the scores")
    for position, reason in FURTHER_INPUTS.items():
        if case.input(position) is not None:
            raise NotExpressible(reason)


def in_rows(x: Array) -> Array:
    """Return (N, heads, T, d) as (N, T, heads d); what is so already, as it is."""
    return x if x.ndim == 3 else x.swapaxes(1, 2).reshape(len(x), x.shape[2], -1)


def filled_up(x: Array, size: int) -> Array:
    """Return x with zeros behind its features, `size` in all."""
    return np.pad(x, [(0, 0), (0, 0), (0, size - x.shape[-1])])


def selection(size: int, origins: Array, places: Array, count: int) -> Array:
    """Return weights (size, size) that bring `count` features from each origin to its place."""
    weight = np.zeros((size, size))
    for origin, place in zip(origins, places, strict=True):
        weight[origin : origin + count, place : place + count] = np.eye(count)
    return weight


COUNTERPARTS = {
    "Attention": Counterpart(("MultiHeadAttention",), attention),
    "FlexAttention": Counterpart(("MultiHeadAttention",), attention),
}
