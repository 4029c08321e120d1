"""The Python of the README, of the tour and of fine-tuning runs, all of it, as it stands there.

The blocks run in their order, page after page, and share their names, as a reader would type them:
in a fresh interpreter, at the root of a checkout, with warnings as errors. A block that quotes the
package's source must be there word for word, and runs among the names of the file that it quotes.
"""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = (ROOT / "README.md", *(ROOT / "docs" / f"{page}.md" for page in ("tour", "fine_tuning")))
TEXT = "\n".join(page.read_text("utf-8") for page in PAGES)
FENCE = re.compile(r"^```python[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)

RUN = """
import importlib, sys
names = {"__name__": "__main__"}
for code, quoted in %r:
    place = dict(vars(importlib.import_module(quoted))) if quoted else names
    exec(compile(code, "README.md", "exec"), place)
"""


def blocks() -> list[str]:
    """Return the Python blocks, each on the lines on which it stands in all pages together."""
    starts = [(match.start(1), match.group(1)) for match in FENCE.finditer(TEXT)]
    return ["\n" * TEXT.count("\n", 0, start) + code for start, code in starts]


def quoted_file(code: str) -> str:
    """Return the module whose source a block quotes word for word, or nothing."""
    files = sorted((ROOT / "chainrule").rglob("*.py"))
    for file in files if code.strip().startswith(("class ", "def ")) else []:
        if code.strip() in file.read_text("utf-8"):
            return ".".join(file.relative_to(ROOT).with_suffix("").parts)
    return ""


def run(script: str) -> str:
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def printed_by_all() -> str:
    """Return what all blocks print, run one after the other."""
    return run(RUN % [(code, quoted_file(code)) for code in blocks()])


def without_rounding(verdict: str) -> str:
    """Leave out the errors of right gradients: rounding, which differs between processors."""
    return re.sub(r"(right .* relative error )\S+", r"\1...", verdict)


def test_there_are_blocks_and_none_is_overlooked():
    assert len(blocks()) >= 1
    assert len(blocks()) == len(re.findall(r"^\s*(?:```|~~~)\s*(?:python|py)\b", TEXT, re.M))


def test_every_block_runs_and_prints_what_stands_below_it():
    printed = printed_by_all()
    shown = re.findall(r"^```\n\n```text\n(.*?)^```", TEXT, re.M | re.S)
    assert len(shown) >= 1
    for text in shown:
        assert without_rounding(text) in without_rounding(printed), printed


ORIGINAL = """
import numpy as np
from network import Network
from loss_functions import CategoricalCrossEntropy
X_train = np.random.randn(64, 4)
y_train = np.eye(3)[np.random.randint(0, 3, size=64)]
net = Network([4, 8, 3])            # Linear -> ReLU -> Linear -> Softmax
preds = net.forward(X_train)
loss_fn = CategoricalCrossEntropy()
loss = loss_fn.forward(y_train, preds)
grad = loss_fn.backward(y_train, preds)
net.backward(grad)
net.update(learning_rate=0.01)
"""


def test_the_first_example_prints_its_loss_which_falls():
    example = blocks()[0].strip()
    assert example.startswith(ORIGINAL.strip())
    before, after = re.findall(r"\d\.\d{5}", run(example))
    assert 0.5 < float(after) < float(before) < 10


def test_the_others_learn_what_is_there_to_be_learned():
    printed = printed_by_all()
    reached = [
        float(number) for number in re.findall(r"(?:accuracy|macro)[': ]+(\d\.\d+)", printed)
    ]
    assert len(reached) == 5, printed
    assert min(reached) > 0.9, printed


def test_the_sick_network_is_told_as_the_readme_shows():
    printed = printed_by_all()
    for line in re.findall(r"^(?:The doctor found|1\. PROBLEM).*", TEXT, re.M):
        assert line in printed


def test_the_first_example_needs_numpy_alone():
    loaded = "\nprint(*{name.split('.')[0] for name in set(sys.modules) - before})"
    script = "import sys, numpy, numpy.random\nbefore = set(sys.modules)\n" + blocks()[0].strip()
    own = {"numpy", "chainrule", "network", "loss_functions"}
    assert "from network import Network" in script
    assert set(run(script + loaded).splitlines()[-1].split()) - set(sys.stdlib_module_names) <= own
