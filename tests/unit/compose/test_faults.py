from __future__ import annotations

import pytest

from opskit.compose.faults import classify, failure_of


# Texts seen from Compose v2.40.3 and v5.6.1 on Engine 20.10.24.
@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("driver failed programming external connectivity on endpoint p-a-1 (ab): Error starting userland proxy: listen tcp4 127.0.0.1:80: bind: address already in use", "port_in_use"),
        ("Bind for 127.0.0.1:80 failed: port is already allocated", "port_in_use"),
        ('could not select device driver "nvidia" with capabilities: [[gpu]]', "gpu_driver_missing"),
        ("Unknown runtime specified nvidia", "gpu_driver_missing"),
        ("toomanyrequests: You have reached your pull rate limit", "registry_rate_limited"),
        ("Error response from daemon: unauthorized: authentication required", "registry_auth"),
        ("dial tcp: lookup registry-1.docker.io on 127.0.0.1:53: no such host", "registry_unreachable"),
        ("received unexpected HTTP status: 500 Internal Server Error", "registry_unreachable"),
        ("No such image: x:1", "image_missing"),
        ("manifest unknown", "image_missing"),
        ('service "multimodal-worker" has neither an image nor a build context specified: invalid compose project', "image_missing"),
        ("error while interpolating services.a.image: required variable TAG is missing a value: say which", "variable_missing"),
        ("env file /x/none.env not found: stat /x/none.env: no such file or directory", "env_file_missing"),
        ("couldn't find env file: /x/.env.development", "env_file_missing"),
        ("network n declared as external, but could not be found", "external_missing"),
        ('external volume "v" not found', "external_missing"),
        ('invalid mount config for type "bind": bind source path does not exist: /x', "bind_source_missing"),
        ('Conflict. The container name "/n" is already in use by container "ab"', "name_conflict"),
        ("network p_default is ambiguous (2 matches found on name)", "network_ambiguous"),
        ("failed to create network n: Error response from daemon: Pool overlaps with other one on this address space", "subnet_clash"),
        ("could not find bridge docker0", "bridge_missing"),
        ('OCI runtime create failed: exec: "x": executable file not found in $PATH: unknown', "bad_command"),
        ("can't set healthcheck.start_interval as feature require Docker Engine v25 or later", "engine_too_old"),
        ("Cannot connect to the Docker daemon at unix:///x.sock. Is the docker daemon running?", "engine_unreachable"),
        ("permission denied while trying to connect to the Docker daemon socket at unix:///x.sock", "engine_permission"),
        ("dependency failed to start: container p-a-1 is unhealthy", "dependency_failed"),
        ("yaml: line 2: did not find expected node content", "config_invalid"),
        ("go-yaml load error in parser (while parsing) at L3.C6", "config_invalid"),
        ("validating /x/compose.yml: services.a.ports must be a array", "config_invalid"),
        ("open /x/compose.yml: no such file or directory", "config_missing"),
        ("The command '/bin/sh -c apt-get update' returned a non-zero code: 100\nErr:1 http://deb Temporary failure resolving 'deb'", "build_offline"),
        ('failed to solve: process "/bin/sh -c pip install x" did not complete successfully: exit code: 1\n[Errno -3] Temporary failure in name resolution', "build_offline"),
        ('failed to solve: process "/bin/sh -c make" did not complete successfully: exit code: 2', "build_failed"),
        ("something nobody has seen", "unknown"),
    ],
)  # fmt: skip
def test_each_text_seen_has_its_name_and_a_remedy(text: str, kind: str) -> None:
    found, remedy = classify(text)
    assert found == kind
    assert remedy


@pytest.mark.parametrize(
    ("text", "service"),
    [
        ("failed on endpoint p-retrieval-proxy-1 (ab): port is already allocated", "retrieval-proxy"),
        ("error while interpolating services.nginx.image: required variable T is missing", "nginx"),
        ('service "a" didn\'t complete successfully: exit 3', "a"),
        ("Pool overlaps with other one", None),
    ],
)
def test_the_service_is_named_where_the_text_names_one(text: str, service: str | None) -> None:
    assert failure_of(text, project="p", services=("a", "proxy", "retrieval-proxy")).service == service
