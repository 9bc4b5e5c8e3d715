"""Data of a development that runs, in each of its stores, and what of it is there."""

from __future__ import annotations

import time

from opskit.health.smoke.client import Reply, ask, want
from opskit.health.smoke.stores import sign
from opskit.secrets.store import read_secrets
from tests.checkout import Checkout

ROWS, OBJECTS, POINTS, KEYS = 10_000, 40, 60, 50
LEDGER = f"""CREATE TABLE ledger (id serial PRIMARY KEY, amount int NOT NULL); ALTER TABLE ledger OWNER TO multimodal;
INSERT INTO ledger (amount) SELECT g % 7 - 3 FROM generate_series(1, {ROWS - 1}) g;
INSERT INTO ledger (amount) SELECT -sum(amount) FROM ledger;"""  # noqa: S608  a number of ours


class Data:
    """What is put into the stores of a development, and counted there."""

    def __init__(self, checkout: Checkout, *, objects: int = OBJECTS, points: int = POINTS) -> None:
        self._checkout, self._objects, self._points = checkout, objects, points
        self._values = {name: value.reveal() for name, value in read_secrets(checkout.env_file()).items()}
        ports = {name: checkout.environ[f"{name}_PORT"] for name in ("MINIO", "QDRANT")}
        self._bucket = f"http://127.0.0.1:{ports['MINIO']}/kept"
        self._collection = f"http://127.0.0.1:{ports['QDRANT']}/collections/kept"

    def put(self) -> None:
        self._sql(LEDGER)
        want(self._s3("PUT", self._bucket), 200)
        for number in range(self._objects):
            want(self._s3("PUT", f"{self._bucket}/{number}", b"x" * number), 200)
        want(self._qdrant("PUT", "", {"vectors": {"size": 4, "distance": "Cosine"}}), 200)
        points = [{"id": n, "vector": [1.0, n, 0.0, 0.0], "payload": {"n": n}} for n in range(1, self._points + 1)]
        want(self._qdrant("PUT", "/points?wait=true", {"points": points}), 200)
        self._redis(*(f"SET kept:{n} {n}" for n in range(KEYS)))

    def count(self) -> dict[str, object]:
        """Rows and their sum, objects, points, keys."""
        objects = sum(self._s3("GET", f"{self._bucket}/{n}").body == b"x" * n for n in range(self._objects))
        query = {"query": [1.0, 0.0, 0.0, 0.0], "limit": self._points + 1, "with_payload": True}
        found = want(self._qdrant("POST", "/points/query", query), 200).json()["result"]["points"]
        return {
            "rows": self._sql("SELECT count(*), sum(amount) FROM ledger"),
            "objects": objects,
            "points": len({point["payload"]["n"] for point in found}),
            "keys": self._redis("KEYS kept:*").count("kept:"),
        }

    def _sql(self, text: str) -> str:
        words = ["psql", "-X", "-U", "postgres", "-d", "multimodal", "-v", "ON_ERROR_STOP=1", "-1", "-qtAc", text]
        said = self._checkout.containers()["postgres"].exec_run(words)
        assert said.exit_code == 0, said.output
        return str(said.output, "utf-8").strip()  # type: ignore[arg-type]  # a stream only where one is asked for

    def _redis(self, *lines: str) -> str:
        text = "\n".join(lines)
        said = self._checkout.containers()["redis"].exec_run(
            ["sh", "-c", f"redis-cli <<'END'\n{text}\nEND"],
            environment={"REDISCLI_AUTH": self._values["REDIS_PASSWORD"]},
        )
        assert said.exit_code == 0, said.output
        return str(said.output, "utf-8")  # type: ignore[arg-type]  # as above

    def _s3(self, method: str, url: str, body: bytes = b"") -> Reply:
        key = self._values["MINIO_ROOT_PASSWORD"]
        return ask(method, url, body, sign(method, url, body, user="minioadmin", key=key, now=time.gmtime()))

    def _qdrant(self, method: str, place: str, body: object) -> Reply:
        return ask(method, f"{self._collection}{place}", body, {"api-key": self._values["QDRANT_API_KEY"]})
