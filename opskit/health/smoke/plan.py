"""Which probes a project gets, and with what they ask; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from opskit.compose.model import Ending, Service, Stack
from opskit.health.endpoints import url_of
from opskit.health.smoke.route import parse_routes
from opskit.health.smoke.sql import Role, role_of
from opskit.secrets.value import Secret

_OF_ROLE = "_DB_PASSWORD"
INIT_SQL = "/docker-entrypoint-initdb.d/init.sql"
NGINX_CONF = "/etc/nginx/nginx.conf"
MOUNTED = (("postgres", INIT_SQL), ("nginx", NGINX_CONF))
"""Files that say what must be there, by service and where it mounts them."""

_HTTPS = 443
_QUICK_S, _LOGS_S, _TARGETS_S, _OWN_S = 30.0, 90.0, 45.0, 120.0


@dataclass(frozen=True, slots=True)
class Probe:
    """What one service, or one role of a database, is asked.

    Attributes:
        check: a word of `PROBES`; `sql` and `redis` are asked by the service's own client, of `log` the container's log
            is read, `none` is not asked.
        values: for the check; a secret among them is not revealed before it is asked.
        within_s: a hard end of it.
        role: of the database, where that is what is asked as.
        here: asked from this machine, as users do; else from inside the project's networks.
        of: what it asks, where that is more than one service.
    """

    service: str
    check: str
    values: Mapping[str, Any]
    within_s: float = _QUICK_S
    role: Role | None = None
    here: bool = False
    of: str = ""

    @property
    def subject(self) -> str:
        """What it is called in a table."""
        return f"{self.service} as {self.role.name}" if self.role else self.of or self.service

    @property
    def summary(self) -> str:
        """What a client of the service's own does, in one step."""
        if self.role is None:
            return "set, get and delete, refused without a password"
        return (
            "statistics read, tables refused" if self.role.reads_only else "written, read, rolled back; its own alone"
        )


@dataclass(frozen=True, slots=True)
class Given:
    """What the probes of a project are planned with.

    Attributes:
        secrets: values of the env file.
        texts: of the files of MOUNTED, by their place in the container.
        local: whether published ports can be reached from this machine.
        slow_s: an answer of the model that comes later is called slow.
        patience_s: how long it is waited for.
    """

    secrets: Mapping[str, Secret]
    texts: Mapping[str, str]
    local: bool
    rehearsal: bool
    slow_s: float
    patience_s: float


@dataclass(frozen=True, slots=True)
class _Planner:
    stack: Stack
    given: Given

    def at(self, service: Service, port: int) -> tuple[str, bool]:
        """Where a service is asked, and whether from this machine."""
        scheme = "https" if port == _HTTPS else "http"
        for published in service.ports if self.given.local else ():
            if published.target == port and published.published is not None:
                return url_of(scheme, "-", published), True
        return f"{scheme}://{service.name}:{port}", False

    def setting(self, service: Service, name: str, default: str = "") -> str:
        """A variable of a service that is no secret."""
        environment: Mapping[str, str | None] = service.raw.get("environment") or {}
        return environment.get(name) or default

    def secret(self, name: str) -> Secret | None:
        return self.given.secrets.get(name)

    def model(self) -> dict[str, Any]:
        server = self.stack.server
        options = server.options if server else {}
        return {"model": options.get("served-model-name") or self.stack.served_model}

    def patience(self) -> dict[str, Any]:
        return {"slow_s": self.given.slow_s, "patience_s": self.given.patience_s}

    def web(self, service: Service, check: str, port: int, **values: Any) -> Probe:  # noqa: ANN401  JSON is any
        """A probe over HTTP."""
        url, here = self.at(service, port)
        within = self.given.patience_s + _QUICK_S if "patience_s" in values else values.get("wait_s", 0.0) + _QUICK_S
        return Probe(service.name, check, {"url": url, **values}, within, here=here)

    def page(self, service: Service, port: int, path: str, holds: str = "") -> Probe:
        url, here = self.at(service, port)
        return Probe(service.name, "page", {"url": url + path, "holds": holds}, here=here)

    def nginx(self, service: Service) -> Probe:
        """By HTTPS where that is on: plain HTTP only leads there."""
        routes = [(r.path, r.status, r.keyed) for r in parse_routes(self.given.texts.get(NGINX_CONF, ""))]
        return self.web(service, "nginx", _front(service), routes=routes, key=self.secret("STACK_API_KEY"))

    def postgres(self, service: Service) -> Iterable[Probe]:
        script = self.given.texts.get(INIT_SQL, "")
        names = [name for name in service.raw.get("environment") or {} if name.endswith(_OF_ROLE)]
        for name in names:
            role = role_of(name.removesuffix(_OF_ROLE).lower(), script)
            yield Probe(service.name, "sql", {"PGPASSWORD": self.secret(name)}, role=role)

    def alertmanager(self, service: Service) -> Probe:
        return self.web(service, "alertmanager", 9093, fire=self.given.rehearsal)

    def prometheus(self, service: Service) -> Probe:
        told = self.stack.find("alertmanager") is not None
        return self.web(service, "prometheus", 9090, alertmanager=told, wait_s=_TARGETS_S)

    def elasticsearch(self, service: Service) -> Probe:
        nginx = self.stack.find("nginx")
        values = {"password": self.secret("ELASTIC_PASSWORD"), "nginx": "http://nginx" if nginx else ""}
        if nginx:  # asked from inside, where nginx is reached by its name
            values["url"] = f"http://{service.name}:9200"
            return Probe(service.name, "elasticsearch", {**values, "wait_s": _LOGS_S}, _LOGS_S + _QUICK_S)
        return self.web(service, "elasticsearch", 9200, wait_s=0.0, **values)

    def openwebui(self, service: Service) -> Probe:
        values = {
            "email": self.setting(service, "WEBUI_ADMIN_EMAIL", "admin@opskit.local"),
            "password": self.secret("WEBUI_ADMIN_PASSWORD"),
            "closed": self.setting(service, "ENABLE_SIGNUP").lower() == "false",
        }
        return self.web(service, "openwebui", 8080, **values, **self.model(), **self.patience())

    def n8n(self, service: Service) -> Probe:
        email = self.setting(service, "N8N_INSTANCE_OWNER_EMAIL", "admin@opskit.local")
        return self.web(service, "n8n", 5678, email=email, password=self.secret("N8N_OWNER_PASSWORD"))

    def minio(self, service: Service) -> Probe:
        user = self.setting(service, "MINIO_ROOT_USER", "minioadmin")
        return self.web(service, "s3", 9000, user=user, key=self.secret("MINIO_ROOT_PASSWORD"))

    def litellm(self, service: Service) -> Probe:
        key = self.secret("LITELLM_MASTER_KEY")
        return self.web(service, "litellm", 4000, key=key, **self.model(), **self.patience())

    def proxy(self, service: Service) -> Iterable[Probe]:
        """Its page; and, where it is an owner's image, whether its log tells that it does not keep the contract."""
        yield self.page(service, 8002, "/health")
        if not is_reference(service):
            yield self.log(service)

    def log(self, service: Service) -> Probe:
        return Probe(service.name, "log", {}, of=f"{service.name}'s log")

    def worker(self, service: Service) -> Iterable[Probe]:
        """Its page; and, where both services are this repository's, what they do together, by nginx where that is."""
        yield self.page(service, 8001, "/health")
        names = ("retrieval-proxy", "qdrant", "minio")
        proxy, qdrant, minio = (self.stack.find(name) for name in names)
        if not is_reference(service):
            yield self.log(service)
        if not (proxy and qdrant and minio and is_reference(service) and is_reference(proxy)):
            return
        nginx = self.stack.find("nginx")
        front = ((nginx, _front(nginx)),) * 2 if nginx else ((service, 8001), (proxy, 8002))
        asked = (*front, (qdrant, 6333), (minio, 9000))
        here = all(self.at(*one)[1] for one in asked)
        planner = self if here else replace(self, given=replace(self.given, local=False))
        worker, search, vectors, objects = (planner.at(*one)[0] for one in asked)
        values = {
            "worker": f"{worker}/api/multimodal" if nginx else f"{worker}/api/v1",
            "search": f"{search}/api/search" if nginx else f"{search}/api/v1",
            "key": self.secret("STACK_API_KEY"),
            "qdrant": vectors,
            "qdrant_key": self.secret("QDRANT_API_KEY"),
            "s3": objects,
            "s3_user": self.setting(minio, "MINIO_ROOT_USER", "minioadmin"),
            "s3_key": self.secret("MINIO_ROOT_PASSWORD"),
            "hears": self.given.rehearsal,
        }
        yield Probe("multimodal-worker", "own", values, _OWN_S, here=here, of="worker and proxy")


def _front(nginx: Service) -> int:
    """The port that nginx answers on: plain HTTP only leads to HTTPS where that is on."""
    return _HTTPS if any(port.target == _HTTPS for port in nginx.ports) else 80


_REFERENCE = ("opskit/", "opskit-rehearsal/")


def is_reference(service: Service) -> bool:
    """Whether its image is made of compose/images/, by which it can be asked for more than its page."""
    return (service.image or "").startswith(_REFERENCE)


_Make = Callable[[_Planner, Service], "Probe | Iterable[Probe]"]
_PLANS: Mapping[str, _Make] = {
    "alertmanager": _Planner.alertmanager,
    "allure": lambda p, s: p.page(s, 5050, "/allure-docker-service/version"),
    "dcgm-exporter": lambda p, s: p.page(s, 9400, "/metrics", "DCGM_FI_DEV_"),
    "elasticsearch": _Planner.elasticsearch,
    "grafana": lambda p, s: p.page(s, 3000, "/api/health"),
    "jmeter-results": lambda p, s: p.page(s, 80, "/"),
    "kibana": lambda p, s: p.page(s, 5601, "/api/status"),
    "litellm": _Planner.litellm,
    "logstash": lambda _, s: Probe(s.name, "port", {"host": s.name, "port": 5044}),
    "minio": _Planner.minio,
    "multimodal-worker": _Planner.worker,
    "n8n": _Planner.n8n,
    "nginx": _Planner.nginx,
    "openwebui": _Planner.openwebui,
    "postgres": _Planner.postgres,
    "postgres-exporter": lambda p, s: p.page(s, 9187, "/metrics", "pg_up 1"),
    "prometheus": _Planner.prometheus,
    "qdrant": lambda p, s: p.web(s, "qdrant", 6333, key=p.secret("QDRANT_API_KEY")),
    "redis": lambda p, s: Probe(s.name, "redis", {"REDISCLI_AUTH": p.secret("REDIS_PASSWORD")}),
    "redis-exporter": lambda p, s: p.page(s, 9121, "/metrics", "redis_up 1"),
    "retrieval-proxy": _Planner.proxy,
    "vllm": lambda p, s: p.web(s, "vllm", 8000, key=p.secret("VLLM_API_KEY"), **p.model()),
}


def plan_probes(stack: Stack, given: Given) -> tuple[Probe, ...]:
    """A probe for each service that goes on running, in service order; one of check `none` where there is none."""
    planner = _Planner(stack, given)
    probes: list[Probe] = []
    for service in stack.services:
        if stack.ending(service) is Ending.MUST or not service.replicas:
            continue
        make = _PLANS.get(service.name)
        made = make(planner, service) if make else Probe(service.name, "none", {})
        probes += [made] if isinstance(made, Probe) else made
    return tuple(probes)
