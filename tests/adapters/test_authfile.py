"""Logins are found as containers-auth.json(5) says, and shown to nobody."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from midstream.adapters import authfile
from midstream.adapters.authfile import CannotLogIn, Credentials, default_paths
from midstream.errors import Exit

if TYPE_CHECKING:
    from pathlib import Path


def pair(user: str, password: str = "") -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def write(folder: Path, content: object) -> Path:
    path = folder / "auth.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("host", "repository", "user"),
    [
        ("quay.io", "vllm/vllm-rocm", "image"),
        ("quay.io", "vllm/vllm-cuda", "group"),
        ("quay.io", "vllm", "group"),
        ("quay.io", "vllmm/x", "host"),
        ("quay.io", "", "host"),
        ("quay.io:443", "vllm/vllm-rocm", None),
        ("docker.io", "library/x", "hub"),
        ("registry-1.docker.io", "library/x", "hub"),
        ("legacy.example", "a/b", "legacy"),
        ("ghcr.io", "a", None),
    ],
)
def test_the_longest_prefix_wins(
    tmp_path: Path, host: str, repository: str, user: str | None
) -> None:
    keys = {
        "quay.io/vllm/vllm-rocm": pair("image"),
        "quay.io/vllm": pair("group"),
        "quay.io": pair("host"),
        "https://index.docker.io/v1/": pair("hub"),
        "https://legacy.example/v2/": pair("legacy"),
        "ghcr.io": {},
    }
    found = authfile.read(write(tmp_path, {"auths": keys})).credentials(host, repository)
    assert (found and found.user) == user


def test_a_password_may_hold_colons_and_is_in_no_repr(tmp_path: Path) -> None:
    path = write(tmp_path, {"auths": {"q": pair("me", "a:b:c")}})
    logins = authfile.read(path)
    found = logins.credentials("q")
    assert found is not None
    assert found.password == "a:b:c"
    assert "a:b:c" in found.secrets
    for secret in found.secrets:
        assert secret not in f"{found!r} {logins!r}"


def test_an_identity_token_is_a_login_too(tmp_path: Path) -> None:
    path = write(tmp_path, {"auths": {"q": {"identitytoken": "secret-token"}}})
    found = authfile.read(path).credentials("q")
    assert found == Credentials("", "", "secret-token")
    assert "secret-token" not in repr(found)


@pytest.mark.parametrize(
    "content", ["", "not json", "[]", '{"auths": []}', "\x00", '{"auths": {"q": {"auth": "%%%"}}}']
)
def test_a_file_that_is_no_authfile_is_said(tmp_path: Path, content: str) -> None:
    with pytest.raises(CannotLogIn, match=r"auth\.json") as found:
        authfile.read(write(tmp_path, content)).credentials("q")
    assert found.value.exit_code is Exit.AUTHENTICATION


@pytest.mark.parametrize("content", [{}, {"auths": {}}, {"auths": None}, {"auths": {"q": 7}}])
def test_a_file_without_this_login_has_none(tmp_path: Path, content: object) -> None:
    assert authfile.read(write(tmp_path, content)).credentials("q") is None


def test_a_missing_file_is_said_with_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(CannotLogIn, match="no such file") as found:
        authfile.read(tmp_path / "auth.json")
    assert found.value.help is not None
    assert "skopeo login" in found.value.help


def test_without_a_file_there_are_no_logins() -> None:
    logins = authfile.read()
    assert logins.path is None
    assert logins.credentials("quay.io") is None


def test_the_first_of_the_usual_places_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REGISTRY_AUTH_FILE")
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("HOME", str(tmp_path))
    docker = tmp_path / ".docker/config.json"
    docker.parent.mkdir()
    docker.write_text(json.dumps({"auths": {"q": pair("docker")}}))
    assert authfile.read().path == docker
    podman = tmp_path / ".config/containers/auth.json"
    podman.parent.mkdir(parents=True)
    podman.write_text(json.dumps({"auths": {"q": pair("podman")}}))
    assert authfile.read().path == podman
    assert default_paths()[0] == tmp_path / "run/containers/auth.json"
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert str(default_paths()[0]).startswith("/run/containers/")
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(docker))
    assert default_paths() == (docker,)


class TestHelpers:
    @pytest.fixture
    def _helper(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = tmp_path / "bin"
        folder.mkdir()
        program = folder / "docker-credential-test"
        program.write_text(
            "#!/bin/sh\nread -r host\ncase $host in\n"
            '  quay.io) echo \'{"Username": "me", "Secret": "kept"}\';;\n'
            '  token.example) echo \'{"Username": "<token>", "Secret": "identity"}\';;\n'
            '  https://index.docker.io/v1/) echo \'{"Username": "hub", "Secret": "x"}\';;\n'
            "  broken.example) echo nonsense;;\n"
            "  *) echo 'credentials not found in native keychain'; exit 1;;\nesac\n"
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    @pytest.mark.usefixtures("_helper")
    def test_a_program_keeps_the_logins(self, tmp_path: Path) -> None:
        logins = authfile.read(write(tmp_path, {"credsStore": "test", "auths": {"quay.io": {}}}))
        assert logins.credentials("quay.io", "a/b") == Credentials("me", "kept")
        assert logins.credentials("token.example") == Credentials("", "", "identity")
        assert logins.credentials("docker.io", "library/x") == Credentials("hub", "x")
        assert logins.credentials("other.example") is None
        with pytest.raises(CannotLogIn, match="gave no login"):
            logins.credentials("broken.example")

    @pytest.mark.usefixtures("_helper")
    def test_a_program_for_one_host_is_asked_for_that_host_only(self, tmp_path: Path) -> None:
        logins = authfile.read(write(tmp_path, {"credHelpers": {"quay.io": "test"}}))
        assert logins.credentials("quay.io") == Credentials("me", "kept")
        assert logins.credentials("token.example") is None

    @pytest.mark.parametrize("name", ["missing", "../x", "-x", "a b"])
    def test_a_program_that_is_not_there_or_can_not_be_is_said(
        self, tmp_path: Path, name: str
    ) -> None:
        logins = authfile.read(write(tmp_path, {"credsStore": name}))
        with pytest.raises(CannotLogIn, match="credential helper"):
            logins.credentials("quay.io")
