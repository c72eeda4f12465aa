"""A language model's endpoint on the loopback interface, in both protocols, that can misbehave.

Belongs here: the shapes that Anthropic's and OpenAI's endpoints take and give, faults by request,
and 'models' from sensible to naive. Does not belong here: what the coder does with it (tests).

It refuses what the real ones refuse: no key, no limit on output, a form of output that was not
asked. It counts every request.
"""

import json
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

THEMES = ("bug_report", "suggestion", "usage_problem", "performance_evaluation", "others")
FENCED = re.compile(r"^BEGIN TEXT (\S+) (\S+)\n(.*?)\nEND TEXT \1 \2$", re.DOTALL | re.MULTILINE)
# What a careless reader takes for a fence: any word, any key.
LOOSE = re.compile(r"^BEGIN TEXT \S+ (\S+)\n(.*?)\nEND TEXT", re.DOTALL | re.MULTILINE)
WORDS = {
    "crash": "bug_report", "error": "bug_report", "please add": "suggestion",
    "support for": "suggestion", "how do i": "usage_problem", "how to": "usage_problem",
    "benchmark": "performance_evaluation", "tokens/s": "performance_evaluation",
}  # fmt: skip


@dataclass
class Asked:
    """A request as the endpoint saw it."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    system: str
    prompt: str

    @property
    def texts(self) -> dict[str, str]:
        """Texts by their key in this request."""
        return {key: text for _, key, text in FENCED.findall(self.prompt)}


Answering = Callable[[Asked], Any]
Fault = Callable[["Handler", Asked], None]


def sensible(asked: Asked) -> list[dict[str, Any]]:
    """Codes each fenced text by a word in it, whatever else it says."""
    return [answer_of(key, text) for key, text in asked.texts.items()]


def answer_of(key: str, text: str, **changed: Any) -> dict[str, Any]:
    lowered = text.lower()
    primary = next((theme for word, theme in WORDS.items() if word in lowered), "others")
    second = THEMES[(THEMES.index(primary) + 1) % len(THEMES)]
    answer = {
        "key": key,
        "summary": f"About {text[:30]!r}",
        "keywords": text.split()[:4],
        "code": f"about {primary.replace('_', ' ')}",
        "themes": [
            {"theme": primary, "holds": True, "probability": 0.9},
            {"theme": second, "holds": False, "probability": 0.06},
        ],
        "primary": primary,
        "rationale": "It says so.",
    }
    return {**answer, **changed}


@dataclass
class FakeLlm:
    """The endpoint's state: what it was asked, and how it is to answer.

    Attributes:
        faults: one for each of the next requests; None: none. When empty, all is well.
        answering: what the model says.
        key: the only one that is taken; None: any.
        delay: seconds before each answer.
    """

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    faults: deque[Fault | None] = field(default_factory=deque)
    answering: Answering = sensible
    key: str | None = None
    delay: float = 0.0
    input_tokens: int = 400
    output_tokens: int = 120
    has_usage: bool = True
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def openai_url(self) -> str:
        return f"{self.url}/v1"

    def url_of(self, provider: str) -> str:
        return self.url if provider == "anthropic" else self.openai_url

    @property
    def texts(self) -> list[str]:
        """All texts that it was asked for, with repetition."""
        return [text for one in self.asked for text in one.texts.values()]


class Handler(BaseHTTPRequestHandler):
    """Reads a request in either protocol and answers in the same."""

    protocol_version = "HTTP/1.1"
    # Small answers in two writes wait for the other side's acknowledgement otherwise.
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    @property
    def fake(self) -> FakeLlm:
        fake: FakeLlm = self.server.fake
        return fake

    @property
    def is_anthropic(self) -> bool:
        return self.path.startswith("/v1/messages")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        system, prompt = _told_by(body, self.is_anthropic)
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.path, headers, body, system, prompt)
        with self.fake.lock:
            self.fake.asked.append(asked)
            fault = self.fake.faults.popleft() if self.fake.faults else None
            self.fake.at_once += 1
            self.fake.most_at_once = max(self.fake.most_at_once, self.fake.at_once)
        try:
            if self.fake.delay:
                time.sleep(self.fake.delay)
            if fault is not None:
                fault(self, asked)
            elif (wrong := self._wrong(asked)) is not None:
                self.refuse(*wrong)
            else:
                self.say(asked, {"answers": self.fake.answering(asked)})
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with self.fake.lock:
                self.fake.at_once -= 1

    def _wrong(self, asked: Asked) -> tuple[int, str] | None:
        """What the real endpoints would not take."""
        headers, body = asked.headers, asked.body
        given = headers.get("x-api-key", headers.get("authorization", "")).removeprefix("Bearer ")
        if self.fake.key is not None and given != self.fake.key:
            return 401, f"invalid key {given}"
        if self.is_anthropic:
            if "anthropic-version" not in headers or "max_tokens" not in body:
                return 400, "max_tokens: Field required"
        elif self.path != "/v1/chat/completions":
            return 404, f"no such path {self.path}"
        if not asked.system or not asked.prompt or not body.get("model"):
            return 400, "messages: Field required"
        return None

    def say(self, asked: Asked, answers: Any, **changed: Any) -> None:
        """Answer as the protocol and the asked form of output demand."""
        make = _anthropic if self.is_anthropic else _openai
        self.send_json(200, {**make(self.fake, asked.body, answers), **changed})

    def refuse(self, status: int, message: str, **headers: str) -> None:
        kinds = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error",
                 429: "rate_limit_error", 529: "overloaded_error"}  # fmt: skip
        error = {"type": kinds.get(status, "api_error"), "message": message}
        if not self.is_anthropic:
            error["code"] = {404: "model_not_found", 429: "rate_limit_exceeded"}.get(status, "")
        body = {"type": "error", "error": error} if self.is_anthropic else {"error": error}
        self.send_json(status, body, **headers)

    def send_json(self, status: int, value: Any, **headers: str) -> None:
        self.send_raw(status, json.dumps(value).encode(), **headers)

    def send_raw(
        self, status: int, content: bytes, length: int | None = None, **headers: str
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()


def _told_by(body: dict[str, Any], is_anthropic: bool) -> tuple[str, str]:
    """The instructions and the user's message."""
    if is_anthropic:
        return _joined(body.get("system", "")), _joined(body["messages"][-1]["content"])
    parts = {"system": "", "user": ""}
    for message in body["messages"]:
        role = "system" if message["role"] in ("system", "developer") else message["role"]
        parts[role] += _joined(message["content"])
    return parts["system"], parts["user"]


def _joined(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content)


def _openai(fake: FakeLlm, body: dict[str, Any], answers: Any) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None}
    if body.get("tools"):
        assert body["tool_choice"] in ("required", {"type": "function", "function": {
            "name": body["tools"][0]["function"]["name"]}}), body["tool_choice"]  # fmt: skip
        call = {"name": body["tools"][0]["function"]["name"], "arguments": json.dumps(answers)}
        message["tool_calls"] = [{"id": "call_1", "type": "function", "function": call}]
    else:
        message["content"] = json.dumps(answers)
    response = {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_790_000_000,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "logprobs": None,
                     "finish_reason": "tool_calls" if body.get("tools") else "stop"}],
    }  # fmt: skip
    if fake.has_usage:
        response["usage"] = {
            "prompt_tokens": fake.input_tokens, "completion_tokens": fake.output_tokens,
            "total_tokens": fake.input_tokens + fake.output_tokens,
        }  # fmt: skip
    return response


def _anthropic(fake: FakeLlm, body: dict[str, Any], answers: Any) -> dict[str, Any]:
    content: dict[str, Any] = {"type": "text", "text": json.dumps(answers)}
    if body.get("tools"):
        assert body["tool_choice"]["type"] in ("any", "tool"), body["tool_choice"]
        content = {"type": "tool_use", "id": "toolu_1", "name": body["tools"][0]["name"],
                   "input": answers}  # fmt: skip
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": body["model"],
        "content": [content], "stop_sequence": None,
        "stop_reason": "tool_use" if body.get("tools") else "end_turn",
        "usage": {"input_tokens": fake.input_tokens, "output_tokens": fake.output_tokens},
    }  # fmt: skip


# ---------------------------------------------------------------- faults


def status(code: int, message: str = "no", **headers: str) -> Fault:
    return lambda handler, asked: handler.refuse(code, message, **headers)


def malformed(handler: Handler, asked: Asked) -> None:
    handler.send_raw(200, b'{"choices": [')


def html(handler: Handler, asked: Asked) -> None:
    handler.send_raw(200, b"<html>a proxy's page</html>")


def cut(handler: Handler, asked: Asked) -> None:
    """Announce more than is sent, and hang up."""
    handler.send_raw(200, b'{"choices": [{"index": 0', length=5000)
    handler.close_connection = True


def hang_up(handler: Handler, asked: Asked) -> None:
    handler.close_connection = True
    handler.connection.close()


def slow(seconds: float) -> Fault:
    def wait(handler: Handler, asked: Asked) -> None:
        time.sleep(seconds)
        handler.say(asked, {"answers": sensible(asked)})

    return wait


def saying(value: Any, **changed: Any) -> Fault:
    """Another value in place of the answers, and other fields of the response."""
    return lambda handler, asked: handler.say(asked, value, **changed)


def answering(change: Answering) -> Fault:
    return lambda handler, asked: handler.say(asked, {"answers": change(asked)})


@contextmanager
def serving(**state: Any) -> Iterator[FakeLlm]:
    """The endpoint, until the end of the block."""
    fake = FakeLlm(**state)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.fake = fake
    fake.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
