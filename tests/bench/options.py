"""What most benchmarks are told on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Collection


def options(program: str, scenarios: Collection[str], *, seconds: float) -> argparse.Namespace:
    """`scenarios` (none of them named: all), `rounds`, and `seconds` of each."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}")
    parser.add_argument("scenarios", nargs="*", metavar="scenario", help=", ".join(scenarios))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=seconds)
    found = parser.parse_args()
    if unknown := set(found.scenarios).difference(scenarios):
        parser.error(f"no {', '.join(unknown)}; there are {', '.join(scenarios)}")
    return found
