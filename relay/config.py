"""TOML and environment -> one frozen Config, or ConfigError naming file and key.

Every value can come from `RELAY_SECTION__KEY`, and from a file named by `RELAY_SECTION__KEY_FILE`; a secret also from one named
by `key_file` in the TOML. Lists are written with commas there, or a line for each. config/relay.toml shows every key with its
default; a test compares.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_type_hints

from relay import failpoints
from relay.config_rules import check
from relay.errors import ConfigError
from relay.settings import SQLITE, Config, StoreConfig

WORKER = "RELAY_WORKER"

_PREFIX = "RELAY_"


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Reads the file, lays the environment over it and checks. Raises ConfigError."""
    name = str(path) if path else "(no file)"
    return _built(_read(path, name) if path else {}, name, environ)


def parsed(text: str, name: str, environ: Mapping[str, str]) -> Config:
    """The same for the text of a file that is called so, whether it is there or not. Raises ConfigError."""
    return _built(_tables(text, name), name, environ)


def _built(tables: dict[str, Any], name: str, environ: Mapping[str, str]) -> Config:
    sections = {f.name: f for f in fields(Config) if f.metadata.get("section", True)}
    for section in tables:
        if section not in sections:
            raise ConfigError(name, section, "unknown section")
        if not isinstance(tables[section], dict):
            raise ConfigError(name, section, "must be a section: write [section] above the keys")
    _refuse_unknown_variables(environ, sections)
    built = {
        section: _section(section, f.default_factory, tables.get(section, {}), environ, name)  # type: ignore[arg-type]
        for section, f in sections.items()
    }
    built["store"] = named_by_url(built["store"])
    config = Config(**built, file=name, failpoint=environ.get(failpoints.VARIABLE, ""))
    check(config)
    return _of_worker(config, int(environ.get(WORKER, "0")))


def _of_worker(config: Config, number: int) -> Config:
    """Each of several on one machine has a folder of its own, and is watched on a port of its own."""
    if not number:
        return config
    store, private = config.store, config.private
    if private.listen:
        host, _, port = private.listen.rpartition(":")
        private = replace(private, listen=f"{host}:{int(port) + number - 1}")
    path = store.path.parent / f"worker-{number}" / store.path.name
    return replace(config, worker=number, store=replace(store, path=path), private=private)


def named_by_url(store: StoreConfig) -> StoreConfig:
    """SQLite's URL is its path."""
    if not store.url.startswith(SQLITE):
        return store
    path = store.url.removeprefix(SQLITE)
    return replace(store, url="", path=Path(path.removeprefix("//")))


def _read(path: Path, name: str) -> dict[str, Any]:
    try:
        return _tables(path.read_text("utf-8"), name)
    except FileNotFoundError:
        raise ConfigError(name, "-", "the file does not exist") from None
    except OSError as error:
        raise ConfigError(name, "-", f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(name, "-", f"is not TOML: {error}") from error


def _tables(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, arrays in arrays
        raise ConfigError(name, "-", f"is not TOML: {error}") from error


def _refuse_unknown_variables(environ: Mapping[str, str], sections: Mapping[str, Any]) -> None:
    for variable in environ:
        section, found, key = variable.removeprefix(_PREFIX).lower().partition("__")
        if not variable.startswith(_PREFIX) or not found:
            continue
        if variable != variable.upper():
            raise ConfigError("environment", variable, "must be written in capitals")
        known = {f.name for f in fields(sections[section].default_factory)} if section in sections else set()
        if key not in known and key.removesuffix("_file") not in known:
            raise ConfigError("environment", variable, "unknown setting")


def _section(section: str, kind: type[Any], table: Mapping[str, Any], environ: Mapping[str, str], name: str) -> Any:
    types = get_type_hints(kind)
    secrets = {f.name for f in fields(kind) if not f.repr}
    values = {}
    for key, value in table.items():
        whole, inside = f"{section}.{key}", key.removesuffix("_file")
        if key in types:
            values[key] = _typed(value, types[key], name, whole)
        elif inside in table or inside not in secrets:
            raise ConfigError(name, whole, f"is there beside {inside}" if inside in secrets else "unknown key")
        else:
            inner = _content(_typed(value, str, name, whole), name, whole)
            values[inside] = _read_as(inner, types[inside], name, whole)
    for key, wanted in types.items():
        variable = f"{_PREFIX}{section}__{key}".upper()
        text = _from_environment(variable, environ)
        if text is not None:
            values[key] = _read_as(text, wanted, "environment", variable)
    return kind(**values)


def _from_environment(variable: str, environ: Mapping[str, str]) -> str | None:
    if file := environ.get(f"{variable}_FILE"):
        return _content(file, "environment", f"{variable}_FILE")
    return environ.get(variable)


def _content(file: str, name: str, key: str) -> str:
    """Of a file that `key` names."""
    try:
        return Path(file).read_text("utf-8").rstrip("\r\n")
    except (OSError, ValueError) as error:  # a name may have NUL in it
        raise ConfigError(name, key, f"{file} cannot be read: {error}") from error


def _typed(value: object, wanted: object, name: str, key: str) -> Any:
    """A TOML value as the type of its key."""
    if wanted is Path and isinstance(value, str):
        return Path(value)
    if wanted in (bool, int, str) and type(value) is wanted:
        return value
    for kind, sequence in ((int, tuple[int, ...]), (str, tuple[str, ...])):
        if wanted == sequence and isinstance(value, list) and all(type(item) is kind for item in value):
            return tuple(value)
    raise ConfigError(name, key, f"must be {_WORDS[wanted]}")


def _read_as(text: str, wanted: object, name: str, key: str) -> Any:
    """A text out of a variable or a file, as the type of its key."""
    try:
        if wanted is bool:
            return {"true": True, "false": False}[text.lower()]
        if wanted is int:
            return int(text)
        if wanted in (tuple[int, ...], tuple[str, ...]):
            words = [word.strip() for word in re.split(r"[,\n]", text) if word.strip()]
            return tuple(words) if wanted == tuple[str, ...] else tuple(int(word) for word in words)
        return Path(text) if wanted is Path else text
    except (KeyError, ValueError):
        raise ConfigError(name, key, f"must be {_WORDS[wanted]}") from None


_WORDS: dict[object, str] = {
    bool: "true or false",
    int: "a whole number",
    str: "text",
    Path: "a path",
    tuple[int, ...]: "a list of whole numbers",
    tuple[str, ...]: "a list of texts",
}
