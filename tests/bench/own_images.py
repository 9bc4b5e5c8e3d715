"""An upload and a query of the stack's own two services beside the same libraries called directly, on a CPU.

`python tests/bench/own_images.py` takes the place of the worker of a development that runs in rehearsal (`make rehearse`) with
one that has models of real size, by random weights: MiniLM-L6 and CLIP ViT-B/32. Inside it the model, S3, Qdrant and
PostgreSQL are asked one after the other in one process, and the same by HTTP, in turn. Medians of 40 in one run.
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import docker

from opskit.paths import STATE
from tests.twin import make_twin

if TYPE_CHECKING:
    from docker.models.containers import Container

MAKE = r"""
import sys
from pathlib import Path
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Pooling, Transformer
from transformers import BertConfig, BertModel, BertTokenizerFast, CLIPConfig, CLIPModel, CLIPProcessor

folder = Path("/models/bench")
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *map(chr, range(97, 123)), *("##" + chr(n) for n in range(97, 123))]
(folder / "hf").mkdir(parents=True)
(folder / "hf/vocab.txt").write_text("\n".join(words))
sizes = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
BertModel(BertConfig(**sizes)).save_pretrained(folder / "hf")
BertTokenizerFast(str(folder / "hf/vocab.txt"), model_max_length=256).save_pretrained(folder / "hf")
SentenceTransformer(modules=[Transformer(str(folder / "hf"), max_seq_length=256), Pooling(384, "mean")], device="cpu").save(
    str(folder / "text"))
processor = CLIPProcessor.from_pretrained("/opt/models/image")
processor.image_processor.size, processor.image_processor.crop_size = {"shortest_edge": 224}, {"height": 224, "width": 224}
ids = {k: getattr(CLIPModel.from_pretrained("/opt/models/image").config.text_config, k) for k in ("bos_token_id", "eos_token_id")}
CLIPModel(CLIPConfig(text_config=ids)).save_pretrained(folder / "image")
processor.save_pretrained(folder / "image")
"""

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


COLLECTIONS = ("text_embeddings", "image_embeddings", "video_embeddings")
EMPTY = f"""
from service import Stores
qdrant = Stores().qdrant
there = [name for name in {COLLECTIONS} if qdrant.collection_exists(name)]
if any(qdrant.count(name).count for name in there):
    raise SystemExit("the collections hold points; wanted a development without documents: `opskit first_run` empties one")
for name in there:
    qdrant.delete_collection(name)
"""


def main() -> int:
    """Run it on the Engine of DOCKER_HOST."""
    client = docker.from_env()
    found = client.containers.list(filters={"label": "com.docker.compose.service=multimodal-worker"})
    if len(found) != 1:
        print(f"found {len(found)} workers that run; wanted one: `make rehearse`", file=sys.stderr)
        return 1
    with ExitStack() as undo:
        worker, models = found[0], STATE.resolve() / "bench-models"
        models.mkdir(parents=True, exist_ok=True)
        run_inside(worker, EMPTY)
        box = place(client, worker, str(models), undo)
        print(run_inside(box, INSIDE).strip())
        run_inside(box, EMPTY)
    return 0


def place(client: docker.DockerClient, worker: Container, models: str, undo: ExitStack) -> Container:
    """Put a worker with the bench's models in the place of one; it is back afterwards."""
    image = worker.image
    assert image is not None
    mounted = {models: {"bind": "/models", "mode": "rw"}}
    if not list(STATE.glob("bench-models/bench/image")):
        client.containers.run(image, ["-c", MAKE], entrypoint="python3", user="0", volumes=mounted, remove=True)
        client.containers.run(
            image, ["-R", "a+rX", "/models"], entrypoint="chmod", user="0", volumes=mounted, remove=True
        )
    names = {"TEXT_MODEL": "/models/bench/text", "IMAGE_MODEL": "/models/bench/image"}
    variables = [f"{name}={value}" for name, value in names.items()]
    box = make_twin(client, worker, alias="multimodal-worker", variables=variables, volumes=mounted)
    undo.callback(box.remove, force=True)
    worker.stop(timeout=1)
    undo.callback(worker.start)
    box.start()
    for _ in range(120):
        time.sleep(1)
        asked = "import urllib.request as u; u.urlopen('http://127.0.0.1:8001/health', timeout=8)"
        if box.exec_run(["python3", "-c", asked]).exit_code == 0:
            return box
    raise SystemExit(box.logs(tail=20).decode())  # its health check says what is wrong


def run_inside(box: Container, text: str) -> str:
    """What a program printed inside a container."""
    done = box.exec_run(["python3", "-W", "ignore", "-c", text], stderr=False, environment={"TQDM_DISABLE": "1"})
    if done.exit_code != 0:
        raise SystemExit(f"exit {done.exit_code}: {box.exec_run(['python3', '-c', text]).output!r}")
    return str(done.output, "utf-8")  # type: ignore[arg-type]  # a stream only where one is asked for


if __name__ == "__main__":
    sys.exit(main())
