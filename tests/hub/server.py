"""A model hub on the loopback: the part of the real HTTP contract that a client needs to fetch a model.

GET  /api/models/ORG/NAME/revision/REV      commit, files, sizes, hashes
HEAD /ORG/NAME/resolve/REV/FILE             commit and hash in headers
GET  /ORG/NAME/resolve/REV/FILE             the bytes, Range obeyed

Every request is remembered.  A repository can be gated; a file can be cut short once, or damaged for good.
"""

import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = (".safetensors", ".bin", ".onnx", ".pt")


@dataclass
class Repository:
    files: dict[str, bytes]
    token: str | None = None  # who has it may read
    gated: bool = False
    cut_once: set[str] = field(default_factory=set)
    damaged: set[str] = field(default_factory=set)
    revisions: tuple[str, ...] = ("main", "v1")


class Hub:
    """`with Hub({"org/name": Repository(...)}) as hub: hub.url`"""

    def __init__(self, repositories):
        self.repositories = repositories
        self.requests: list[tuple[str, str, str | None]] = []  # method, path, range

    def __enter__(self):
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_GET(self):
                hub.requests.append(("GET", self.path, self.headers.get("Range")))
                hub.answer(self, body=True)

            def do_HEAD(self):
                hub.requests.append(("HEAD", self.path, None))
                hub.answer(self, body=False)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        return self

    def __exit__(self, *args):
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request, *, body):
        path = request.path.partition("?")[0]
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            repository = self._open(request, found[1], found[2] or "main")
            if repository:
                send(request, 200, json.dumps(listing(found[1], repository)).encode(), body=body)
            return
        if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            repository = self._open(request, found[1], found[2])
            if repository:
                self._file(request, repository, found[3], body=body)
            return
        refuse(request, 404, "EntryNotFound", "no such page")

    def _open(self, request, name, revision):
        repository = self.repositories.get(name)
        if repository is None:
            refuse(request, 401, "RepoNotFound", "Repository not found")
        elif repository.gated and request.headers.get("Authorization") != f"Bearer {repository.token}":
            refuse(request, 403, "GatedRepo", "Access to this model is restricted")
        elif revision not in (*repository.revisions, COMMIT):
            refuse(request, 404, "RevisionNotFound", f"Invalid rev id: {revision}")
        else:
            return repository
        return None

    def _file(self, request, repository, name, *, body):
        content = repository.files.get(name)
        if content is None:
            refuse(request, 404, "EntryNotFound", f"no file {name}")
            return
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{etag(name, content)}"', "Accept-Ranges": "bytes"}
        if name.endswith(LARGE):
            headers |= {"X-Linked-ETag": f'"{etag(name, content)}"', "X-Linked-Size": str(len(content))}
        if name in repository.damaged:
            content = bytes([content[0] ^ 1]) + content[1:]
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range") or "")
        status = 200
        if wanted and body:
            start = int(wanted[1])
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            content, status = content[start:], 206
        cut = body and name in repository.cut_once and status == 200
        if cut:
            repository.cut_once.discard(name)
        send(request, status, content, body=body, headers=headers, cut=cut)


def listing(name, repository):
    siblings = []
    for file, content in repository.files.items():
        entry = {"rfilename": file, "size": len(content), "blobId": git_hash(content)}
        if file.endswith(LARGE):
            entry["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
        siblings.append(entry)
    return {"id": name, "modelId": name, "sha": COMMIT, "private": False, "tags": [], "siblings": siblings}


def git_hash(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def etag(name, content):
    return hashlib.sha256(content).hexdigest() if name.endswith(LARGE) else git_hash(content)


def refuse(request, status, code, message):
    send(request, status, b"{}", body=True, headers={"X-Error-Code": code, "X-Error-Message": message})


def send(request, status, content, *, body, headers=None, cut=False):
    request.send_response(status)
    for name, value in (headers or {}).items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(content)))
    request.send_header("Content-Type", "application/json")
    request.end_headers()
    if body and request.command != "HEAD":
        request.wfile.write(content[: len(content) // 2] if cut else content)
    if cut:
        request.wfile.flush()
        request.close_connection = True
        request.connection.shutdown(2)
