"""Writes what is installed beside this Python as CycloneDX 1.5, to standard output: a bill of materials for the image.

Of the packages of Python. Those of the system below it are in its own list (`dpkg-query --list`).
"""

from __future__ import annotations

import json
import re
import sys
import uuid
from importlib.metadata import Distribution, distributions

_MAIN = "relay"
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

Json = dict[str, object]


def _key(name: str) -> str:
    """A name as the index of packages has it: PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _purl(found: Distribution) -> str:
    return f"pkg:pypi/{_key(found.name)}@{found.version}"


def _component(found: Distribution) -> Json:
    component: Json = {
        "type": "application" if _key(found.name) == _MAIN else "library",
        "bom-ref": _purl(found),
        "name": _key(found.name),
        "version": found.version,
        "purl": _purl(found),
    }
    if "License-Expression" in found.metadata:  # PEP 639
        component["licenses"] = [{"expression": found.metadata["License-Expression"]}]
    return component


def _needs(found: Distribution, installed: dict[str, Distribution]) -> Json:
    """Those of its requirements that are here; extras and markers have been decided by who installed it."""
    names = (_REQUIREMENT.match(each) for each in found.requires or ())
    needed = {_key(name[0]) for name in names if name}
    return {"ref": _purl(found), "dependsOn": sorted(_purl(installed[name]) for name in needed & installed.keys())}


def bill() -> Json:
    """The document. It is the same each time for the same packages."""
    installed = {_key(found.name): found for found in distributions()}
    others = [installed[name] for name in sorted(installed) if name != _MAIN]
    components = [_component(found) for found in others]
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(components) + _purl(installed[_MAIN]))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"component": _component(installed[_MAIN])},
        "components": components,
        "dependencies": [_needs(found, installed) for found in (installed[_MAIN], *others)],
    }


if __name__ == "__main__":
    json.dump(bill(), sys.stdout, indent=1)
