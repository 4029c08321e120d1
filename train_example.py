"""The smallest training loop, every step in sight. Needs NumPy alone.

python train_example.py
"""

import numpy as np

from chainrule.loss_functions import CategoricalCrossEntropy
from chainrule.network import Network

# Three clouds of points in the plane, one for each class.
rng = np.random.default_rng(0)
centres = np.array([[0.0, 2.0], [-2.0, -1.0], [2.0, -1.0]])
labels = rng.integers(0, 3, size=300)  # (300,)
points = centres[labels] + rng.normal(size=(300, 2))  # (300, 2)
new_labels = rng.integers(0, 3, size=300)  # of points that the network will not have seen
new_points = centres[new_labels] + rng.normal(size=(300, 2))

network = Network([2, 16, 3], seed=0)  # Linear -> ReLU -> Linear -> Softmax
loss_fn = CategoricalCrossEntropy()

for step in range(1, 201):
    probabilities = network.forward(points)  # 1. what does the network say?
    loss = loss_fn.forward(labels, probabilities)  # 2. how wrong is that?
    gradient = loss_fn.backward(labels, probabilities)  # 3. which way would be less wrong ...
    network.backward(gradient)  # ... for every weight, by the chain rule
    network.update(learning_rate=0.5)  # 4. a small step that way
    if step == 1 or step % 20 == 0:
        right = (network.predict(points).argmax(axis=1) == labels).mean()
        print(f"step {step:3d}   loss {loss:.4f}   accuracy {right:.3f}")

right = (network.predict(new_points).argmax(axis=1) == new_labels).mean()
nearest = np.linalg.norm(new_points[:, np.newaxis] - centres, axis=2).argmin(axis=1)  # (300,)
print(f"on new points: accuracy {right:.3f}; who knows the centres reaches", end=" ")
print(f"{(nearest == new_labels).mean():.3f}")
