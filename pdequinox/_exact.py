"""Linear systems solved in rational numbers: coefficients without rounding errors."""

from fractions import Fraction


def solve(rows: list[list[Fraction]]) -> list[list[Fraction]]:
    """Gauss-Jordan elimination of the augmented system `[A | B]`; returns `A^-1 B`."""
    n = len(rows)
    for i in range(n):
        pivot = next(r for r in range(i, n) if rows[r][i] != 0)
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [value / rows[i][i] for value in rows[i]]
        for r in range(n):
            if r != i and rows[r][i] != 0:
                factor = rows[r][i]
                rows[r] = [a - factor * b for a, b in zip(rows[r], rows[i], strict=True)]
    return [row[n:] for row in rows]
