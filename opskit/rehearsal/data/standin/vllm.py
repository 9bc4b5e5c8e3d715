"""vLLM's server, as far as a gateway uses it. It echoes, and counts a token for four characters.

Source: vLLM 0.30.0, vllm/entrypoints/openai: the API key on /v1, `auto` tool choice by two flags, the longest request,
the name that is served.
"""

import json

from answer import METRICS, Answer, given, read_json

NAMES = """vllm:num_requests_running vllm:num_requests_waiting vllm:kv_cache_usage_perc vllm:prompt_tokens_total
vllm:generation_tokens_total vllm:time_to_first_token_seconds_bucket"""
ARGUMENTS = []


def flag(name, default=""):
    return ARGUMENTS[ARGUMENTS.index(name) + 1] if name in ARGUMENTS else default


def served():
    return flag("--served-model-name", flag("--model", "stand-in"))


def answer(request):
    if request.place == "/health":
        raise Answer(200)
    if request.place == "/metrics":
        raise Answer(200, (METRICS + "".join("%s 0\n" % name for name in NAMES.split())).encode(), "text/plain")
    if not request.place.startswith("/v1/"):
        return
    if given("VLLM_API_KEY") and request.headers.get("Authorization") != "Bearer " + given("VLLM_API_KEY"):
        raise Answer(401, {"error": "Unauthorized"})
    if request.place == "/v1/models":
        longest = int(flag("--max-model-len", "4096"))
        raise Answer(200, {"object": "list", "data": [{"id": served(), "object": "model", "max_model_len": longest}]})
    if request.place in ("/v1/chat/completions", "/v1/completions"):
        complete(request)


def complete(request):
    asked = read_json(request)
    refuse(asked)
    last = (asked.get("messages") or [{"content": asked.get("prompt", "")}])[-1]["content"]
    words = ("rehearsal stand-in for vllm: %s" % last).split()[: asked.get("max_tokens") or None]
    usage = {
        "prompt_tokens": tokens(asked),
        "completion_tokens": len(words),
        "total_tokens": tokens(asked) + len(words),
    }
    base = {"id": "stand-in", "created": 0, "model": served()}
    if asked.get("stream"):
        parts = [{"index": 0, "delta": {"content": word + " "}, "finish_reason": None} for word in words]
        parts.append({"index": 0, "delta": {}, "finish_reason": "stop"})
        chunks = [{**base, "object": "chat.completion.chunk", "choices": [part]} for part in parts]
        if (asked.get("stream_options") or {}).get("include_usage"):
            chunks.append({**base, "object": "chat.completion.chunk", "choices": [], "usage": usage})
        lines = ["data: %s\n\n" % json.dumps(chunk) for chunk in chunks]
        raise Answer(200, "".join([*lines, "data: [DONE]\n\n"]).encode(), "text/event-stream; charset=utf-8")
    text = " ".join(words)
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}, "text": text}
    raise Answer(200, {**base, "object": "chat.completion", "choices": [choice], "usage": usage})


def refuse(asked):
    if asked.get("model") != served():
        wrong(404, "NotFoundError", "The model `%s` does not exist." % asked.get("model"))
    automatic = asked.get("tools") and asked.get("tool_choice", "auto") == "auto"
    if automatic and not ("--enable-auto-tool-choice" in ARGUMENTS and flag("--tool-call-parser")):
        text = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
        wrong(400, "BadRequestError", text)
    longest = int(flag("--max-model-len", "4096"))
    if tokens(asked) + (asked.get("max_tokens") or 1) > longest:
        text = "This model's maximum context length is %d tokens; the request has %d input tokens." % (
            longest,
            tokens(asked),
        )
        wrong(400, "BadRequestError", text)


def tokens(asked):
    return len(json.dumps([asked.get("messages"), asked.get("prompt"), asked.get("tools")])) // 4


def wrong(status, kind, text):
    raise Answer(status, {"error": {"message": text, "type": kind, "param": None, "code": status}})
