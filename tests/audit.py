"""Known vulnerabilities in what the relay is installed with: `python -m tests.audit` asks pip-audit about requirements.txt.

Exit status 1 where one is known. What could not be asked is said, and fails nothing: the service is not to be reached from
everywhere, and pip-audit takes a package that its service does not know for one without vulnerabilities.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

LOCK = Path(__file__).parents[1] / "requirements.txt"
_WORDS = ("--disable-pip", "--require-hashes", "--format", "json", "--progress-spinner", "off", "--timeout", "10")


class Audit(NamedTuple):
    """How many packages were asked about, and could not be; and what is known, a line for each."""

    asked: int
    unasked: int
    known: tuple[str, ...]


def audit(found: Iterable[Mapping[str, Any]]) -> Audit:
    """Of pip-audit's list of packages."""
    packages = tuple(found)
    unasked = sum("skip_reason" in each for each in packages)
    known = [
        f"{each['name']} {each['version']}: {flaw['id']}, mended in {', '.join(flaw['fix_versions']) or 'no release'}"
        for each in packages
        for flaw in each.get("vulns", ())
    ]
    return Audit(len(packages) - unasked, unasked, tuple(known))


def main() -> int:
    words = [sys.executable, "-m", "pip_audit", "--requirement", str(LOCK), *_WORDS]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if not done.stdout:
        print(f"audit: nobody could be asked ({done.stderr.strip().splitlines()[-1][:120]})")
        return 0
    seen = audit(json.loads(done.stdout)["dependencies"])
    print(f"audit: {len(seen.known)} known vulnerabilities in {seen.asked} packages; {seen.unasked} could not be asked about")
    print(*seen.known, sep="\n", end="\n" if seen.known else "")
    return 1 if seen.known else 0


if __name__ == "__main__":
    sys.exit(main())
