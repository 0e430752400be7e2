"""`make bench`: whole programs side by side, in interleaved rounds of one run, so that a noisy machine troubles all alike.

`python -m tests.bench kept-4k` runs one scenario. The exit status is 0 whatever was measured: benchmarks are no tests.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import tempfile
from pathlib import Path
from typing import cast

from tests.bench import table
from tests.bench.compare import compare
from tests.bench.scenarios import SCENARIOS


async def main() -> None:
    """Runs the scenarios named, or all, and prints one table."""
    options = _options()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, cast("asyncio.Task[None]", asyncio.current_task()).cancel)
    outcomes = {}
    for name in options.scenarios or SCENARIOS:
        with tempfile.TemporaryDirectory(prefix="relay-bench-") as folder:
            Path(folder).chmod(0o711)  # Postfix's own user has to get through
            outcomes[name] = await compare(SCENARIOS[name], Path(folder), options.rounds, options.seconds)
    table.show(outcomes, options.rounds, options.seconds)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("scenarios", nargs="*", metavar="scenario", help=", ".join(SCENARIOS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    if unknown := set(options.scenarios) - SCENARIOS.keys():
        parser.error(f"no {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    return options


if __name__ == "__main__":
    asyncio.run(main())
