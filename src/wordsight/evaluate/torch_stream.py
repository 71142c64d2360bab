"""PyTorch's random numbers on the CPU, without PyTorch: what a seed makes of a linear layer and of shuffled batches.

    stream = TorchStream(seed)                    # torch.manual_seed(seed)
    linear = stream.linear(10, 512)               # torch.nn.Linear(512, 10)
    orders = [stream.shuffle(5000) for _ in range(10)]   # the rows, as DataLoader(shuffle=True) takes them in 10 epochs

PyTorch draws from the Mersenne twister MT19937, and so does numpy's `RandomState`, whose stream is frozen: for equal
seeds both give the same 32-bit words.  What is made of the words is that of PyTorch 1.8 to 2.13.
Knows nothing of training.
"""

import numpy as np
from numpy.typing import NDArray

from wordsight.evaluate.linear import Linear

WORD = 1 << 32
DIGITS = 24  # of a float32: a uniform number is made of so many low bits of a word


class TorchStream:
    """The words that follow a seed; each call goes on where the last one stopped."""

    def __init__(self, seed: int) -> None:
        self._words = np.random.RandomState(seed % WORD)  # PyTorch uses the low half of a seed of 64 bits

    def linear(self, classes: int, width: int) -> Linear:
        """Return the weights (classes, width) and bias at which `torch.nn.Linear` starts.

        Both are uniform below 1 / sqrt(width) (He et al. 2015, with the gain for a slope of sqrt(5)).
        """
        gain = np.sqrt(2.0 / (1.0 + np.sqrt(5.0) ** 2))
        weights = self._uniform(classes * width, float(np.sqrt(3.0) * gain / np.sqrt(width)))
        return Linear(weights.reshape(classes, width), self._uniform(classes, float(1.0 / np.sqrt(width))))

    def shuffle(self, count: int) -> NDArray[np.int64]:
        """Return the order in which an epoch of `DataLoader(shuffle=True)` takes `count` rows, (count,).

        The loader draws a seed for its workers, then one for the order, whose stream is its own.
        """
        self._seed()
        return TorchStream(self._seed()).permutation(count)

    def permutation(self, count: int) -> NDArray[np.int64]:
        """Return `torch.randperm(count)`: each position changes with one at or behind it."""
        ahead = np.arange(count, 1, -1, dtype=np.uint32)  # rows at or behind a position
        order = list(range(count))
        for position, step in enumerate((self._draw(len(ahead)) % ahead).tolist()):
            order[position], order[position + step] = order[position + step], order[position]
        return np.array(order, dtype=np.int64)

    def _draw(self, count: int) -> NDArray[np.uint32]:
        return self._words.randint(0, WORD, size=count, dtype=np.uint32)

    def _seed(self) -> int:
        """Return a random int64 that is not negative: two words, the high one first."""
        high, low = self._draw(2).tolist()
        return int((high << 32 | low) & ((1 << 63) - 1))

    def _uniform(self, count: int, bound: float) -> NDArray[np.float32]:
        """Return numbers from -bound to bound, scaled in one rounding as a fused multiplication and addition does."""
        low, high = np.float32(-bound), np.float32(bound)
        shares = (self._draw(count) & ((1 << DIGITS) - 1)) * 2.0**-DIGITS
        return (shares * np.float64(high - low) + np.float64(low)).astype(np.float32)
