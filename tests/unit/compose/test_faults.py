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
        ("driver failed programming external connectivity on endpoint p-a-1: (iptables failed: iptables --wait -t nat -A DOCKER: iptables: No chain/target/match by that name.", "firewall_flushed"),
        ('failed to create shim task: OCI runtime create failed: exec: "/etc/passwd": permission denied: unknown', "bad_command"),
        (f"No such container: {'0' * 64}", "compose_race"),
        (f"container {'0' * 64} is not connected to the network p_net", "not_connected"),
        (f"error while removing network: network p_net id {'0' * 64} has active endpoints", "network_in_use"),
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


# What Engine 20.10.24 and Compose 5.6.1 wrote when each was caused; a place in a path stands for another.
CAUSED = [
    ('unable to prepare context: path "/x/nosuchdir" not found', "build_context_missing"),
    (
        "unable to prepare context: unable to evaluate symlinks in Dockerfile path: lstat /x/Dockerfile.gpu: no such file or directory",
        "build_context_missing",
    ),
    ('Error response from daemon: invalid CapAdd: unknown capability: "CAP_SYS_GPU"', "capability_unknown"),
    ('Error response from daemon: could not select device driver "cdi" with capabilities: []', "gpu_driver_missing"),
    ("Error response from daemon: No such container: gone", "namespace_missing"),
    ("Error response from daemon: Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available", "cpu_limit"),
    ("Error response from daemon: Requested CPUs are not available - requested 40-47, available: 0-1", "cpu_limit"),
    ("Error response from daemon: Cannot mkdir: /etc/passwd is not a directory", "workdir_invalid"),
    ("dependency cycle detected: a -> b -> a", "config_invalid"),
    ('service "app" depends on undefined service "db": invalid compose project', "config_invalid"),
    ('service "app" depends on undefined service "db": invalid compose project', "config_invalid"),
    (
        'Error response from daemon: error gathering device information while adding custom device "/dev/nvidia0": no such file or directory',
        "device_missing",
    ),
    (
        'failed to parse /x/compose.yaml: yaml: construct errors: line 1: line 6: mapping key "image" already defined at line 3',
        "config_invalid",
    ),
    ("empty compose file", "no_service"),
    ('cannot extend service "app" in /x/compose.yaml: service "nosuch" not found', "config_invalid"),
    (
        'Error response from daemon: could not select device driver "amd" with capabilities: [[gpu]]',
        "gpu_driver_missing",
    ),
    (
        'services.app.deploy.resources.reservations.devices.[]: "count" and "device_ids" attributes are exclusive',
        "config_invalid",
    ),
    (
        'Error response from daemon: could not select device driver "nvidia" with capabilities: [[gpu]]',
        "gpu_driver_missing",
    ),
    (
        "validating /x/compose.yaml: services.app.deploy.resources.reservations.devices.0 missing property 'capabilities'",
        "config_invalid",
    ),
    ('Error response from daemon: could not select device driver "" with capabilities: [[gpu]]', "gpu_driver_missing"),
    ("Error response from daemon: Interval in Healthcheck cannot be less than 1ms", "healthcheck_invalid"),
    (
        "Error response from daemon: driver failed programming external connectivity on endpoint flt-hostip-app-1 (ab): Error starting userland proxy: listen tcp4 10.99.99.99:81: bind: cannot assign requested address",
        "host_address_missing",
    ),
    (
        "invalid interpolation format for services.app.environment.A.\nYou may need to escape any $ with another $.\n${X",
        "config_invalid",
    ),
    (
        "Error response from daemon: Invalid address 10.1.1.9: It does not belong to any of this network's subnets",
        "address_invalid",
    ),
    ('service "app" depends on undefined service "nosuch": invalid compose project', "config_invalid"),
    (
        "Error response from daemon: user specified IP address is supported only when connecting to networks with user configured subnets",
        "address_invalid",
    ),
    ("Error response from daemon: Address already in use", "address_invalid"),
    (
        'Error response from daemon: error gathering device information while adding custom device "/dev/kfd": no such file or directory',
        "device_missing",
    ),
    ('Error response from daemon: error looking up logging plugin loki: plugin "loki" not found', "plugin_missing"),
    ("Error response from daemon: Minimum memory limit allowed is 6MB", "memory_limit"),
    ("error setting cgroup config for procHooks process: unable to set memory limit to 6291456", "memory_limit"),
    (
        "unable to start container process: container init was OOM-killed (memory limit too low?): unknown",
        "memory_limit",
    ),
    ('failed to create network flt-netdrv_n: Error response from daemon: plugin "weave" not found', "plugin_missing"),
    (
        "Error response from daemon: error while mounting volume '/x/_data': failed to mount local volume: mount :/export/models:/x/_data, da",
        "volume_mount_failed",
    ),
    ("validating /x/compose.yaml: services.app.oom_score_adj must be a string", "config_invalid"),
    (
        'failed to create network flt-overlay_n: Error response from daemon: This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
        "swarm_needed",
    ),
    ("Error response from daemon: No such container: gone", "namespace_missing"),
    ("invalid hostPort: 70000", "config_invalid"),
    ("no service selected", "no_service"),
    (
        "Error response from daemon: invalid volume specification: '/tmp:data:rw': invalid mount config for type \"bind\": invalid mount path: 'data' mount path must be absolute",
        "config_invalid",
    ),
    (
        "validating /x/compose.yaml: services.app.container_name 'x' does not match pattern '[a-zA-Z0-9][a-zA-Z0-9_.-]+'",
        "config_invalid",
    ),
    (
        "Error response from daemon: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: error setting rlimits for ready process: error setting rlimit t",
        "ulimit_refused",
    ),
    (
        "Error response from daemon: error while creating mount source path '/proc/nosuchdir/x': mkdir /proc/nosuchdir: no such file or directory",
        "bind_source_missing",
    ),
    (
        "opening seccomp profile (./profile.json) failed: open /x/profile.json: no such file or directory",
        "security_profile",
    ),
    (
        "Error response from daemon: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: open /proc/sys/net/core/nosuch: no such file or directory: unkn",
        "sysctl_refused",
    ),
    (
        "failed to parse /x/compose.yaml: go-yaml load error in scanner (while scanning for the next token) at L2.C1: found character that cannot start any token",
        "config_invalid",
    ),
    (
        "Error response from daemon: failed to copy files: userspace copy failed: write /srv/opskit/.opskit/engine/data/volumes/flt-tmpfsfull_disk/_data/[: no space left on device",
        "disk_full",
    ),
    ("Error response from daemon: unable to find user modelserver: no matching entries in passwd file", "user_unknown"),
    ("validating /x/compose.yaml:  additional properties 'web' not allowed", "config_invalid"),
    (
        'Error response from daemon: create flt-voldrv_disk: error looking up volume plugin rclone: plugin "rclone" not found',
        "plugin_missing",
    ),
    (
        'Error response from daemon: create bad name: "bad name" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path',
        "config_invalid",
    ),
    (
        "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: error running prestart hook #0: exit status 1, stdout: , stderr: Auto-detected mode as 'legacy'\nnvidia-container-cli: initialization error: nvml error: driver not loaded: unknown",
        "gpu_hook_failed",
    ),
    (
        "nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.9, please update your driver to a newer version",
        "gpu_driver_old",
    ),
    ("no matching manifest for linux/arm64/v8 in the manifest list entries", "image_platform"),
]


@pytest.mark.parametrize(("text", "kind"), CAUSED)
def test_what_the_engine_says_in_words_is_no_unknown_fault(text: str, kind: str) -> None:
    assert classify(text)[0] == kind


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
