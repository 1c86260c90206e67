"""The files in ``containers/``: what can be tested without a container engine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from authlib_kucoin.sandbox._arguments import parse
from tests.support.ports import free_port, wait_for_port

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "containers"
IMAGES = ("sandbox", "demo")


def dockerfile(name: str) -> str:
    """Return the text of an image's Dockerfile."""
    return (FOLDER / f"{name}.Dockerfile").read_text()


def image_variables(name: str) -> dict[str, str]:
    """Return the environment variables that an image sets."""
    (line,) = re.findall(r"^ENV (.+)$", dockerfile(name), re.MULTILINE)
    return dict(pair.split("=", 1) for pair in line.split())


def command(name: str, instruction: str) -> list[str]:
    """Return an image's CMD or HEALTHCHECK, with the program's path in this Python environment."""
    (arguments,) = re.findall(rf"^{instruction}(\[.+\])$", dockerfile(name), re.MULTILINE)
    program, *rest = json.loads(arguments)
    return [str(Path(sys.executable).parent / program), *rest]


def services() -> dict[str, Any]:
    """Return the services of the compose file."""
    found: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]
    return found


def test_sandbox_options_exist() -> None:
    """The sandbox accepts the variables that its image and the compose file set.

    The variables name two accounts, and open the sandbox to all IPv4 addresses, so that other
    containers can call the sandbox.
    """
    variables = image_variables("sandbox") | services()["sandbox"]["environment"]
    options = parse([], variables).options

    assert (options.host, options.allowed_ips) == ("0.0.0.0", ("0.0.0.0/0",))
    assert [account.name for account in options.accounts] == [
        "alice@example.com",
        "bob@example.com",
    ]


@pytest.mark.parametrize("name", IMAGES)
def test_images_copy_files_that_exist(name: str) -> None:
    """What a Dockerfile copies exists, and the Dockerfile's ignore file admits it."""
    lines = re.findall(r"^COPY (.+) \S+$", dockerfile(name), re.MULTILINE)
    ignored = (FOLDER / f"{name}.Dockerfile.dockerignore").read_text()
    for copied in " ".join(lines).split():
        assert (ROOT / copied).exists()
        assert f"!{copied}\n" in ignored


def test_compose_file_fits_the_images() -> None:
    """The compose file names the right folder and Dockerfiles, and opens ports to loopback only.

    The images do not run as root. The demo uses the sandbox's alias, and waits for the sandbox.
    """
    for name, service in services().items():
        assert (FOLDER / service["build"]["context"]).resolve() == ROOT
        assert ROOT / service["build"]["dockerfile"] == FOLDER / f"{name}.Dockerfile"
        (port,) = re.findall(r"^EXPOSE (\d+)$", dockerfile(name), re.MULTILINE)
        assert service["ports"] == [f"127.0.0.1:{port}:{port}"]
        assert re.search(r"^USER nobody$", dockerfile(name), re.MULTILINE)
    sandbox, demo = services()["sandbox"], services()["demo"]
    (alias,) = sandbox["networks"]["default"]["aliases"]
    assert demo["environment"]["KUCOIN_SITE"] == f"http://{alias}:9400"
    assert demo["depends_on"] == {"sandbox": {"condition": "service_healthy"}}


def test_sandbox_image_starts_and_is_healthy() -> None:
    """The image's variables work; the health check succeeds only while the sandbox serves."""
    port = free_port()
    environment = {
        **os.environ,
        **image_variables("sandbox"),
        "KUCOIN_SANDBOX_PORT": str(port),
        "PYTHONPATH": str(ROOT),
    }
    check = [each.replace("9400", str(port)) for each in command("sandbox", "HEALTHCHECK .*CMD ")]
    (program,) = command("sandbox", "CMD ")
    assert Path(program).name == "kucoin-sandbox"
    serve = [sys.executable, "-m", "authlib_kucoin.sandbox"]  # what the program calls
    with subprocess.Popen(serve, env=environment, stdout=subprocess.DEVNULL) as process:
        wait_for_port(port, process)
        healthy = subprocess.run(check, check=False).returncode
        process.terminate()
    stopped = subprocess.run(check, check=False, stderr=subprocess.DEVNULL).returncode
    assert (healthy, stopped) == (0, 1)


def test_demo_image_starts(tmp_path: Path) -> None:
    """Demo and gunicorn accept the image's command, and the variables of image and compose file."""
    environment = {**os.environ, **image_variables("demo"), **services()["demo"]["environment"]}
    assert environment["DEMO_INSTANCE"] == "/app/instance"
    environment["DEMO_INSTANCE"] = str(tmp_path)
    done = subprocess.run(
        [*command("demo", "CMD "), "--check-config"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
