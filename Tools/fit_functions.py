#!/usr/bin/env python3
"""Fits the polynomials of furc's exp, log, tanh, erf, sin and cos, and checks that the sources hold them.

    Tools/fit_functions.py           prints every table of coefficients
    Tools/fit_functions.py --check   fails unless C and Swift contain each of them

Needs mpmath. Method: Remez exchange on a dense grid of Chebyshev points, in 60 digits, minimising the
largest weighted error. Coefficients are rounded to the working format one at a time, lowest power first,
and the remaining ones are fitted again, so that a later coefficient makes up for an earlier rounding; where
rounding them all at once is better (the later fits lack the Haar property around 0), that is taken.
"""

import pathlib
import struct
import sys

from mpmath import mp, mpf, cos, cospi, erf, erfc, exp, fabs, log, lu_solve, matrix, pi, sin, sqrt, tanh, workdps

mp.dps = 60
GRID = 1200


def chebyshev_grid(low, high):
    middle, half = (high + low) / 2, (high - low) / 2
    return [middle - half * cospi(mpf(i) / (GRID - 1)) for i in range(GRID)]


def remez(target, weight, powers, points):
    """Coefficients c minimising max |weight · (target - Σ c[k] · x^powers[k])| on the points."""
    count = len(powers)
    rows = [[w * x**p for p in powers] for x, w in zip(points, weight)]
    values = [w * t for w, t in zip(weight, target)]
    picked = [round(i * (len(points) - 1) / count) for i in range(count + 1)]
    for _ in range(60):
        system, right = matrix(count + 1, count + 1), matrix(count + 1, 1)
        for i, at in enumerate(picked):
            for k in range(count):
                system[i, k] = rows[at][k]
            system[i, count] = (-1) ** i
            right[i] = values[at]
        solution = lu_solve(system, right)
        errors = [v - sum(r * solution[k] for k, r in enumerate(row)) for v, row in zip(values, rows)]
        # One extremum of each run of equal sign; drop the smaller end until count + 1 are left.
        runs = []
        for at, error in enumerate(errors):
            if runs and (errors[runs[-1]] > 0) == (error > 0):
                if fabs(error) > fabs(errors[runs[-1]]):
                    runs[-1] = at
            else:
                runs.append(at)
        while len(runs) > count + 1:
            runs.pop(0 if fabs(errors[runs[0]]) < fabs(errors[runs[-1]]) else -1)
        worst = max(fabs(e) for e in errors)
        if len(runs) < count + 1 or worst <= fabs(solution[count]) * mpf("1.000001"):
            break
        picked = runs
    return [solution[k] for k in range(count)], worst


def round_to(value, single):
    text = "<f" if single else "<d"
    return mpf(struct.unpack(text, struct.pack(text, float(value)))[0])


def fit(function, weight, low, high, degree, single=True):
    """Rounded coefficients of ascending powers 0…degree, and the largest weighted error."""
    points = chebyshev_grid(mpf(low), mpf(high))
    with workdps(60):
        weights = [weight(x) for x in points]
        rest = [function(x) for x in points]
        target = list(rest)
        rounded, at_once = [], None
        for power in range(degree + 1):
            found, _ = remez(rest, weights, list(range(power, degree + 1)), points)
            at_once = at_once or [round_to(c, single) for c in found]
            rounded.append(round_to(found[0], single))
            rest = [r - rounded[-1] * x**power for r, x in zip(rest, points)]

        def worst(chosen):
            return max(
                fabs(w * (t - sum(c * x**k for k, c in enumerate(chosen))))
                for w, t, x in zip(weights, target, points))

        best = min([rounded, at_once], key=worst)
        return best, worst(best)


def literal(value):
    mantissa, exponent = float(value).hex().split("p")
    return f"{mantissa.rstrip('0').rstrip('.')}p{int(exponent)}"


def series(first, ratio, count=40):
    """Σ of a series from its first term and term(k+1)/term(k)."""
    total = term = first
    for k in range(count):
        term = term * ratio(k)
        total += term
    return total


HALF_LN2 = log(mpf(2)) / 2

# Each fits what its comment says; the weight turns the error into one relative to the function.
TABLES = {
    # (e^r - 1 - r) / r^2
    "exp": lambda: fit(
        lambda r: series(mpf(1) / 2, lambda k: r / (k + 3)), lambda r: r * r / exp(r),
        -HALF_LN2 * mpf("1.002"), HALF_LN2 * mpf("1.002"), 4),
    # (log(1 + f) - f) / f^2
    "log": lambda: fit(
        lambda f: (log(1 + f) - f) / f**2 if fabs(f) > mpf("1e-12") else -mpf(1) / 2 + f / 3,
        lambda f: f * f / fabs(log(1 + f)) if f else mpf(0), mpf(-1) / 3, mpf(1) / 3, 8),
    # (tanh(x) / x - 1) / x^2 in s = x^2
    "tanh": lambda: fit(
        lambda s: (tanh(sqrt(s)) / sqrt(s) - 1) / s if s > mpf("1e-15") else -mpf(1) / 3,
        lambda s: s * sqrt(s) / tanh(sqrt(s)) if s else mpf(0), 0, mpf("0.625") ** 2, 4),
    # erf(x) / x - 1 in s = x^2
    "erf small": lambda: fit(
        lambda s: erf(sqrt(s)) / sqrt(s) - 1 if s > mpf("1e-30") else 2 / sqrt(pi) - 1,
        lambda s: sqrt(s) / erf(sqrt(s)) if s else sqrt(pi) / 2, 0, mpf("0.9375") ** 2, 6),
    # -log(1 - erf(t)) / t - 1
    "erf large": lambda: fit(
        lambda t: -log(erfc(t)) / t - 1, lambda t: t * erfc(t) / erf(t), mpf("0.9375"), mpf("3.95"), 6),
    # (sin(r) / r - 1) / r^2 in s = r^2
    "sin": lambda: fit(
        lambda s: series(-mpf(1) / 6, lambda k: -s / ((2 * k + 4) * (2 * k + 5))),
        lambda s: s, 0, (pi / 4 * mpf("1.001")) ** 2, 4, single=False),
    # (cos(r) - 1 + r^2 / 2) / r^4 in s = r^2
    "cos": lambda: fit(
        lambda s: series(mpf(1) / 24, lambda k: -s / ((2 * k + 5) * (2 * k + 6))),
        lambda s: s**2 / cos(sqrt(s)), 0, (pi / 4 * mpf("1.001")) ** 2, 3, single=False),
}


def two_over_pi_words():
    """The first 256 bits of 2/π behind the binary point, as eight 32-bit words."""
    with workdps(120):
        bits = int(mp.floor(2 / pi * mpf(2) ** 256))
    return [f"0x{bits >> (224 - 32 * i) & 0xFFFFFFFF:08X}" for i in range(8)]


def parts(value, count, single):
    """`value` as a sum of `count` numbers of the format."""
    found = []
    for _ in range(count):
        found.append(round_to(value, single))
        value -= found[-1]
    return [literal(p) for p in found]


def all_tables():
    for name, make in TABLES.items():
        coefficients, worst = make()
        yield name, [literal(c) for c in coefficients], f"error 2^{float(log(worst, 2)):.1f}"
    ln2 = log(mpf(2))
    yield "log2(e)", parts(1 / ln2, 1, True), "f32"
    yield "ln 2", parts(ln2, 2, True), "f32 parts"
    yield "2/pi", parts(2 / pi, 1, False), "f64"
    yield "pi/2", parts(pi / 2, 2, False), "f64 parts"
    yield "2/pi words", two_over_pi_words(), "32 bits each"


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    swift = "".join(p.read_text() for p in sorted((root / "Sources/KernelIR/Arithmetic").glob("*.swift")))
    c = (root / "Sources/CKernels/include/furc_functions.h").read_text()
    missing = 0
    for name, values, note in all_tables():
        print(f"{name} ({note})")
        for value in values:
            magnitude = value.lstrip("-")
            present = all(magnitude.lower() in text.lower().replace("_", "") for text in (swift, c))
            missing += not present
            print(f"  {value}" + ("" if present or "--check" not in sys.argv else "  MISSING"))
    if "--check" in sys.argv and missing:
        sys.exit(f"{missing} coefficients are not in the sources")


if __name__ == "__main__":
    main()
