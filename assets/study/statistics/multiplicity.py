"""Families of tests.

Belongs here: adjustment of p-values. Does not belong here: which tests are a family.
"""

from collections.abc import Sequence

from orchestration.failures import PermanentFailure


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (Holm 1979), in the order given.

    Args:
        p_values: the family of tests, each in [0, 1].

    Raises:
        PermanentFailure: a p-value is outside [0, 1] or unknown.
    """
    if not all(0 <= p <= 1 for p in p_values):
        raise PermanentFailure("A p-value is unknown or outside 0 to 1.")
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
