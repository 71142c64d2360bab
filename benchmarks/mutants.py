"""How good are the tests: break the source in one place, see whether the room's own tests notice, thousands of times.

    pip install mutmut==3.8.1
    python benchmarks/mutants.py losses evaluate index text data/order weights/checkpoint --sample 300

A copy of the last commit is made in a temporary folder, mutmut breaks it there, and a table is printed: how
many mutants each room has, how many were tried (all, or a sample drawn with --seed), how many were killed (a test
failed or ran out of time).  The survivors follow with what was changed in them.  A developer's tool: it takes minutes
a room, is not part of `scripts/test`, and a survivor is a question to its reader, not a verdict.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

ROOMS = {  # room: its files, and the tests that have to notice
    "losses": ("losses/*", ["tests/losses"]),
    "evaluate": ("evaluate/*", ["tests/evaluate", "tests/conformance/test_tasks.py"]),
    "index": ("index/*", ["tests/index"]),
    "text": ("text/*", ["tests/text"]),
    "data": ("data/*", ["tests/data", "tests/conformance/test_sources.py"]),
    "data/order": ("data/order.py", ["tests/data/test_order_and_mix.py"]),
    "weights/checkpoint": ("weights/checkpoint.py", ["tests/weights/test_checkpoint.py"]),
    "report": ("report/*", ["tests/report"]),
}
ALIVE = (0, 5, 33)  # exit codes of mutmut: the tests passed; no test was there
SETTINGS = """
[tool.mutmut]
source_paths = ["src"]
only_mutate = ["src/wordsight/{files}"]
also_copy = ["README.md", "scripts", "docs", "recipes"]
pytest_add_cli_args_test_selection = {tests}
pytest_add_cli_args = ["-p", "no:xdist"]
timeout_multiplier = 8.0
timeout_constant = 2.0
use_git_change_detection = false
track_dependencies = false
"""


def mutmut(folder: Path, *arguments: str) -> str:
    """Run mutmut in the copy, with the mutated sources in the place of the others."""
    environment = {**os.environ, "PYTHONPATH": str(folder / "mutants" / "src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "mutmut", *arguments]
    return subprocess.run(command, check=False, cwd=folder, env=environment, capture_output=True, text=True).stdout


def verdicts(folder: Path) -> dict[str, int | None]:
    """Return every mutant with the exit code of its tests, None where it was not tried."""
    files = (folder / "mutants" / "src").rglob("*.meta")
    return {name: code for path in files for name, code in json.loads(path.read_text())["exit_code_by_key"].items()}


def measure(room: str, *, sample: int, seed: int) -> None:
    """Print the room's line of the table and its survivors."""
    files, tests = ROOMS[room]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        archive = subprocess.run(["git", "archive", "HEAD"], capture_output=True, check=True)
        subprocess.run(["tar", "x", "-C", name], input=archive.stdout, check=True)
        with open(folder / "pyproject.toml", "a") as handle:
            handle.write(SETTINGS.format(files=files, tests=json.dumps(tests)))
        (folder / "mutants" / "src").mkdir(parents=True)
        message = mutmut(folder, "run", "--max-children", "1", "nothing")  # makes the mutants and tries none
        every = sorted(verdicts(folder))
        if not every:
            sys.exit(f"{room}: no mutants could be made\n{message}")
        chosen = every if len(every) <= sample else sorted(random.Random(seed).sample(every, sample))
        printed = mutmut(folder, "run", "--max-children", "1", *chosen)
        codes = verdicts(folder)
        tried = [mutant for mutant in chosen if codes[mutant] is not None]
        if not tried:
            sys.exit(f"{room}: the tests are red before anything is broken\n{printed[-2000:]}")
        alive = [mutant for mutant in tried if codes[mutant] in ALIVE]
        killed = len(tried) - len(alive)
        print(
            f"| {room} | {len(every):,} | {len(tried):,} | {killed:,} | {killed / max(len(tried), 1):.1%} |", flush=True
        )
        for mutant in alive:
            lines = [
                line
                for line in mutmut(folder, "show", mutant).splitlines()
                if line[:1] in "+-" and line[1:3] != line[:1] * 2
            ]
            print(f"  {mutant}\n    " + "\n    ".join(lines), flush=True)


def main() -> None:
    """Measure the rooms that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rooms", nargs="+", choices=list(ROOMS))
    parser.add_argument("--sample", type=int, default=300, help="mutants tried of each room at most (default: 300)")
    parser.add_argument("--seed", type=int, default=7, help="of the sample (default: 7)")
    args = parser.parse_args()
    print("| room | mutants | tried | killed | |\n|---|---:|---:|---:|---:|", flush=True)
    for room in args.rooms:
        measure(room, sample=args.sample, seed=args.seed)


if __name__ == "__main__":
    main()
