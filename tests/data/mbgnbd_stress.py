"""Computes mbgnbd_stress.csv with 60-digit arithmetic (pip install mpmath): python mbgnbd_stress.py > mbgnbd_stress.csv

The cases are those of bgnbd_stress.csv, and each with a smaller b besides, where one-time buyers matter most. Written
from the definition of MBG/NBD, not from the forms the program uses: probabilities as ratios of likelihoods, expected
purchases by the 2F1 and again by an integral over the dropout probability; both must agree to 14 digits.
"""

import csv
import pathlib
import sys

from mpmath import beta, expm1, hyp2f1, log1p, mp, mpf, nstr, quad

mp.dps = 60


def expected_if_alive(r, alpha, a, b, x, T, t):
    """The published form for BG/NBD with b + 1 for b."""
    n, c = r + x, a + b + x
    left = (alpha + T) / (alpha + T + t)
    return c / (a - 1) * (1 - left**n * hyp2f1(n, b + 1 + x, c, t / (alpha + T + t)))


def expected_by_integral(r, alpha, a, b, x, T, t):
    """Mean of -expm1(-n log1p(p t/(alpha+T)))/p over p ~ Beta(a, b+x+1), with u = p^a against the pole at 0."""
    n, k = r + x, b + x + 1

    def at(u):
        p = u ** (1 / a)
        # Below 1e-50 the quotient is its limit to all digits.
        rate = n * t / (alpha + T) if p < mpf(10) ** -50 else -expm1(-n * log1p(p * t / (alpha + T))) / p
        return (1 - p) ** (k - 1) * rate

    marks = [mpf(m) for m in ("1e-12", "1e-6", "1e-3", "0.1", "1", "3", "10", "40", "150")]
    edges = [mpf(0)] + [(m / k) ** a for m in marks if m < k] + [mpf(1)]
    return quad(at, edges) / (a * beta(a, k))


def main():
    here = pathlib.Path(__file__).parent
    names = ["r", "alpha", "a", "b", "x", "t_x", "T", "t"]
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(names + ["p_alive", "e_given_alive", "e", "p_silent_t"])
    for row in csv.DictReader((here / "bgnbd_stress.csv").open()):
        for b_text in (row["b"], "0.3"):
            row["b"] = b_text
            r, alpha, a, b, x, t_x, T, t = (mpf(row[name]) for name in names)
            n = r + x
            alive = beta(a, b + x + 1) / (alpha + T) ** n
            dropped = beta(a + 1, b + x) / (alpha + t_x) ** n
            buys_later = 1 - ((alpha + T) / (alpha + T + t)) ** n
            p_alive = alive / (alive + dropped)
            by_integral = expected_by_integral(r, alpha, a, b, x, T, t)
            # The 2F1 form has a pole at a = 1.
            e = by_integral if a == 1 else expected_if_alive(r, alpha, a, b, x, T, t)
            if abs(e / by_integral - 1) > mpf(10) ** -14:
                sys.exit(f"the two ways differ by {nstr(e / by_integral - 1, 3)} in {row}")
            results = (p_alive, e, p_alive * e, 1 - p_alive * buys_later)
            out.writerow([row[name] for name in names] + [nstr(v, 15) for v in results])


if __name__ == "__main__":
    main()
