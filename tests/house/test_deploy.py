"""What lies in deploy uses options that exist, ports and addresses that are served, and no more rights than it says."""

import re

import pytest

from wordsight.cli.main import verb_parser
from wordsight.serve.routes import ROUTES
from wordsight.serve.settings import PORT

FILES = ("Containerfile", "compose.yaml", "compose.proxy.yaml", "wordsight.service", "nginx.conf")


@pytest.fixture(scope="module")
def texts(root) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in (root / "deploy").iterdir()}


@pytest.mark.parametrize("name", FILES)
def test_options_of_the_server_exist(name, texts) -> None:
    known = {option for action in verb_parser("serve")._actions for option in action.option_strings}
    lines = [line for line in texts[name].splitlines() if re.search(r"serve\b|ENTRYPOINT|command:|^\s+- --", line)]
    used = {option for line in lines for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", line)}
    used -= {"--read-only", "--tmpfs"}  # of podman
    assert used and used <= known


def test_addresses_are_routes(texts) -> None:
    paths = {route.path for route in ROUTES}
    asked = [*re.findall(rf"127\.0\.0\.1:{PORT}(/\w+)", "".join(texts.values())), "/metrics"]
    assert set(asked) <= paths
    assert f"EXPOSE {PORT}" in texts["Containerfile"] and f"wordsight:{PORT}" in texts["Caddyfile"]


def test_the_container_runs_as_nobody_on_a_root_it_cannot_write(texts) -> None:
    assert re.search(r"^USER 10001", texts["Containerfile"], re.MULTILINE)
    assert not re.search(r":latest|^FROM \S+/\w+( |$)", texts["Containerfile"], re.MULTILINE)
    assert "read_only: true" in texts["compose.yaml"] and "mem_limit:" in texts["compose.yaml"]


def test_the_unit_is_hardened(texts) -> None:
    lines = set(texts["wordsight.service"].splitlines())
    assert {"DynamicUser=yes", "ProtectSystem=strict", "NoNewPrivileges=yes", "CapabilityBoundingSet="} <= lines
    assert any(line.startswith("MemoryMax=") for line in lines)


def test_the_unit_answers_behind_the_proxy_that_lies_beside_it(texts) -> None:
    (command,) = re.findall(r"^ExecStart=(.+)$", texts["wordsight.service"], re.MULTILINE)
    (name,) = set(re.findall(r"server_name (\S+);", texts["nginx.conf"]))
    assert f"--allow-host {name}" in command and "--behind-proxy 127.0.0.1" in command


def test_commands_of_the_guide_fit_the_files(root, texts) -> None:
    guide = (root / "docs/guides/serve.md").read_text(encoding="utf-8")
    container, service = (
        guide.partition(f"## {title}")[2].partition("\n## ")[0] for title in ("In a c", "As a service")
    )
    (keys,) = re.findall(r"--keys (\S+)/keys\.json", container)
    (mounted,) = re.findall(r"\$\{KEYS:-\./(\w+)\}:/keys", texts["compose.yaml"])
    assert keys == f"deploy/{mounted}"
    before = container.partition("docker compose")[0]
    wanted = set(re.findall(r"\$\{(\w+):-", texts["compose.yaml"])) - {"KEYS"}
    assert wanted and all(re.search(rf"^export .*\b{one}=", before, re.MULTILINE) for one in wanted)
    assert not re.search(r"sudo wordsight", guide)
    assert "LoadCredential=" not in texts["wordsight.service"] or "systemctl restart wordsight" in service
