"""`vedette keys`."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.__main__ import main
from exporter.access import keys

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run `vedette keys …`: exit code, standard output and standard error."""
    config = tmp_path / "vedette.yml"
    config.write_text(f"storage: {{path: {tmp_path}/state}}")

    def run(*arguments: str, before: tuple[str, ...] = ()) -> tuple[int, str, str]:
        given = ("keys", *before, *arguments) if before else ("keys", *arguments, "--config", str(config))
        with pytest.raises(SystemExit) as ended:
            main(given)
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


def test_a_key_is_shown_once_and_works(call: Call, tmp_path: Path) -> None:
    code, out, _ = call("create", "--scope", "push", "--models", "a,b", "--expires", "90d", "--name", "gateway")
    assert code == 0
    key_id, secret = re.findall(r"^(?:id|key) +(\S+)$", out, re.MULTILINE)
    assert "cannot be shown again" in out
    known = keys.KeyFile(str(tmp_path / "state" / "keys.json")).find(secret)
    assert known is not None
    assert (known.principal.id, known.principal.models) == (key_id, {"a", "b"})
    [entry] = keys.load(str(tmp_path / "state" / "keys.json"))
    assert entry.expires is not None
    assert (entry.expires - entry.created).days == 90
    code, out, _ = call("list")
    assert code == 0
    assert secret not in out
    assert entry.hash not in out
    [heading, row] = [line.split() for line in out.splitlines()]
    assert heading == ["ID", "STATE", "SCOPE", "MODELS", "CREATED", "EXPIRES", "NAME"]
    assert row == [key_id, "valid", "push", "a,b", f"{entry.created:%Y-%m-%d}", f"{entry.expires:%Y-%m-%d}", "gateway"]


def test_a_revoked_key_is_listed_as_such(call: Call) -> None:
    _, out, _ = call("create", "--scope", "admin")
    [key_id] = re.findall(r"^id +(\S+)$", out, re.MULTILINE)
    assert call("revoke", key_id) == (0, f"{key_id} is revoked\n", "")
    _, out, _ = call("list")
    assert out.splitlines()[1].split()[:4] == [key_id, "revoked", "admin", "all"]
    assert out.splitlines()[1].split()[5:] == ["never"]


def test_without_keys_there_is_only_the_heading(call: Call) -> None:
    assert call("list")[1].split() == ["ID", "STATE", "SCOPE", "MODELS", "CREATED", "EXPIRES", "NAME"]


def test_the_configuration_may_stand_before_the_action(call: Call, tmp_path: Path) -> None:
    before = ("--config.file", str(tmp_path / "vedette.yml"))
    assert call("create", "--scope", "read", before=before)[0] == 0
    assert len(keys.load(str(tmp_path / "state" / "keys.json"))) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("create",), 2, "the following arguments are required: --scope"),
        (("create", "--scope", "all"), 2, "invalid choice: 'all'"),
        (("create", "--scope", "push", "--expires", "soon"), 2, "'soon' is no duration such as 90d or 12h"),
        (("create", "--scope", "push", "--expires", "0s"), 2, "'0s' is no duration such as 90d or 12h"),
        (("create", "--scope", "push", "--expires", "999999999y"), 1, "--expires: later than a date can be"),
        (("create", "--scope", "push", "--models", "a,,b"), 1, "vedette: --models: '' is no name of a model"),
        (("revoke",), 2, "the following arguments are required: ID"),
        (("revoke", "nobody"), 1, "holds no key 'nobody'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(call: Call, arguments: tuple[str, ...], code: int, said: str) -> None:
    got, out, err = call(*arguments)
    assert (got, out) == (code, "")
    assert said in err
    assert err.count("\n") == 1


def test_a_folder_that_cannot_be_written_is_named(call: Call, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    code, _, err = call("create", "--scope", "push")
    assert code == 1
    assert re.fullmatch(rf"vedette: {re.escape(str(tmp_path))}/state.*\n", err)


def test_a_key_file_that_is_wrong_is_named_with_the_key_of_the_configuration(call: Call, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "keys.json").write_text("nonsense")
    code, _, err = call("list")
    assert code == 1
    assert "access.keys_file" in err
