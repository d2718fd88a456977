"""When requests of an open loop leave: at times that do not depend on the answers."""

import numpy as np
from numpy.typing import NDArray

Seconds = NDArray[np.float64]


def poisson(rate: float, seconds: float, rng: np.random.Generator) -> Seconds:
    """Return ascending times in [0, seconds) of a Poisson process of ``rate`` per second.

    Given how many there are, the arrivals of such a process are uniform and independent. Several
    clients with a part of the rate each make the process of the whole rate together.
    """
    count = int(rng.poisson(rate * seconds))
    times: Seconds = np.sort(rng.random(count)) * seconds
    return times


def shares(total: int, parts: int) -> list[int]:
    """Divide requests in flight among clients; parts differ by one at most."""
    least, rest = divmod(total, parts)
    return [least + (index < rest) for index in range(parts)]


def order(pictures: int, length: int, rng: np.random.Generator) -> list[int]:
    """Return indices of pictures: each as often as the others, shuffled anew in every round."""
    rounds = -(-length // pictures)
    return [int(one) for _ in range(rounds) for one in rng.permutation(pictures)]
