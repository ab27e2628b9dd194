"""The key-encryption key comes from a file that only its owner reads, or from a service credential."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from kaipiao.errors import KekRefused
from kaipiao.seal import durable
from kaipiao.seal.kek import load_or_create_kek

KEK = bytes(range(32))
posix = pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


def written(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_it_is_made_once_and_then_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "kek"
    kek = load_or_create_kek(path)
    assert len(kek) == 32
    assert load_or_create_kek(path) == kek
    assert load_or_create_kek(tmp_path / "another") != kek


@posix
def test_its_file_is_the_owners_alone(tmp_path: Path) -> None:
    load_or_create_kek(tmp_path / "kek")
    assert stat.S_IMODE((tmp_path / "kek").stat().st_mode) == 0o600


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610, 0o777])
def test_a_file_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(KekRefused) as caught:
        load_or_create_kek(written(tmp_path / "kek", KEK.hex().encode(), mode))
    assert KEK.hex() not in str(caught.value) + caught.value.detail.zh


@posix
def test_a_link_a_directory_and_a_pipe_are_refused(tmp_path: Path) -> None:
    written(tmp_path / "kek", KEK.hex().encode())
    (tmp_path / "link").symlink_to(tmp_path / "kek")
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("link", "directory", "pipe"):
        with pytest.raises(KekRefused):
            load_or_create_kek(tmp_path / name)


@pytest.mark.parametrize(
    "content", [b"", KEK, KEK.hex().encode()[:-1], KEK.hex().encode() + b"0", b"g" * 64, b"\n" * 64]
)
def test_a_malformed_key_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path / "kek", content)
    with pytest.raises(KekRefused):
        load_or_create_kek(path)
    assert path.read_bytes() == content


def test_a_huge_file_is_refused_without_being_read_whole(tmp_path: Path) -> None:
    with pytest.raises(KekRefused):
        load_or_create_kek(written(tmp_path / "kek", b"0" * 1_000_000))


def test_a_service_credential_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / "kaipiao-kek", KEK.hex().encode() + b"\n", 0o440)  # the mode that systemd gives it
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert load_or_create_kek(tmp_path / "kek") == KEK
    assert not (tmp_path / "kek").exists()


def test_without_a_credential_of_that_name_the_file_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "none"))
    assert load_or_create_kek(written(tmp_path / "kek", KEK.hex().encode())) == KEK


def test_whoever_is_second_takes_the_key_of_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create = durable.create

    def outrun(path: Path, data: bytes) -> None:
        create(path, KEK.hex().encode())
        create(path, data)

    monkeypatch.setattr(durable, "create", outrun)
    assert load_or_create_kek(tmp_path / "kek") == KEK


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    written(tmp_path / "file", b"")
    with pytest.raises(KekRefused):
        load_or_create_kek(tmp_path / "file" / "kek")
