"""`make bench`: whole programs side by side, in interleaved rounds of one run, so that a noisy machine troubles all alike.

`python -m tests.bench kept-4k` runs one scenario. The exit status is 0 whatever was measured: benchmarks are no tests.
"""

from __future__ import annotations

import asyncio
import signal
import tempfile
from pathlib import Path
from typing import cast

from tests.bench import table
from tests.bench.compare import compare
from tests.bench.options import options as read_options
from tests.bench.scenarios import SCENARIOS


async def main() -> None:
    """Runs the scenarios named, or all, and prints one table."""
    options = read_options("tests.bench", SCENARIOS, seconds=3.0)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, cast("asyncio.Task[None]", asyncio.current_task()).cancel)
    outcomes = {}
    for name in options.scenarios or SCENARIOS:
        with tempfile.TemporaryDirectory(prefix="relay-bench-") as folder:
            Path(folder).chmod(0o711)  # Postfix's own user has to get through
            outcomes[name] = await compare(SCENARIOS[name], Path(folder), options.rounds, options.seconds)
    table.show(outcomes, options.rounds, options.seconds)


if __name__ == "__main__":
    asyncio.run(main())
