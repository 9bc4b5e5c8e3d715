"""The models: text and pictures to vectors, speech to text, and a caption where the model server can see."""

from __future__ import annotations

import base64
import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import urllib3
from media import as_jpeg
from service import setting

if TYPE_CHECKING:
    from PIL.Image import Image

log = logging.getLogger("models")
Vector = list[float]
_OBLONG = 4


class Models:
    """Loaded in the background, so that the service answers `/health` meanwhile; one call at a time computes."""

    def __init__(self) -> None:
        """Load nothing yet."""
        self.names = {
            "text": setting("TEXT_MODEL", "sentence-transformers/all-MiniLM-L6-v2"),
            "image": setting("IMAGE_MODEL", "openai/clip-vit-base-patch32"),
            "speech": setting("SPEECH_MODEL", "Systran/faster-whisper-base"),
        }
        self.states = dict.fromkeys(self.names, "loading")
        self.sizes: dict[str, int] = {}
        self._turn = threading.Lock()
        self._loaded: dict[str, Any] = {}

    @property
    def device(self) -> str:
        """Where they compute: cuda or cpu."""
        import torch  # noqa: PLC0415  a second and a half

        return "cuda" if torch.cuda.is_available() else "cpu"

    @property
    def key(self) -> str:
        """Names the models that vectors are of."""
        return f"{self.names['text']} {self.names['image']}"

    def load(self) -> None:
        """Load every model; what fails is in `states`, with why."""
        for kind, how in {"text": _load_text, "image": _load_image, "speech": _load_speech}.items():
            try:
                self._loaded[kind], size = how(self.names[kind], self.device)
            except Exception as error:
                self.states[kind] = f"{self.names[kind]}: {' '.join(str(error).split())[:200]}"
                log.exception("the %s model %s does not load", kind, self.names[kind])
                continue
            if size:
                self.sizes[kind] = size
            self.states[kind] = "ok"
            log.info("%s model %s on %s", kind, self.names[kind], self.device)

    def embed_texts(self, texts: Sequence[str]) -> list[Vector]:
        """A vector of unit length for each text."""
        model = self._loaded["text"]
        return self._batches(
            texts,
            32,
            lambda part: model.encode(list(part), normalize_embeddings=True, show_progress_bar=False).tolist(),
        )

    def embed_images(self, images: Sequence[Image]) -> list[Vector]:
        """A vector of unit length for each picture, in the space of `embed_query`."""
        model, processor = self._loaded["image"]
        return self._batches(
            images,
            16,
            lambda part: _unit(
                model.get_image_features(
                    **processor(images=[_middle(picture) for picture in part], return_tensors="pt")
                )
            ),
        )

    def embed_query(self, text: str) -> Vector:
        """The vector of a text among pictures."""
        model, processor = self._loaded["image"]
        return self._batches(
            [text],
            1,
            lambda part: _unit(
                model.get_text_features(**processor(text=part, return_tensors="pt", padding=True, truncation=True))
            ),
        )[0]

    def transcribe(self, path: str) -> str:
        """What is said in a file of sound or film; empty where nothing is."""
        with self._turn:
            parts, _ = self._loaded["speech"].transcribe(path, beam_size=1)
            return " ".join(part.text.strip() for part in parts).strip()

    def _batches(self, items: Sequence[Any], size: int, work: Callable[[Sequence[Any]], list[Vector]]) -> list[Vector]:
        import torch  # noqa: PLC0415

        vectors: list[Vector] = []
        while len(vectors) < len(items):
            try:
                with self._turn, torch.inference_mode():
                    vectors += work(items[len(vectors) : len(vectors) + size])
            except torch.OutOfMemoryError:
                torch.cuda.empty_cache()
                if size == 1:
                    raise
                size //= 2
                log.warning("the GPU is out of memory: going on with batches of %d", size)
        return vectors


def caption(picture: Image) -> str | None:
    """What the stack's model server sees in a picture; None where no VISION_MODEL is named, or it does not answer."""
    model = setting("VISION_MODEL")
    if not model:
        return None
    url = f"data:image/jpeg;base64,{base64.b64encode(as_jpeg(picture)).decode()}"
    asked = [
        {"type": "text", "text": "Describe this picture in one sentence."},
        {"type": "image_url", "image_url": {"url": url}},
    ]
    try:
        answer = urllib3.request(
            "POST",
            f"{setting('VISION_URL', 'http://vllm:8000/v1')}/chat/completions",
            json={"model": model, "max_tokens": 80, "messages": [{"role": "user", "content": asked}]},
            headers={"Authorization": f"Bearer {setting('VLLM_API_KEY')}"},
            timeout=60,
            retries=False,
        )
        return str(answer.json()["choices"][0]["message"]["content"]).strip()
    except (urllib3.exceptions.HTTPError, ValueError, LookupError, TypeError) as error:
        log.warning("no caption from %s: %r", model, error)
        return None


def _load_text(name: str, device: str) -> tuple[Any, int]:
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415  seconds

    model = SentenceTransformer(name, device=device)
    return model, len(model.encode("a text", show_progress_bar=False))


def _load_image(name: str, device: str) -> tuple[Any, int]:
    from transformers import CLIPModel, CLIPProcessor  # noqa: PLC0415

    model = CLIPModel.from_pretrained(name).eval().to(device)
    return (model, CLIPProcessor.from_pretrained(name)), int(model.config.projection_dim)


def _load_speech(name: str, device: str) -> tuple[Any, int]:
    from faster_whisper import WhisperModel  # noqa: PLC0415

    return WhisperModel(name, device=device, compute_type="float16" if device == "cuda" else "int8"), 0


def _middle(picture: Image) -> Image:
    """A picture; of a very long one the middle, all that CLIP sees: scaled as a whole, it would fill the memory."""
    (width, height), most = picture.size, _OBLONG * min(picture.size)
    left, top = max(0, (width - most) // 2), max(0, (height - most) // 2)
    return picture.crop((left, top, min(width, left + most), min(height, top + most)))


def _unit(features: Any) -> list[Vector]:  # noqa: ANN401  torch has no types here
    features = getattr(features, "pooler_output", features)
    vectors: list[Vector] = (features / features.norm(dim=-1, keepdim=True)).detach().cpu().tolist()
    return vectors
