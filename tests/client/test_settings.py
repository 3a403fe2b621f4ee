"""Settings are checked when the client is made."""

import pytest

from vedette_client.settings import Settings, checked_url


@pytest.mark.parametrize(
    ("name", "value"),
    [("timeout", 0), ("flush_interval", float("nan")), ("batch_records", 1.5), ("queue_records", True)],
)
def test_a_wrong_setting_is_named(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name} is .*; expected a (whole )?number above 0"):
        Settings(**{name: value})


@pytest.mark.parametrize(
    "url", ["localhost:10833", "ftp://host", "http://", "http://u:secret@host", "http://h/?k=secret"]
)
def test_a_wrong_address_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"^url: ") as error:
        checked_url(url)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("instance", ["", "x" * 1025, 3])
def test_a_name_of_an_instance_is_a_text_that_the_exporter_takes(instance: str) -> None:
    with pytest.raises(ValueError, match="instance is no text of 1 to 1024 characters"):
        Settings(instance=instance)


def test_a_slash_at_the_end_is_nothing() -> None:
    assert checked_url("https://host:1/vedette/") == "https://host:1/vedette"
