"""What Qdrant and the S3 store hold, as they say themselves: points by collection, objects by bucket."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode
from xml.etree import ElementTree as ET

from opskit.engine.client import address_of, asking
from opskit.engine.dump import temporary
from opskit.errors import NotReadError
from opskit.health.endpoints import host_of
from opskit.health.smoke.client import Fault, ask, want
from opskit.health.smoke.stores import sign
from opskit.snapshot.stream import Part, Rows

if TYPE_CHECKING:
    from docker import DockerClient

    from opskit.compose.model import Service

HASHED = 10_000
"""Points of a collection that are in its checksum, the lowest ids; all are counted."""
_PAGE, _READY_S, _LABEL = 1000, 180.0, "opskit.drill-store"


@dataclass(frozen=True, slots=True)
class Store:
    """A service that can say what it holds.

    Attributes:
        service: its name.
        port: inside its container.
        nouns: what is counted, and what it is in.
        count: asks an address, with the container's variables.
    """

    service: str
    port: int
    nouns: tuple[str, str]
    count: Callable[[str, Mapping[str, str]], Rows]


def count_qdrant(url: str, environ: Mapping[str, str]) -> Rows:
    """Points by collection.

    Raises:
        Fault: it does not answer as Qdrant does.
    """
    headers = {"api-key": environ.get("QDRANT__SERVICE__API_KEY", "")}
    names = want(ask("GET", f"{url}/collections", None, headers), 200).json()["result"]["collections"]
    found: Rows = {}
    for name in sorted(entry["name"] for entry in names):
        place = f"{url}/collections/{quote(name, safe='')}/points"
        reply = want(ask("POST", f"{place}/count", {"exact": True}, headers, timeout_s=_READY_S), 200)
        points = _points(place, headers)
        found[name] = [str(reply.json()["result"]["count"]), _checksum(json.dumps(p, sort_keys=True) for p in points)]
    return found


def _points(place: str, headers: Mapping[str, str]) -> Iterator[object]:
    body = {"limit": _PAGE, "with_payload": True, "with_vector": True}
    for _ in range(HASHED // _PAGE):
        page = want(ask("POST", f"{place}/scroll", body, headers, timeout_s=_READY_S), 200).json()["result"]
        yield from page["points"]
        if page.get("next_page_offset") is None:
            return
        body["offset"] = page["next_page_offset"]


def count_s3(url: str, environ: Mapping[str, str]) -> Rows:
    """Objects by bucket; name, size and ETag of each are in the checksum.

    Raises:
        Fault: it does not answer as S3 does.
    """
    user, key = environ.get("MINIO_ROOT_USER", "minioadmin"), environ.get("MINIO_ROOT_PASSWORD", "")

    def get(place: str) -> ET.Element:
        headers = sign("GET", place, b"", user=user, key=key, now=time.gmtime())
        try:
            tree = ET.fromstring(want(ask("GET", place, None, headers), 200).body)  # noqa: S314  our own store's
        except ET.ParseError as error:
            raise Fault("bad_answer", f"{place}: found {error}; wanted XML") from None
        for element in tree.iter():
            element.tag = element.tag.rpartition("}")[2]  # MinIO and SeaweedFS name another namespace than each other
        return tree

    names = [name.text or "" for name in get(f"{url}/").findall("Buckets/Bucket/Name")]
    return {name: _objects(lambda query, name=name: get(f"{url}/{name}?{query}")) for name in sorted(names)}  # type: ignore[misc]


def _objects(get: Callable[[str], ET.Element]) -> list[str]:
    lines, query = [], {"list-type": "2", "max-keys": str(_PAGE)}
    while True:
        page = get(urlencode(sorted(query.items()), quote_via=quote, safe=""))
        lines += [" ".join(entry.findtext(n, "") for n in ("Key", "Size", "ETag")) for entry in page.iter("Contents")]
        token = page.findtext("NextContinuationToken")
        if page.findtext("IsTruncated") != "true" or not token:
            return [str(len(lines)), _checksum(lines)]
        query["continuation-token"] = token


def _checksum(lines: Iterable[str]) -> str:
    total = sum(int.from_bytes(hashlib.sha256(line.encode()).digest()[:8], "big") for line in lines)
    return f"{total % 2**64:016x}"


STORES: Mapping[str, Store] = {
    "volume/minio_data": Store("minio", 9000, ("objects", "buckets"), count_s3),
    "volume/qdrant_data": Store("qdrant", 6333, ("points", "collections"), count_qdrant),
}
"""By the part of a set that has its data."""


def count_store(client: DockerClient, container: str, store: Store) -> Rows:
    """What the store in a container that runs holds; asked at its published port, else at the container's own address.

    Raises:
        NotReadError: it does not answer; also where the Engine is not on this machine.
    """
    if not is_here(client):
        raise NotReadError(f"{store.service}: found an Engine at {address_of(client)}; wanted one on this machine")
    with asking(store.service):
        told = client.api.inspect_container(container)
    environ = dict(line.split("=", 1) for line in told["Config"]["Env"] or () if "=" in line)
    try:
        return store.count(f"http://{_address(told['NetworkSettings'], store)}", environ)
    except (Fault, KeyError, TypeError) as error:
        raise NotReadError(f"{store.service}: {error}") from None


def is_here(client: DockerClient) -> bool:
    """Whether the Engine is on this machine: a container's address means another one elsewhere."""
    return address_of(client).startswith("unix://")


def _address(network: Mapping[str, Any], store: Store) -> str:
    """Host and port."""
    for published in (network.get("Ports") or {}).get(f"{store.port}/tcp") or ():
        return f"{host_of(published['HostIp'])}:{published['HostPort']}"
    own = next((net["IPAddress"] for net in network["Networks"].values() if net.get("IPAddress")), "")
    if not own:
        raise NotReadError(f"{store.service}: found no address of its container")
    return f"{own}:{store.port}"


def counted(client: DockerClient, container: str, part: Part, content: Iterable[bytes]) -> Iterator[bytes]:
    """The content of a store's volume; its part gets what it holds, where nothing was written to it meanwhile."""
    before = _held(client, container, STORES[part.name])
    yield from content
    if before is not None and before == _held(client, container, STORES[part.name]):
        part.rows.update(before)


def _held(client: DockerClient, container: str, store: Store) -> Rows | None:
    try:
        return count_store(client, container, store)
    except NotReadError:
        return None


def try_store(client: DockerClient, service: Service, volume: str, content: Iterable[bytes]) -> Rows:
    """Start a store on a copy of its data, beside the one that may run, and count what it finds; it goes at once.

    Args:
        client: of the Engine.
        service: as the project has it.
        volume: its key.
        content: of the volume, as a tar.

    Raises:
        NotReadError: it does not come up on it.
    """
    place = next(mount.target for mount in service.mounts if mount.source == volume)
    store = STORES[f"volume/{volume}"]
    environment = {name: value or "" for name, value in (service.raw.get("environment") or {}).items()}
    with temporary(
        client,
        service.image or "",
        f"{_LABEL}={volume}",
        command=service.raw.get("command"),
        entrypoint=service.raw.get("entrypoint"),
        environment=environment,
        volumes=[place],
        ports=[store.port],
        host_config=client.api.create_host_config(port_bindings={store.port: ("127.0.0.1",)}),
    ) as made:
        client.api.put_archive(made, place, iter(content))
        client.api.start(made)
        end = time.monotonic() + _READY_S
        while True:
            try:
                return count_store(client, made, store)
            except NotReadError as error:
                if time.monotonic() > end or not client.api.inspect_container(made)["State"]["Running"]:
                    said = client.api.logs(made, tail=3).decode("utf-8", "replace").strip()
                    raise NotReadError(f"{error}, on a copy of its data; it says last: {said}") from None
            time.sleep(0.5)
