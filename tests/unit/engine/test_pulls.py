from __future__ import annotations

import pytest

from opskit.engine.model import PullAnswer
from opskit.engine.pulls import classify


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("manifest unknown: manifest unknown", PullAnswer.ABSENT),
        ("invalid reference format: repository name must be lowercase", PullAnswer.ABSENT),
        ('error parsing HTTP 404 response body: invalid character \'p\' looking for beginning of value: "plain"', PullAnswer.ABSENT),
        ("unauthorized: authentication required", PullAnswer.LOGIN),
        ("denied: requested access to the resource is denied", PullAnswer.LOGIN),
        ('error parsing HTTP 403 response body: invalid character \'p\' looking for beginning of value: "plain"', PullAnswer.LOGIN),
        ('Head "https://r/v2/a/manifests/t": unauthorized: authentication required', PullAnswer.LOGIN),
        ("toomanyrequests: You have reached your pull rate limit", PullAnswer.LIMITED),
        ('error parsing HTTP 429 response body: invalid character \'p\' looking for beginning of value: "plain"', PullAnswer.LIMITED),
        ('Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused', PullAnswer.UNREACHABLE),
        ('Get "https://nowhere.invalid/v2/": dial tcp: lookup nowhere.invalid on 10.0.0.53:53: no such host', PullAnswer.UNREACHABLE),
        ('Get "https://0.0.0.0:5000/v2/": tls: first record does not look like a TLS handshake', PullAnswer.UNREACHABLE),
        ('Get "https://r/v2/": x509: certificate signed by unknown authority', PullAnswer.UNREACHABLE),
        ('Get "https://r/v2/": proxyconnect tcp: EOF', PullAnswer.UNREACHABLE),
        ("received unexpected HTTP status: 503 Service Unavailable", PullAnswer.UNKNOWN),
    ],
)  # fmt: skip
def test_the_engines_words_say_what_became_of_an_image(text: str, answer: PullAnswer) -> None:
    assert classify(text) is answer
