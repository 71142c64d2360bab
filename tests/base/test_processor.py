import os
import platform

import pytest

from wordsight.base.processor import Processor, cores, processor_name, read_processor


@pytest.mark.parametrize(
    ("machine", "flags", "expected"),
    [
        ("x86_64", "flags : sse avx2 avx512f avx512_vnni avx512_bf16", Processor(int8=True, avx512=True, bf16=True)),
        ("x86_64", "flags : sse avx2 avx_vnni", Processor(int8=True, avx512=False, bf16=False)),
        ("x86_64", "flags : sse avx2", Processor(int8=False, avx512=False, bf16=False)),
        ("AMD64", None, Processor(int8=False, avx512=False, bf16=False)),
        ("aarch64", "Features : fp asimd bf16", Processor(int8=True, avx512=False, bf16=True)),
        ("arm64", None, Processor(int8=True, avx512=False, bf16=False)),
    ],
)
def test_what_a_processor_can_do_is_read_from_its_flags(tmp_path, machine, flags, expected):
    if flags is not None:
        (tmp_path / "cpuinfo").write_text(flags)
    assert read_processor(tmp_path / "cpuinfo", machine) == expected


def test_the_processor_is_named_by_itself_else_by_python(tmp_path):
    (tmp_path / "cpuinfo").write_text("processor : 0\nmodel name : Made 5000\nmodel name : Made 5001\n")
    assert processor_name(tmp_path / "cpuinfo") == "Made 5000"
    (tmp_path / "cpuinfo").write_text("Features : fp asimd\n")
    assert processor_name(tmp_path / "cpuinfo") == platform.processor()
    assert processor_name(tmp_path / "none") == platform.processor()


def test_cores_are_those_this_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {1, 5, 6}, raising=False)
    assert cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert cores() == 7
