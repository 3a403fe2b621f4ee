"""Files that the configuration names are checked with it."""

from pathlib import Path

import pytest

from exporter.config_file import ConfigError, parse


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        parse(text, "v.yml", {})
    return str(error.value).splitlines()


def test_a_file_that_cannot_be_used_is_an_error_at_its_key(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("short and secret")
    (tmp_path / "keys").write_text("nonsense")
    found = problems(
        f"access:\n  keys_file: {tmp_path}/keys\n  jwt:\n    issuer: https://idp\n    secret_file: {tmp_path}/secret\n"
    )
    assert found[0].startswith(f"v.yml:2: access.keys_file: {tmp_path}/keys holds no list of keys: ")
    assert found[1:] == [
        f"v.yml:5: access.jwt.secret_file: {tmp_path}/secret holds 16 bytes; expected a secret of at least 32"
    ]


@pytest.mark.parametrize("kind", ["secret_file", "public_key_file", "jwks_file"])
def test_a_file_that_is_not_there_is_an_error(kind: str) -> None:
    assert problems(f"access:\n  jwt:\n    {kind}: /gone") == [
        f"v.yml:3: access.jwt.{kind}: /gone cannot be read: No such file or directory"
    ]


def test_a_secret_for_pseudonyms_has_to_be_there_and_long(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("short and secret")
    assert problems(f"access: {{pseudonym_secret_file: {tmp_path}/secret}}") == [
        f"v.yml:1: access.pseudonym_secret_file: {tmp_path}/secret holds 16 bytes; expected a secret of at least 32"
    ]


def test_one_way_to_check_tokens_has_to_be_chosen() -> None:
    assert problems("access:\n  jwt: {issuer: a}") == [
        "v.yml:2: access.jwt: expected one of secret_file, public_key_file, jwks_file"
    ]


def test_a_key_file_that_is_still_to_be_made_is_no_error(tmp_path: Path) -> None:
    assert parse(f"access: {{keys_file: {tmp_path}/keys.json}}").access.keys_file == f"{tmp_path}/keys.json"


@pytest.mark.parametrize("origin", ["*", "example.com", "https://example.com/", "https://a.example/b"])
def test_other_sites_are_named_as_browsers_name_them(origin: str) -> None:
    assert problems(f"access: {{cors_origins: ['{origin}']}}") == [
        f"v.yml:1: access.cors_origins[0]: expected an origin such as https://host:3000, without a path, got {origin!r}"
    ]
