"""A process holds to its ceiling: caches go first, then new work waits until memory is there again."""

import asyncio
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from wordsight.base.errors import UsageError
from wordsight.images.memory import decoding_memory, limit_decoding
from wordsight.serve import memory as module
from wordsight.serve.app import make_app
from wordsight.serve.errors import Overloaded
from wordsight.serve.memory import ServerMemory, default_ceiling, own_memory
from wordsight.serve.settings import read_size

MB = 1_000_000


@pytest.fixture(autouse=True)
def _decoding():
    before = decoding_memory().total
    yield
    limit_decoding(before)


def test_what_requests_bring_is_reserved_and_given_back():
    memory = ServerMemory(400 * MB, look=lambda: 300 * MB)
    held = memory.hold()
    held.add(60 * MB)
    with pytest.raises(Overloaded, match="360 of 400 MB are held") as refused:
        memory.hold().add(50 * MB)
    assert refused.value.status == 503 and refused.value.after
    held.add(10 * MB)
    held.release()
    held.release()
    assert memory.reserved == 0
    memory.hold().add(90 * MB)


def test_above_the_soft_line_caches_go_and_above_the_ceiling_work_waits():
    sizes = [300 * MB]
    memory = ServerMemory(400 * MB, look=lambda: sizes[0])
    relieved = []

    def relieve():
        relieved.append(sizes[0])
        sizes[0] -= 50 * MB

    async def looks(size):
        sizes[0] = size
        await memory.look(relieve)

    asyncio.run(looks(330 * MB))
    assert not relieved
    asyncio.run(looks(360 * MB))
    assert relieved == [360 * MB] and not memory.is_full and memory.own == 310 * MB
    memory.require()
    asyncio.run(looks(480 * MB))
    assert memory.is_full
    with pytest.raises(Overloaded):
        memory.require()
    asyncio.run(looks(300 * MB))
    memory.require()
    assert memory.relieved == 2


def test_caches_that_fill_again_are_not_emptied_at_every_look(monkeypatch):
    monkeypatch.setattr(module, "AGAIN", 1e9)
    sizes = [360 * MB]
    memory, relieved = ServerMemory(400 * MB, look=lambda: sizes[0]), []

    async def looks(size):
        sizes[0] = size
        await memory.look(lambda: relieved.append(size))

    for size in (360 * MB, 370 * MB, 360 * MB):
        asyncio.run(looks(size))
    assert relieved == [360 * MB] and memory.own == 360 * MB
    asyncio.run(looks(410 * MB))  # where work has to wait, all that can go goes
    assert relieved == [360 * MB, 410 * MB] and memory.is_full


def test_decoding_has_a_part_of_the_ceiling():
    ServerMemory(400 * MB).start()
    assert decoding_memory().total == 100 * MB
    ServerMemory(4000 * MB).start()
    assert decoding_memory().total == 100 * MB


def test_the_ceiling_is_that_of_the_machine_or_the_group(tmp_path, monkeypatch):
    (tmp_path / "memory.max").write_text("2000000000\n")
    monkeypatch.setattr(module, "CGROUPS", (tmp_path / "memory.max",))
    assert default_ceiling() <= 1600 * MB and default_ceiling(4) <= 400 * MB
    (tmp_path / "memory.max").write_text("max\n")
    assert default_ceiling() >= default_ceiling(2) >= module.LEAST
    assert default_ceiling(256) >= module.LEAST


def test_own_memory_is_what_is_not_a_mapped_file(tmp_path):
    status = tmp_path / "status"
    status.write_text("VmRSS:\t 900 kB\nRssAnon:\t 500 kB\nRssFile:\t 390 kB\nRssShmem:\t 10 kB\nVmSwap:\t 5 kB\n")
    assert own_memory(status) == 515 * 1024
    assert own_memory(tmp_path / "nothing") == 0


@pytest.mark.parametrize(
    ("text", "size"), [("800MB", 800_000_000), ("2GB", 2 * 10**9), ("1.5 GiB", 3 << 29), ("512Mi", 512 << 20), ("7", 7)]
)
def test_sizes_are_read_as_people_write_them(text, size):
    assert read_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "two", "3 XB", "1e400"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(UsageError, match="is no size"):
        read_size(text)


def test_a_ceiling_below_what_libraries_take_is_refused(settings):
    with pytest.raises(UsageError, match="at least 256 MB"):
        ServerMemory(100)
    with pytest.raises(UsageError, match="--memory"):
        make_app(replace(settings, memory=1000))


def test_requests_are_refused_while_the_ceiling_is_reached(settings, monkeypatch):
    held = {"size": 0}
    monkeypatch.setattr(module, "PERIOD", 0.02)
    monkeypatch.setattr(module.ServerMemory, "__init__", _with_look(held))
    with TestClient(make_app(replace(settings, memory=300 * MB)), base_url="http://127.0.0.1:7070") as client:

        def until(status):
            for _ in range(400):
                answer = client.post("/api/embed", json={"texts": ["red"]})
                if answer.status_code == status:
                    return answer
            raise AssertionError(answer.text)

        until(200)
        held["size"] = 500 * MB
        refused = until(503)
        assert int(refused.headers["retry-after"]) >= 1 and "memory is short" in refused.text
        assert client.get("/health").status_code == 200
        held["size"] = 0
        until(200)


def test_nothing_stays_reserved_whatever_became_of_a_request(settings, monkeypatch):
    reserved, released = [], []
    add, release = module.HeldMemory.add, module.HeldMemory.release
    monkeypatch.setattr(module.HeldMemory, "add", lambda self, size: (reserved.append(size), add(self, size))[1])
    monkeypatch.setattr(module.HeldMemory, "release", lambda self: (released.append(self.size), release(self))[1])
    with TestClient(make_app(settings), base_url="http://127.0.0.1:7070") as client:
        bodies = (b'{"texts": ["red"]}', b"{", b'{"images": ["%"]}', b'{"texts": ["red"], "model": "other"}')
        statuses = [client.post("/api/embed", content=body).status_code for body in bodies]
    assert statuses == [200, 422, 400, 404]
    assert [size for size in reserved if size] == [2 * len(body) for body in bodies] == released


def _with_look(held):
    made = ServerMemory.__init__

    def init(self, ceiling, *, look=None):
        made(self, ceiling, look=lambda: held["size"])

    return init
