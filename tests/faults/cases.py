"""Launches that go wrong, and changes that go well: each with the word that is right."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

SLEEP = 'command: ["sleep", "600"]'
POLICIES = ("no", "on-failure", "unless-stopped", "always")


@dataclass(frozen=True)
class Case:
    """One launch.

    Attributes:
        text: the Compose file; `BOX` stands for an image with sh, sleep and the like, `PORT` for a free port.
        kind: of the first failure; empty where the launch is to come to ready.
        service: that it names, either where Compose names one of `a or b` by chance; None: it is about the project.
        before: the file of a launch that went before; empty where there was none.
        between: commands between the two, or before the only one; `$P` is the project.
    """

    name: str
    text: str
    kind: str = ""
    service: str | None = "app"
    before: str = ""
    between: str = ""


WHOLE = ("ports: ['7", "env_file", "networks: {n: {external", "volumes: {disk: {external", "volumes: {disk: {name",
         "secrets: {s: {environment", "networks: {n: {ipam: {config: [{subnet: 10.254.10")  # fmt: skip
"""Faults whose text names no service."""


def project(tail: str = "", **services: str) -> str:
    """A file of services; each gets the image, no grace period, and a command where it states none."""
    parts = ["services:"]
    for name, text in services.items():
        lines = textwrap.dedent(text).strip()
        command = "" if "command:" in lines or "entrypoint:" in lines or "build:" in lines else f"{SLEEP}\n"
        image = "" if "build:" in lines or "image:" in lines else "image: BOX\n"
        own = f"{image}stop_grace_period: 0s\n{command}{lines}\n"
        parts.append(f"  {name}:\n{textwrap.indent(own, '    ')}")
    return "\n".join(parts) + "\n" + textwrap.dedent(tail)


def sh(script: str) -> str:
    return f'command: [sh, -c, "{script}"]'


def changes() -> Iterator[Case]:
    """Ordinary changes of what runs: none of them is a failure, whatever the restart policy."""
    for policy in POLICIES:
        restart = f'restart: "{policy}"'
        one = project(app=f"{restart}\nenvironment: {{A: '1'}}", other=restart)
        alone = project(app=restart)
        healthy = f'{restart}\nhealthcheck: {{test: ["CMD", "true"], interval: 1s}}'
        pair = {"app": f"{restart}\ndepends_on: {{db: {{condition: service_started, restart: true}}}}"}
        kinds = {
            "environment": (one, one.replace("'1'", "'2'")),
            "command": (alone, alone.replace("600", "601")),
            "health check added": (alone, project(app=healthy)),
            "environment beside a health check": (
                project(app=healthy),
                project(app=f"{healthy}\nenvironment: {{A: '2'}}"),
            ),
            "network options": (alone, alone + "networks: {default: {labels: {round: '2'}}}\n"),
            "network joined": (
                alone,
                project("networks: {default: {}, n: {}}", app=f"{restart}\nnetworks: [default, n]"),
            ),
            "scale down": (project(app=f"{restart}\nscale: 3"), alone),
            "scale up": (alone, project(app=f"{restart}\nscale: 3")),
            "dependent restarts": (
                project(**pair, db=restart),
                project(**pair, db=f"{restart}\nenvironment: {{A: '2'}}"),
            ),
            "volume added": (alone, project("volumes: {data: {}}", app=f"{restart}\nvolumes: ['data:/data']")),
            "service dropped": (one, alone),
            "nothing": (one, one),
        }
        for kind, (before, after) in kinds.items():
            yield Case(f"{kind}, restart {policy}", after, before=before)


def behaviours() -> Iterator[Case]:
    """What programs do after they were started."""
    check = "healthcheck: {test: [CMD, %s], interval: 1s, retries: 2%s}"
    init = "depends_on: {init: {condition: service_completed_successfully}}"
    loop, held = "restart: always\n" + sh("sleep 0.2; exit 3"), project(app="ports: ['127.0.0.1:PORT:80']")
    hold = "docker run -d --name $P-holder --label held=$P -p 127.0.0.1:PORT:80 BOX sleep 600"
    yield Case("runs", project(app=""))
    yield Case("healthy", project(app=check % ("'true'", "")))
    yield Case(
        "healthy at the third probe",
        project(
            app=check % ("sh, -c, 'test -e /tmp/up'", ", start_period: 20s")
            + "\n"
            + sh("sleep 3; touch /tmp/up; sleep 600")
        ),
    )
    yield Case("scaled to 0", project(app="scale: 0", other=""))
    yield Case("crash loop", project(app=loop), "crash_loop")
    yield Case("crash loop, slower", project(app="restart: always\n" + sh("sleep 1; exit 3")), "crash_loop")
    yield Case("crash loop with a health check", project(app=loop + "\n" + check % ("'true'", "")), "crash_loop")
    yield Case("crash loop of on-failure", project(app="restart: on-failure\n" + sh("exit 3")), "crash_loop")
    yield Case("tries of on-failure used up", project(app="restart: on-failure:1\n" + sh("exit 3")), "exited")
    yield Case("exits with 1", project(app=sh("exit 1")), "exited")
    yield Case("exits with 1 after two seconds", project(app=sh("sleep 2; exit 1")), "exited")
    yield Case("exits with 0, nothing waits for it", project(app=sh("exit 0"), other=""))
    yield Case("exits with 0 under always", project(app="restart: always\n" + sh("exit 0")), "crash_loop")
    yield Case("command not found", project(app=sh("nosuchprogram")), "exited")
    yield Case("unhealthy", project(app=check % ("'false'", "")), "unhealthy")
    yield Case("never healthy in time", project(app=check % ("'false'", ", start_period: 900s")), "timeout")
    yield Case("one-shot that is waited for", project(app=init, init=sh("exit 0")))
    yield Case("one-shot that fails", project(app=init, init=sh("exit 4")), "oneshot_failed", "init")
    yield Case("one-shot that hangs", project(app=init, init=SLEEP), "timeout", "init")
    yield Case(
        "one-shot by its label", project(app="labels: {opskit.role: oneshot}\n" + sh("exit 5")), "oneshot_failed"
    )
    yield Case(
        "out of memory",
        project(app="mem_limit: 24m\nmemswap_limit: 24m\n" + sh("head -c 200m /dev/zero | tail")),
        "oom_killed",
    )
    yield Case(
        "unhealthy dependency",
        project(app="depends_on: {db: {condition: service_healthy}}", db=check % ("'false'", "")),
        "unhealthy",
        "db",
    )
    yield Case("the root loops too", project(app=loop + "\ndepends_on: [db]", db=loop), "crash_loop", "db")
    yield Case(
        "a chain that is late",
        project(
            a="depends_on: {b: {condition: service_healthy}}",
            b="depends_on: {z: {condition: service_healthy}}",
            z=check % ("'false'", ", start_period: 900s"),
        ),
        "timeout",
        "z",
    )
    yield Case(
        "optional dependency behind a profile",
        project(app="depends_on: {db: {condition: service_healthy, required: false}}", db="profiles: [x]"),
    )
    plain, kept = project(app=""), project(app="restart: unless-stopped")
    yield Case("stopped by hand before", plain, before=plain, between="docker stop -t 0 $P-app-1")
    yield Case("killed by hand before", kept, before=kept, between="docker kill $P-app-1")
    yield Case("removed by hand before", plain, before=plain, between="docker rm -f $P-app-1")
    yield Case("paused by hand before", plain, "paused", before=plain, between="docker pause $P-app-1")
    yield Case(
        "a crash loop that was there before",
        project(app=loop),
        "crash_loop",
        before=project(app=loop),
        between="sleep 4",
    )
    yield Case(
        "a slow crash loop that was there before",
        project(app="restart: always\n" + sh("sleep 3; exit 3")),
        "crash_loop",
        before=project(app="restart: always\n" + sh("sleep 3; exit 3")),
        between="sleep 8",
    )
    yield Case("port held by a container", held, "port_in_use", between=hold)
    yield Case(
        "yesterday's end, today's port", held, "port_in_use", before=held, between=f"docker stop -t 0 $P-app-1; {hold}"
    )
    yield Case(
        "volume options changed",
        project(
            "volumes: {data: {driver_opts: {type: tmpfs, device: tmpfs, o: size=9m}}}", app="volumes: ['data:/data']"
        ),
        "volume_differs",
        None,
        before=project(
            "volumes: {data: {driver_opts: {type: tmpfs, device: tmpfs, o: size=1m}}}", app="volumes: ['data:/data']"
        ),
    )
    yield Case(
        "a foreign container on a network that changes",
        plain + "networks: {default: {labels: {round: '2'}}}\n",
        "network_in_use",
        None,
        before=plain,
        between="docker run -d --label held=$P --network ${P}_default BOX sleep 600",
    )


def refusals() -> Iterator[Case]:
    """What the Engine or Compose refuses."""
    for kind, text in (
        ("user_unknown", "user: modelserver"),
        ("workdir_invalid", "working_dir: /etc/passwd"),
        ("ulimit_refused", "ulimits: {nofile: {soft: 2000000000, hard: 2000000000}}"),
        ("sysctl_refused", "sysctls: {net.core.nosuch: 1}"),
        ("cpu_limit", "cpus: 640"),
        ("cpu_limit", "cpuset: '400-407'"),
        ("memory_limit", "mem_limit: 1m"),
        ("device_missing", "devices: ['/dev/nvidia99:/dev/nvidia99']"),
        ("device_missing", "devices: ['/dev/kfd']"),
        ("security_profile", "security_opt: ['seccomp:./nosuch.json']"),
        ("plugin_missing", "logging: {driver: loki}"),
        ("image_platform", "platform: linux/s390x"),
        ("namespace_missing", "network_mode: 'container:opskit-gone'"),
        ("namespace_missing", "pid: 'container:opskit-gone'"),
        (
            "bind_source_missing",
            "volumes: [{type: bind, source: /nosuch/x, target: /data, bind: {create_host_path: false}}]",
        ),
        ("mount_kind", "volumes: ['/etc:/etc/passwd']"),
        ("bad_command", "entrypoint: [/entrypoint.sh]"),
        ("bad_command", "entrypoint: [/etc/passwd]"),
        ("healthcheck_invalid", "healthcheck: {test: [CMD, 'true'], interval: 500us}"),
        (
            "gpu_driver_missing",
            "deploy: {resources: {reservations: {devices: [{driver: nosuch, count: 1, capabilities: [gpu]}]}}}",
        ),
        ("gpu_driver_missing", "runtime: nosuch"),
        ("capability_unknown", "cap_add: [SYS_GPU]"),
        ("host_address_missing", "ports: ['10.99.99.99:8123:80']"),
        ("image_missing", "image: opskit-nosuch:1\npull_policy: never"),
        ("registry_unreachable", "image: registry.invalid/nosuch:1"),
        ("config_invalid", "ports: ['70000:80']"),
        ("config_invalid", "environment: {A: '${X'}"),
        ("config_invalid", "container_name: x\ndeploy: {replicas: 2}"),
        ("variable_missing", "environment: {A: '${NOPE:?set it}'}"),
        ("env_file_missing", "env_file: ./nope.env"),
        ("build_context_missing", "build: ./nosuchdir"),
        ("bad_label", "labels: {opskit.max_deaths: three}"),
    ):
        whole = text.startswith(WHOLE)
        yield Case(f"{kind}: {text.splitlines()[0][:60]}", project(app=text, ok=""), kind, None if whole else "app")
    for kind, text, tail in (
        ("plugin_missing", "volumes: ['disk:/data']", "volumes: {disk: {driver: rclone}}"),
        (
            "volume_mount_failed",
            "volumes: ['disk:/data']",
            "volumes: {disk: {driver_opts: {type: nfs, o: 'addr=127.0.0.1,nolock,soft,timeo=5,retrans=1', device: ':/x'}}}",
        ),
        ("swarm_needed", "networks: [n]", "networks: {n: {driver: overlay}}"),
        ("plugin_missing", "networks: [n]", "networks: {n: {driver: weave}}"),
        ("address_invalid", "networks: {n: {ipv4_address: 172.30.9.9}}", "networks: {n: {}}"),
        (
            "address_invalid",
            "networks: {n: {ipv4_address: 10.1.1.9}}",
            "networks: {n: {ipam: {config: [{subnet: 10.254.9.0/24}]}}}",
        ),
        ("external_missing", "networks: [n]", "networks: {n: {external: true, name: opskit-nosuch}}"),
        ("external_missing", "volumes: ['disk:/data']", "volumes: {disk: {external: true}}"),
        ("secret_missing", "secrets: [s]", "secrets: {s: {environment: NOT_SET_ANYWHERE}}"),
        ("bind_source_missing", "secrets: [s]", "secrets: {s: {file: ./nosuch.txt}}"),
        ("config_invalid", "volumes: ['disk:/data']", "volumes: {disk: {name: 'bad name'}}"),
        (
            "subnet_clash",
            "networks: [n, m]",
            "networks: {n: {ipam: {config: [{subnet: 10.254.10.0/24}]}}, m: {ipam: {config: [{subnet: 10.254.10.0/24}]}}}",
        ),
    ):
        whole = tail.startswith(WHOLE)
        yield Case(f"{kind}: {tail[:60]}", project(tail, app=text, ok=""), kind, None if whole else "app")
    for name, kind, service, text in (
        ("a dependency that is not there", "config_invalid", "app", project(app="depends_on: [db]")),
        ("a cycle of dependencies", "config_invalid", None, project(a="depends_on: [b]", b="depends_on: [a]")),
        ("a dependency without a health check", "dependency_impossible", "db", project(app="depends_on: {db: {condition: service_healthy}}", db="healthcheck: {disable: true}")),
        ("a key twice", "config_invalid", None, "services:\n  app:\n    image: BOX\n    image: BOX\n"),
        ("a tab", "config_invalid", None, "services:\n\tapp:\n\t  image: x\n"),
        ("all profiles off", "no_service", None, project(app="profiles: [gpu]")),
        ("an include that is not there", "config_missing", None, "include: [./other/compose.yaml]\n" + project(app="")),
        ("a base that is not there", "config_missing", None, project(app="extends: {file: base.yml, service: base}")),
        ("an unknown key", "config_invalid", "app", project(app="imagee: x")),
        ("one container_name twice", "name_conflict", "a or b", project(a="container_name: opskit-same", b="container_name: opskit-same")),
    ):  # fmt: skip
        yield Case(name, text, kind, service)


def cases() -> list[Case]:
    return [*changes(), *behaviours(), *refusals()]
