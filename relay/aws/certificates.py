"""Fetches the certificates that sign SNS messages. Only successes are kept: a kept failure would lose every bounce."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from pathlib import Path

import aiohttp
from cryptography import x509

from relay.aws.answers import body_of
from relay.errors import NoCertificate, TryAgain

_MAX_SIZE = 64 * 1024
_SECONDS = 5.0
_KEPT = 16
_AT_ONCE = 8  # a stranger can make up addresses of SNS faster than SNS answers


class FetchedCertificates:
    """Implements ports.Certificates. The URL was checked before: https, the topic's region, no redirects followed."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, x509.Certificate] = OrderedDict()
        self._fetching: dict[str, asyncio.Task[x509.Certificate]] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def get(self, url: str) -> x509.Certificate:
        """Who asks while it is fetched waits for the same answer."""
        if url in self._kept:
            return self._kept[url]
        if url not in self._fetching:
            self._fetching[url] = asyncio.create_task(self._fetch(url))
            self._fetching[url].add_done_callback(lambda task: task.cancelled() or task.exception())  # all may be gone
        return await asyncio.shield(self._fetching[url])

    async def _fetch(self, url: str) -> x509.Certificate:
        try:
            async with self._turns:
                self._kept[url] = await _fetched(url)
        finally:
            del self._fetching[url]
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return self._kept[url]


async def _fetched(url: str) -> x509.Certificate:
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.get(url, allow_redirects=False) as answer,
        ):
            pem = await body_of(answer, _MAX_SIZE)
            if answer.status != 200:
                raise _refusal(answer.status)
        return x509.load_pem_x509_certificate(pem)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise TryAgain(f"the certificate cannot be had: {error!r}") from error


def _refusal(status: int) -> TryAgain:
    why = f"the certificate is answered {status}"
    return NoCertificate(why) if 400 <= status < 500 and status != 429 else TryAgain(why)


class PinnedCertificate:
    """Implements ports.Certificates with one file, whatever the URL. For a sandbox on loopback only: see config.py."""

    def __init__(self, file: Path) -> None:
        self._certificate = x509.load_pem_x509_certificate(file.read_bytes())

    async def get(self, url: str) -> x509.Certificate:
        return self._certificate
