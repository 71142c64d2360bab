"""`wordsight train` as it is typed."""

import json
import os
import signal
import threading
import time

from wordsight.cli.main import main
from wordsight.train.checkpoint import list_checkpoints


def test_the_verb_prints_the_model_and_its_results(recipe, capsys):
    out = recipe.parent / "run"
    assert main(["train", str(recipe), "--set", f"out={out}", "--set", "steps=2", "--device", "cpu", "--quiet"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == str(out / "model")
    assert [line.split("\t")[0] for line in lines[1:]] == [
        json.loads(line)["name"] for line in (out / "results.jsonl").read_text().splitlines()
    ]
    assert (out / "model" / "model.json").exists()


def test_wrong_calls_are_one_line_and_status_2(recipe, capsys):
    for words in (["nowhere"], [str(recipe), "--set", "optimiser.rate=1"], [str(recipe), "--set", "batch"]):
        assert main(["train", *words]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert len(captured.err.splitlines()) == 1


def test_missing_data_are_named(recipe, capsys):
    assert (
        main(["train", str(recipe), "--set", "data.sources.scenes.place=lost", "--set", f"out={recipe.parent / 'run'}"])
        == 2
    )
    assert "lost" in capsys.readouterr().err


def test_ctrl_c_leaves_a_checkpoint_and_status_130(recipe, capsys):
    out = recipe.parent / "run"

    def interrupt():
        while not (out / "metrics.jsonl").exists():
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=interrupt)
    thread.start()
    words = ["train", str(recipe), "--set", f"out={out}", "--set", "steps=100000", "--device", "cpu"]
    assert main(words) == 130
    thread.join()
    assert signal.getsignal(signal.SIGINT) is before
    assert "stopped" in capsys.readouterr().err
    (checkpoint,) = list_checkpoints(out)
    stopped_at = json.loads((checkpoint / "state.json").read_text())["step"]
    last = json.loads((out / "clock.jsonl").read_text().splitlines()[-1])["step"]
    assert 0 < stopped_at == last
