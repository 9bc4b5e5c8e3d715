"""An upload and a query of the stack's own two services beside the same libraries called directly.

`python tests/bench/own_images.py` asks the development that runs in rehearsal (`make rehearse`), inside its worker's
container: the model, S3, Qdrant and PostgreSQL one after the other in one process, and the same by HTTP, in turn.
Medians of 40 in one run.
"""

from __future__ import annotations

import subprocess
import sys

INSIDE = r"""
import io, json, os, random, statistics, time, urllib.request, uuid
import torch
from PIL import Image
from psycopg.types.json import Json
from qdrant_client import models as q
from service import Stores, setting
from models import Models

stores, models = Stores(), Models()
models.load()
clip, processor = models._loaded["image"]
text = models._loaded["text"]
HEADERS = {"X-API-Key": setting("API_KEY")}

def picture():
    sink = io.BytesIO()
    Image.frombytes("RGB", (64, 64), random.randbytes(64 * 64 * 3)).save(sink, "PNG")
    return sink.getvalue()

def unit(found):
    found = getattr(found, "pooler_output", found)
    return (found / found.norm(dim=-1, keepdim=True)).tolist()[0]

def direct_upload(content, made):
    key, image, point = uuid.uuid4(), Image.open(io.BytesIO(content)).convert("RGB"), uuid.uuid4()
    stores.s3.put_object("images", str(key), io.BytesIO(content), len(content))
    with torch.inference_mode():
        vector = unit(clip.get_image_features(**processor(images=[image], return_tensors="pt")))
    stores.qdrant.upsert("image_embeddings", [q.PointStruct(id=str(point), vector=vector, payload={})], wait=True)
    with stores.pool.connection() as one:
        one.execute("INSERT INTO documents (id, filename, file_type, file_size, content_hash, metadata) "
                    "VALUES (%s, 'bench', 'image', 1, %s, %s)", (key, str(key), Json({"state": "done"})))
        one.execute("INSERT INTO images (id, document_id, image_path, embedding_id) VALUES (%s, %s, 'x', %s)",
                    (point, key, str(point)))
    made.append((key, point))

def send(url, body, kind):
    request = urllib.request.Request(url, body, {**HEADERS, "Content-Type": kind})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)

def upload(content, made):
    form = b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n" + content + b"\r\n--b--\r\n"
    url = "http://127.0.0.1:8001/api/v1/process/image"
    made.append(send(url, form, "multipart/form-data; boundary=b")["document_id"])

def direct_query(words):
    text.encode(words, normalize_embeddings=True, show_progress_bar=False)
    with torch.inference_mode():
        vector = unit(clip.get_text_features(**processor(text=[words], return_tensors="pt", padding=True)))
    points = stores.qdrant.query_points("image_embeddings", query=vector, limit=10, with_payload=True).points
    with stores.pool.connection() as one:
        one.execute("SELECT * FROM images JOIN documents d ON d.id = document_id WHERE embedding_id = ANY(%s)",
                    ([str(point.id) for point in points],)).fetchall()
        one.execute("INSERT INTO search_sessions (query) VALUES (%s)", (words,))

def query(words):
    body = json.dumps({"query": words, "modalities": ["image"]}).encode()
    send("http://retrieval-proxy:8002/api/v1/search", body, "application/json")

def took(work, *given):
    begun = time.perf_counter()
    work(*given)
    return 1000 * (time.perf_counter() - begun)

ours, theirs, sent, made = [], [], [], []
times = {"upload": ([], []), "query": ([], [])}
for n in range(44):
    rows = (took(direct_upload, picture(), made), took(upload, picture(), sent)), \
           (took(direct_query, f"a picture {n} {uuid.uuid4()}"), took(query, f"a picture {n} {uuid.uuid4()}"))
    if n >= 4:
        for (direct, by_http), (a, b) in zip(rows, times.values()):
            a.append(direct), b.append(by_http)
for name, (direct, by_http) in times.items():
    a, b = statistics.median(direct), statistics.median(by_http)
    print(f"{name}: directly {a:.0f} ms, by the service {b:.0f} ms, {b / a:.2f}")
for document in sent:
    urllib.request.urlopen(urllib.request.Request(
        f"http://127.0.0.1:8001/api/v1/documents/{document}", headers=HEADERS, method="DELETE"))
for key, point in made:
    stores.s3.remove_object("images", str(key))
    stores.qdrant.delete("image_embeddings", [str(point)])
    with stores.pool.connection() as one:
        one.execute("DELETE FROM documents WHERE id = %s", (key,))
"""


def main() -> int:
    """Run it in the worker of the rehearsal on the Engine of DOCKER_HOST."""
    wanted = ["label=com.docker.compose.service=multimodal-worker", "label=com.docker.compose.project"]
    words = ["docker", "ps", "-q", *(word for one in wanted for word in ("--filter", one))]
    worker = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    if len(worker) != 1:
        print(f"found {len(worker)} workers that run; wanted one: `make rehearse`", file=sys.stderr)
        return 1
    return subprocess.run(
        ["docker", "exec", "-i", worker[0], "python3", "-"], input=INSIDE, text=True, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
