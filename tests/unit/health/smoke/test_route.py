"""Every location of a configuration becomes a request."""

from __future__ import annotations

from pathlib import Path

from opskit.health.smoke.route import Route, parse_routes

CONFIGS = Path(__file__).parents[4] / "configs"


def test_every_location_of_our_configuration_is_asked() -> None:
    assert parse_routes((CONFIGS / "nginx.conf").read_text()) == (
        Route("/nginx-health", 200),
        Route("/v1/opskit-smoke", None),
        Route("/api/multimodal/opskit-smoke", None, keyed=True),
        Route("/api/search/opskit-smoke", None, keyed=True),
        Route("/api/v1/auths/signin", None),
        Route("/", None),
    )


def test_a_location_that_the_file_answers_itself_keeps_its_status() -> None:
    assert parse_routes((CONFIGS / "nginx_optimized.conf").read_text())[-2:] == (
        Route("/", 200),
        Route("/opskit-smoke", 404),
    )


def test_a_block_inside_a_location_does_not_end_it() -> None:
    text = "location /a/ { if ($x) { set $y 1; } return 301 /b; } location /b { proxy_pass http://b; }"
    assert parse_routes(text) == (Route("/a/opskit-smoke", 301), Route("/b", None))


def test_a_comment_is_no_location_and_a_pattern_has_no_request() -> None:
    assert parse_routes("# location /old { return 200; }\nlocation ~ \\.php$ { deny all; }") == ()
