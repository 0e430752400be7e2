from __future__ import annotations

import pytest

from relay.aws.sqs import endpoint_and_region


@pytest.mark.parametrize(
    ("url", "endpoint", "region"),
    [
        ("https://sqs.eu-west-1.amazonaws.com/123456789012/events", "https://sqs.eu-west-1.amazonaws.com", "eu-west-1"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/1/events", "https://sqs.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("https://sqs-fips.us-west-2.amazonaws.com/1/events", "https://sqs-fips.us-west-2.amazonaws.com", "us-west-2"),
        ("https://eu-west-1.queue.amazonaws.com/1/events", "https://eu-west-1.queue.amazonaws.com", "eu-west-1"),
        (
            "https://vpce-0a1-b2.sqs.eu-central-1.vpce.amazonaws.com/1/events",
            "https://vpce-0a1-b2.sqs.eu-central-1.vpce.amazonaws.com",
            "eu-central-1",
        ),
        ("http://127.0.0.1:4566/123456789012/events", "http://127.0.0.1:4566", "us-east-1"),
        ("http://[::1]:4566/123456789012/sqs.eu-west-1.x", "http://[::1]:4566", "us-east-1"),
    ],
)
def test_a_queue_is_asked_for_where_its_url_says(url: str, endpoint: str, region: str) -> None:
    assert endpoint_and_region(url, "us-east-1") == (endpoint, region)
