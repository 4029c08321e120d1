"""The work in PyTorch, eager, as its documentation recommends.

Adam is the fused one. Convolutions are tried with both memory formats, and the faster is taken.
Prediction runs under inference_mode. The loss takes logits and classes.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

import torch
from torch import nn

from benchmarks.speed.work import LEARNING_RATE, Job, Skip, Work, inputs, samples, targets

FORMATS = (torch.contiguous_format, torch.channels_last)


def train(work: Work) -> Job:
    return fastest(lambda memory_format: training(work, memory_format), work)


def training(work: Work, memory_format: torch.memory_format) -> Job:
    model, loss = build(work).to(memory_format=memory_format), loss_of(work)
    optimizer = adam(model)
    xs, ys = torch.from_numpy(inputs(work)), torch.from_numpy(targets(work))
    if work.model in ("cnn", "conv-network"):
        xs = [x.to(memory_format=memory_format) for x in xs]
    data = list(zip(xs, ys, strict=True))

    def run() -> None:
        for x, y in data:
            step(model, loss, optimizer, x, y)

    return Job(run, len(data))


def fit(work: Work) -> Job:
    """Run epochs, shuffled by randperm and gathered by index: a DataLoader does more."""
    X, y = map(torch.from_numpy, samples(work))
    model, loss = build(work), loss_of(work)
    optimizer = adam(model)

    def run() -> None:
        for rows in torch.randperm(len(X)).split(work.batch):
            step(model, loss, optimizer, X[rows], y[rows])

    return Job(run, 1 if work.unit == "epoch" else work.batches)


def predict(work: Work) -> Job:
    model = nn.Sequential(build(work), nn.Softmax(dim=-1)).eval()
    data = list(torch.from_numpy(inputs(work)))

    def run() -> None:
        with torch.inference_mode():
            for x in data:
                model(x)

    return Job(run, len(data))


def layer(work: Work) -> Job:
    return fastest(lambda memory_format: convolving(work, memory_format), work)


def convolving(work: Work, memory_format: torch.memory_format) -> Job:
    channels, filters, kernel, _ = work.sizes
    model = nn.Conv2d(channels, filters, kernel).to(memory_format=memory_format)
    x = torch.from_numpy(inputs(work)[0]).to(memory_format=memory_format).requires_grad_()
    dy = torch.ones_like(model(x))

    def run() -> None:
        torch.autograd.grad(model(x), [x, *model.parameters()], dy)

    return Job(run, 1)


def fastest(make: Callable[[torch.memory_format], Job], work: Work) -> Job:
    """Return the job in the memory format that is faster here, where there are images."""
    if work.model not in ("cnn", "conv", "conv-network"):
        return make(torch.contiguous_format)
    jobs = {memory_format: make(memory_format) for memory_format in FORMATS}
    seconds = {memory_format: min(durations(job)) for memory_format, job in jobs.items()}
    best = min(seconds, key=seconds.__getitem__)
    return Job(jobs[best].run, jobs[best].units, str(best).removeprefix("torch."))


def durations(job: Job) -> list[float]:
    found = []
    for _ in range(4):
        start = time.perf_counter()
        job.run()
        found.append(time.perf_counter() - start)
    return found[1:]


def step(model: nn.Module, loss: nn.Module, optimizer: torch.optim.Adam, x, y) -> None:
    optimizer.zero_grad()
    loss(model(x), y).backward()
    optimizer.step()


def adam(model: nn.Module) -> torch.optim.Adam:
    return torch.optim.Adam(model.parameters(), LEARNING_RATE, fused=True)


def loss_of(work: Work) -> nn.Module:
    arrays = work.model in ("transformer", "conv-network")
    return nn.MSELoss() if arrays else nn.CrossEntropyLoss()


# ---------------------------------------------------------------- the networks


def build(work: Work) -> nn.Module:
    torch.manual_seed(0)
    match work.model:
        case "mlp" | "fashion-mnist":
            return mlp(work.sizes)
        case "silu":
            return mlp(work.sizes, nn.SiLU)
        case "cnn":
            one, two, hidden, classes = work.sizes
            return nn.Sequential(
                nn.Conv2d(1, one, 3),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Conv2d(one, two, 3),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Flatten(),
                nn.Linear(two * 5 * 5, hidden),
                nn.ReLU(),
                nn.Linear(hidden, classes),
            )
        case "conv-network":
            return nn.Conv2d(*work.sizes[:3])
        case "lstm":
            return LastOfLSTM(*work.sizes)
        case "transformer":
            width, heads, _, hidden = work.sizes
            return nn.TransformerEncoderLayer(
                width,
                heads,
                hidden,
                dropout=0.0,
                activation=nn.GELU("tanh"),
                batch_first=True,
                norm_first=True,
            )
    raise Skip(f"{work.model} is not written for PyTorch")


def mlp(sizes: tuple[int, ...], activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inside, outside in itertools.pairwise(sizes):
        layers += [nn.Linear(inside, outside), activation()]
    return nn.Sequential(*layers[:-1])


class LastOfLSTM(nn.Module):
    """An LSTM, and a Linear layer on what stands at its last step."""

    def __init__(self, features: int, units: int, _steps: int, classes: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(features, units, batch_first=True)
        self.linear = nn.Linear(units, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(self.lstm(x)[0][:, -1])


JOBS = {"train": train, "fit": fit, "predict": predict, "layer": layer}
