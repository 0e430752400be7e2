"""Where a request to a webhook may go: nowhere that only this machine or its network reaches, in whatever notation."""

from __future__ import annotations

import pytest

from relay.http_out.guard import NotForUs, PublicResolver, check_literal, is_public

PRIVATE = """127.0.0.1 127.1.2.3 0.0.0.0 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1 192.0.2.1
    198.18.0.1 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255 ::1 :: fe80::1 fe80::1%eth0 fc00::1 fd00:ec2::254 ff02::1
    ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 2002:7f00:1:: 2002:a00:1::
    2001:db8::1 2001:0:53aa:64c:0:0:f5ff:fffe ::7f00:1 ::ffff:0:7f00:1 fec0::1 64:ff9b:1::7f00:1 5f00::1 4000::1
    168.63.129.16""".split()


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public(address: str) -> None:
    assert not is_public(address)
    literal = f"[{address.partition('%')[0]}]" if ":" in address else address
    with pytest.raises(NotForUs):
        check_literal(f"https://{literal}/")


@pytest.mark.parametrize("address", ["8.8.8.8", "54.239.28.85", "2600:9000::1", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_an_address_that_is(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f.1", "017700000001"])
async def test_a_name_or_a_number_that_means_one(host: str) -> None:
    with pytest.raises(NotForUs):
        await PublicResolver().resolve(host, 443)
