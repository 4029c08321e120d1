"""The faults by room, and which tests a room's faults should be found by first."""

from benchmarks.planted_faults.faults import (
    data,
    ensemble,
    estimators,
    layers,
    loss_functions,
    metrics,
    optimizers,
    preparation,
    storage,
    training,
)
from benchmarks.planted_faults.faults.room import Room

__all__ = ["ROOMS", "Room"]

ROOMS = {
    "layers": layers.ROOM,
    "losses": loss_functions.ROOM,
    "optimizers": optimizers.ROOM,
    "metrics": metrics.ROOM,
    "data": data.ROOM,
    "training": training.ROOM,
    "preparation": preparation.ROOM,
    "storage": storage.ROOM,
    "ensemble": ensemble.ROOM,
    "estimators": estimators.ROOM,
}
