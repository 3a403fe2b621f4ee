"""Who gets in."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest

from exporter.access import AccessError, keys
from exporter.access.gate import FAILURES, Denied
from exporter.access.principal import ANYBODY, NOBODY
from exporter.config import Access, Jwt, RateLimit
from tests.exporter.access.conftest import NOW, Door, bearer

Build = Callable[..., Door]
READ = ("GET", "/api/v1/clients")
PUSH = ("POST", "/detect")
SECRET = "a secret of forty characters, all random"


class Users:
    """A web configuration with one user, which counts how often it is asked."""

    asked, exist = 0, True

    async def check(self, user: str, password: str) -> bool:
        self.asked += 1
        return (user, password) == ("ann", "pass:word")


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def headers(answer: Any) -> dict[bytes, bytes]:
    assert isinstance(answer, Denied)
    return dict(answer.headers)


def detail(answer: Any) -> str:
    assert isinstance(answer, Denied)
    return str(json.loads(answer.body)["detail"])


# -- open and closed


def test_without_any_key_everything_is_open(door: Build) -> None:
    gate = door()
    assert gate.ask("POST", "/-/reload") is ANYBODY
    assert gate.ask("GET", "/metrics", authorization="Bearer nonsense") is ANYBODY
    assert not gate.gate.is_closed


def test_the_first_key_closes_the_service_without_a_restart(door: Build) -> None:
    gate = door()
    secret = gate.key("push")
    assert gate.status(*PUSH) == 401
    assert gate.status(*PUSH, authorization=bearer(secret)) == 200
    assert gate.gate.is_closed


def test_a_service_stays_closed_when_the_last_key_is_revoked_or_its_file_is_gone(door: Build) -> None:
    gate = door()
    secret = gate.key("push")
    gate.status(*PUSH)
    Path(gate.path).unlink()
    gate.tick.now += 2
    assert gate.status(*PUSH, authorization=bearer(secret)) == 401


def test_a_named_key_file_that_is_missing_lets_nobody_in(door: Build, tmp_path: Path) -> None:
    gate = door(keys_file=str(tmp_path / "gone.json"))
    assert gate.status(*PUSH) == 401
    assert gate.ask("GET", "/metrics") is NOBODY


@pytest.mark.parametrize("setting", ["open", "read"])
def test_metrics_and_health_are_open_or_for_readers(door: Build, setting: Any) -> None:
    gate = door(metrics=setting, health=setting)
    secret = gate.key("read")
    for path in ("/metrics", "/-/healthy", "/-/ready"):
        assert gate.status("GET", path) == (200 if setting == "open" else 401)
        assert gate.status("GET", path, authorization=bearer(secret)) == 200


# -- keys


@pytest.mark.parametrize("form", ["{}", "  {} "])
def test_a_key_may_come_in_either_header(door: Build, form: str) -> None:
    gate = door()
    secret = gate.key("push")
    [known] = keys.load(gate.path)
    for named in ({"authorization": f"bearer {secret}"}, {"x_api_key": form.format(secret)}):
        sender = gate.ask(*PUSH, **named)
        assert not isinstance(sender, Denied)
        assert (sender.id, sender.scopes, sender.models) == (known.id, {"push"}, None)


def test_the_header_for_keys_comes_before_the_one_that_a_proxy_may_set(door: Build) -> None:
    gate = door()
    assert gate.status(*PUSH, authorization=basic("a:b"), x_api_key=gate.key("push")) == 200


def test_unknown_revoked_and_expired_keys_get_one_answer_and_three_counts(door: Build) -> None:
    gate = door()
    revoked, expired = gate.key("admin"), gate.key("admin", seconds=60)
    keys.revoke(gate.path, keys.load(gate.path)[0].id, NOW)
    gate.tick.now += 2
    gate.clock.now += 60
    answers = [gate.ask(*PUSH, x_api_key=key) for key in ("nonsense", revoked, expired, "é", "")]
    assert {answer.status for answer in answers if isinstance(answer, Denied)} == {401}
    assert len({detail(answer) for answer in answers}) == 1
    assert gate.gate.counts.failures == {"unknown": 3, "revoked": 1, "expired": 1}


def test_whoever_shows_nothing_is_told_how_to(door: Build) -> None:
    gate = door()
    gate.key()
    for named in ({}, {"authorization": "Digest x"}, {"authorization": basic("a:b")}):
        answer = gate.ask(*PUSH, **named)
        assert headers(answer)[b"www-authenticate"] == b'Bearer realm="vedette"'
        assert "X-API-Key" in detail(answer)
    assert gate.gate.counts.failures == {"missing": 3}


def test_a_key_without_the_scope_is_told_which_it_needs(door: Build) -> None:
    gate = door()
    answer = gate.ask("POST", "/-/reload", x_api_key=gate.key("push"))
    assert isinstance(answer, Denied)
    assert (answer.status, detail(answer)) == (403, "this needs the scope admin")
    assert b'error="insufficient_scope", scope="admin"' in headers(answer)[b"www-authenticate"]
    assert gate.gate.counts.failures == {"forbidden": 1}


def test_a_key_for_some_models_may_not_do_what_concerns_all(door: Build) -> None:
    gate = door(metrics="read")
    limited = gate.key("admin", models=["a"])
    sender = gate.ask(*PUSH, x_api_key=limited)
    assert not isinstance(sender, Denied)
    assert sender.models == {"a"}
    for request in (("POST", "/-/reload"), ("GET", "/metrics")):
        assert detail(gate.ask(*request, x_api_key=limited)) == "this needs a key for all models"


def test_no_answer_and_no_text_form_shows_a_key(door: Build) -> None:
    gate = door()
    secret = gate.key("push")
    for answer in (gate.ask(*READ, x_api_key=secret), gate.ask(*PUSH, x_api_key=secret), gate.ask(*PUSH)):
        assert secret not in repr(answer)
    assert secret not in repr(gate.gate)


# -- tokens


def test_tokens_are_taken_beside_keys(door: Build, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    gate = door(jwt=Jwt(secret_file=str(tmp_path / "secret")))
    gate.clock.now = 0.0
    token = jwt.encode({"exp": 4e9, "scope": "read", "sub": "grafana"}, SECRET, "HS256")
    for _ in range(2):
        sender = gate.ask(*READ, authorization=bearer(token))
        assert not isinstance(sender, Denied)
        assert sender.id == "jwt:grafana"
    assert gate.status(*PUSH, authorization=bearer(token)) == 403
    assert gate.status(*READ, x_api_key=gate.key("read")) == 200
    assert gate.status(*READ) == 401
    assert gate.status(*READ, authorization=bearer(token[:-4])) == 401
    assert gate.gate.counts.failures["invalid_token"] == 1


# -- users


def test_a_user_may_do_everything(door: Build) -> None:
    gate = door(users=Users())
    sender = gate.ask("POST", "/-/reload", authorization=basic("ann:pass:word"))
    assert not isinstance(sender, Denied)
    assert (sender.id, sender.models) == ("basic:ann", None)


@pytest.mark.parametrize("wrong", [basic("ann:nonsense"), basic("ann"), "Basic é", "Basic /w==", "Basic"])
def test_a_wrong_user_is_asked_for_a_password(door: Build, wrong: str) -> None:
    gate = door(users=Users())
    answer = gate.ask(*PUSH, authorization=wrong)
    assert isinstance(answer, Denied)
    assert answer.status == 401
    assert (b"www-authenticate", b'Basic realm="vedette", charset="UTF-8"') in answer.headers


def test_with_users_only_health_is_open(door: Build) -> None:
    gate = door(users=Users())
    assert [gate.status("GET", path) for path in ("/-/healthy", "/-/ready", "/metrics", "/")] == [200, 200, 401, 401]
    assert gate.status("GET", "/metrics", authorization=basic("ann:pass:word")) == 200


def test_users_close_it_from_when_there_are_some_until_there_are_none(door: Build) -> None:
    users = Users()
    users.exist = False
    gate = door(users=users)
    assert not gate.gate.is_guarding
    assert gate.status(*PUSH) == 200
    users.exist = True
    assert gate.gate.is_guarding
    assert gate.status(*PUSH) == 401
    users.exist = False
    assert gate.status(*PUSH) == 200


def test_it_has_to_be_asked_from_when_there_is_a_key_or_a_rate(door: Build) -> None:
    gate = door()
    assert not gate.gate.is_guarding
    gate.key("push")
    assert gate.gate.is_guarding
    assert door(rate_limit=RateLimit(requests_per_second=1.0)).gate.is_guarding


# -- limits


def test_wrong_keys_are_limited_by_address_and_right_ones_never_are(door: Build) -> None:
    gate = door(failures_per_minute=3)
    secret = gate.key("push")
    assert [gate.status(*PUSH, x_api_key="wrong") for _ in range(4)] == [401, 401, 401, 429]
    assert headers(gate.ask(*PUSH, x_api_key="wrong"))[b"retry-after"] == b"20"
    assert gate.status(*PUSH, x_api_key=secret) == 200
    assert gate.status(*PUSH, "198.51.100.1", x_api_key="wrong") == 401
    assert gate.gate.counts.failures == {"unknown": 4, "throttled": 2}
    gate.tick.now += 20
    assert gate.status(*PUSH, x_api_key="wrong") == 401


def test_no_password_is_checked_for_an_address_that_has_failed_too_often(door: Build) -> None:
    users = Users()
    gate = door(users=users, failures_per_minute=2)
    assert [gate.status(*PUSH, authorization=basic("ann:x")) for _ in range(3)] == [401, 401, 429]
    assert gate.status(*PUSH, authorization=basic("ann:pass:word")) == 429
    assert users.asked == 2
    assert gate.status(*PUSH, "198.51.100.1", authorization=basic("ann:pass:word")) == 200


def test_requests_are_limited_by_key_wherever_they_come_from(door: Build) -> None:
    gate = door(rate_limit=RateLimit(requests_per_second=0.5, burst=2))
    one, two = gate.key("push"), gate.key("push")
    statuses = [gate.status(*PUSH, f"192.0.2.{number}", x_api_key=one) for number in range(3)]
    assert statuses == [200, 200, 429]
    assert headers(gate.ask(*PUSH, x_api_key=one))[b"retry-after"] == b"2"
    assert gate.status(*PUSH, x_api_key=two) == 200
    assert gate.gate.counts.rate_limited == 2


def test_an_open_service_limits_by_address_but_never_metrics_and_health(door: Build) -> None:
    gate = door(rate_limit=RateLimit(requests_per_second=1))
    assert [gate.status(*PUSH), gate.status(*PUSH), gate.status(*PUSH, "198.51.100.1")] == [200, 429, 200]
    assert [gate.status("GET", path) for path in ("/metrics", "/-/healthy")] == [200, 200]


# -- another configuration


def test_a_new_configuration_is_taken_over_and_a_wrong_one_changes_nothing(door: Build, tmp_path: Path) -> None:
    gate = door()
    secret = gate.key("push")
    gate.gate.configure(type(gate.config)(storage=gate.config.storage, access=Access(metrics="read")))
    assert gate.status("GET", "/metrics") == 401
    assert gate.status(*PUSH, x_api_key=secret) == 200
    wrong = Access(jwt=Jwt(secret_file=str(tmp_path / "gone")))
    with pytest.raises(AccessError, match="gone cannot be read"):
        gate.gate.configure(type(gate.config)(storage=gate.config.storage, access=wrong))
    assert gate.status(*PUSH, x_api_key=secret) == 200


def test_the_state_folder_of_the_start_keeps_the_keys_until_a_restart(door: Build) -> None:
    gate = door()
    secret = gate.key("push")
    gate.gate.configure(type(gate.config)())
    assert gate.status(*PUSH) == 401
    assert gate.status(*PUSH, x_api_key=secret) == 200


def test_a_configuration_that_names_another_key_file_takes_its_keys_and_no_others(door: Build, tmp_path: Path) -> None:
    gate = door()
    before = gate.key("push")
    other = str(tmp_path / "other.json")
    _, after = keys.create(other, "push", models=None, seconds=None, name="", now=NOW)
    gate.gate.configure(type(gate.config)(storage=gate.config.storage, access=Access(keys_file=other)))
    assert gate.status(*PUSH, x_api_key=before) == 401
    assert gate.status(*PUSH, x_api_key=after) == 200


def test_every_failure_is_of_the_closed_set() -> None:
    assert FAILURES == ("missing", "unknown", "expired", "revoked", "invalid_token", "forbidden", "throttled")
