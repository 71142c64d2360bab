"""The page of an audit from its records alone: judgements in words, nothing of a record becomes markup, damage is named."""

import json

import pytest

from wordsight.base.details import Detail
from wordsight.base.errors import FormatError
from wordsight.report.audit_page import write_audit_page

FACTS = {
    "format": "wordsight-audit",
    "version": 1,
    "kind": "model",
    "name": "<b>small</b>",
    "fingerprint": "0123456789abcdef",
    "setting": {"images": 20, "data": ["pets"], "captions": []},
    "environment": {"time": "2026-11-30T10:00:00Z", "wordsight": "0.1.0", "processor": "P"},
    "checks": [{"check": "one", "title": "First", "lead": "What <i>was</i> done.", "limits": "Not all."}],
    "skipped": [{"check": "two", "title": "Second", "reason": "no captions", "cure": "give --captions"}],
}
SETTING = {"limit": 0.05, "worse": "above", "judged_together": 3, "judged_low": 0.01, "judged_high": 0.2}
CLAIMS = [
    {"check": "one", "judgement": "fine", "text": "All is well: 0 % (n 9).", "result": {"setting": {}}, "about": ""},
    {"check": "one", "judgement": "problem", "text": "It <script>fails</script>.", "result": {"setting": SETTING}},
]
ROWS = [{"name": "a", "value": 0.5, "interval": [0.4, 0.6], "count": 9, "chance": None}]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "audit.json").write_text(json.dumps(FACTS))
    (tmp_path / "audit.jsonl").write_text("".join(json.dumps(claim) + "\n" for claim in CLAIMS))
    details = [
        Detail("pets", "Shares of pets", "bars", {"rows": ROWS}, setting={"check": "one"}),
        Detail("pets", "More of pets", "bars", {"rows": ROWS}, setting={"check": "one"}),
        Detail("pets", "Of another check", "bars", {"rows": ROWS}, setting={"check": "two"}),
    ]
    (tmp_path / "details.jsonl").write_text("".join(detail.to_json() + "\n" for detail in details))
    return tmp_path


def test_problems_come_first_in_words_and_nothing_is_markup(folder):
    page = write_audit_page(folder, folder / "report.html").read_text()
    assert page.index("✗ problem") < page.index("✓ fine")
    assert "<b>✗ 1</b><span>problems</span>" in page
    assert "It would be harmless up to 5 %; judged with 2 others, so by the wider interval 1.0 to 20.0 %." in page
    assert "It &lt;script&gt;fails&lt;/script&gt;." in page
    assert "&lt;b&gt;small&lt;/b&gt;" in page
    assert "What &lt;i&gt;was&lt;/i&gt; done." in page
    assert "<script" not in page
    assert "<b>Second</b>: no captions; give --captions." in page
    assert page.index("Shares of pets") < page.index("1 more figure") < page.index("More of pets")
    assert "Of another check" not in page


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("audit.json", "[]", "audit.json is no audit: it does not say so"),
        ("audit.json", json.dumps({**FACTS, "version": 2}), "version '2'|version 2"),
        ("audit.json", json.dumps({**FACTS, "checks": [{}]}), "its checks are damaged"),
        ("audit.json", json.dumps({**FACTS, "setting": 1}), "its setting or environment is damaged"),
        (
            "audit.jsonl",
            '{"check": "one", "judgement": "bad", "text": "", "result": {}}\n',
            "audit.jsonl line 1 is no claim",
        ),
        ("details.jsonl", '{"name": "a"}\n', "details.jsonl line 1"),
    ],
)
def test_damage_is_named(folder, file, text, message):
    (folder / file).write_text(text)
    with pytest.raises(FormatError, match=message):
        write_audit_page(folder, folder / "report.html")
    assert not (folder / "report.html").exists()
