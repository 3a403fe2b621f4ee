"""JSON Web Tokens."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.access import AccessError, tokens
from exporter.access.tokens import Refused, Tokens
from exporter.config import Jwt
from tests.exporter.conftest import Clock

SECRET = "a secret of forty characters, all random"
KEY = rsa.generate_private_key(65537, 2048)
OTHER = rsa.generate_private_key(65537, 2048)
LATER = int(time.time()) + 3600


def pem(key: Any) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return str(key.public_key().public_bytes(serialization.Encoding.PEM, form).decode())


def jwk(key: rsa.RSAPrivateKey, kid: str | None) -> dict[str, Any]:
    written = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    return written if kid is None else {**written, "kid": kid}


def token(key: Any = SECRET, algorithm: str = "HS256", headers: Any = None, **claims: Any) -> str:
    return jwt.encode({"exp": LATER, "scope": "push", **claims}, key, algorithm, headers)


@pytest.fixture
def file(tmp_path: Path) -> Callable[[Any], str]:
    """A file with this content."""

    def write(content: Any) -> str:
        path = tmp_path / "key"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    return write


@pytest.fixture
def shared(file: Callable[[Any], str]) -> Tokens:
    """Checks tokens with the secret."""
    return Tokens(Jwt(secret_file=file(SECRET + "\n")))


def reason(checker: Tokens, text: str) -> str:
    with pytest.raises(Refused) as refused:
        checker.check(text)
    return refused.value.reason


def test_a_token_says_who_sends_and_what_is_allowed(shared: Tokens) -> None:
    found = shared.check(token(sub="gateway", scope="push read unheard", models=["a"]))
    assert (found.id, found.scopes, found.models) == ("jwt:gateway", {"push", "read"}, {"a"})


def test_a_token_without_scope_may_nothing(shared: Tokens) -> None:
    assert shared.check(token(scope="")).scopes == frozenset()


def test_an_admin_token_implies_the_other_scopes(shared: Tokens) -> None:
    assert shared.check(token(scope="admin")).scopes == {"push", "read", "admin"}


@pytest.mark.parametrize(
    "wrong",
    [
        token("another secret of forty characters, also"),
        token(KEY, "RS256"),
        token("", "none"),
        token(exp=None),
        token(nbf=LATER),
        token(aud="another service"),
        token(scope=["push"]),
        token(models="a"),
        token(models=[1]),
        token(exp="soon"),
        "a.b.c",
        "..",
        "é.é.é",
    ],
    ids=range(13),
)
def test_what_is_not_signed_as_configured_or_says_something_odd_is_refused(shared: Tokens, wrong: str) -> None:
    assert reason(shared, wrong) == "invalid_token"
    assert len(shared) == 0


@given(st.data())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_changed_token_is_refused_and_nothing_else(shared: Tokens, data: st.DataObject) -> None:
    good = token(models=["a"])
    place = data.draw(st.integers(0, good.rindex(".") - 1))
    changed = good[:place] + data.draw(st.characters(max_codepoint=255)) + good[place + 1 :]
    for wrong in {changed, data.draw(st.text(st.characters(max_codepoint=255), max_size=30))} - {good}:
        assert reason(shared, wrong) == "invalid_token"


def test_an_expired_token_is_refused_as_expired(shared: Tokens) -> None:
    assert reason(shared, token(exp=LATER - 7200)) == "expired"


def test_a_token_without_an_end_is_refused(shared: Tokens) -> None:
    assert reason(shared, jwt.encode({"scope": "admin"}, SECRET, "HS256")) == "invalid_token"


def test_the_public_key_cannot_be_used_as_a_secret(file: Callable[[Any], str]) -> None:
    checker = Tokens(Jwt(public_key_file=file(pem(KEY))))
    assert checker.check(token(KEY, "RS256")).scopes == {"push"}
    assert reason(checker, token(OTHER, "RS256")) == "invalid_token"
    assert reason(checker, token(SECRET)) == "invalid_token"


def test_the_key_of_a_set_is_chosen_by_its_id(file: Callable[[Any], str]) -> None:
    checker = Tokens(Jwt(jwks_file=file({"keys": [jwk(KEY, "one"), jwk(OTHER, "two")]})))
    assert checker.check(token(OTHER, "RS256", {"kid": "two"})).scopes == {"push"}
    for headers in ({"kid": "one"}, {"kid": "three"}, None):
        assert reason(checker, token(OTHER, "RS256", headers)) == "invalid_token"


def test_the_only_key_of_a_set_needs_no_id(file: Callable[[Any], str]) -> None:
    assert Tokens(Jwt(jwks_file=file({"keys": [jwk(KEY, None)]}))).check(token(KEY, "RS256")).scopes == {"push"}


def test_issuer_and_audience_have_to_be_those_configured(file: Callable[[Any], str]) -> None:
    checker = Tokens(Jwt(secret_file=file(SECRET), issuer="https://idp", audience="vedette"))
    assert checker.check(token(iss="https://idp", aud=["vedette", "other"])).scopes == {"push"}
    for claims in ({"iss": "https://idp"}, {"aud": "vedette"}, {"iss": "x", "aud": "vedette"}):
        assert reason(checker, token(**claims)) == "invalid_token"


def test_a_good_token_is_remembered_until_it_expires(file: Callable[[Any], str]) -> None:
    clock = Clock(LATER - 10.0)
    checker = Tokens(Jwt(secret_file=file(SECRET)), clock)
    good = token()
    assert checker.remembered(good) is None
    assert checker.check(good) == checker.remembered(good)
    clock.now = LATER
    assert checker.remembered(good) is None
    assert len(checker) == 0
    assert reason(checker, good) == "expired"


def test_what_is_remembered_is_bounded(shared: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "REMEMBERED", 3)
    made = [token(sub=str(number)) for number in range(5)]
    for one in made:
        shared.check(one)
    assert [shared.remembered(one) is not None for one in made] == [False, False, True, True, True]


def test_another_secret_ends_the_tokens_of_the_one_before(file: Callable[[Any], str], clock: Clock) -> None:
    checker = Tokens(Jwt(secret_file=file(SECRET)), tick=clock)
    old = token()
    checker.check(old)
    file("the next secret, of more than forty characters")
    clock.now += 1
    checker.refresh()
    assert checker.remembered(old) is None
    assert reason(checker, old) == "invalid_token"


def test_a_secret_that_turns_wrong_changes_nothing(
    file: Callable[[Any], str], clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    checker = Tokens(Jwt(secret_file=file(SECRET)), tick=clock)
    file("short and secret")
    clock.now += 1
    checker.refresh()
    assert checker.check(token()).scopes == {"push"}
    assert "the key of tokens was not read again" in caplog.text
    assert "short and secret" not in caplog.text


@pytest.mark.parametrize(
    ("kind", "content", "problem"),
    [
        ("secret_file", "short", "holds 5 bytes; expected a secret of at least 32"),
        ("public_key_file", "nonsense", "holds no public key; expected RSA as PEM"),
        ("public_key_file", pem(ec.generate_private_key(ec.SECP256R1())), "expected a public RSA key of at least 2048"),
        ("jwks_file", "[]", "holds no JSON Web Key Set"),
        ("jwks_file", "{", "holds no JSON Web Key Set"),
        ("jwks_file", '{"keys": []}', "holds no JSON Web Key Set"),
        ("jwks_file", '{"keys": [{"kty": "oct", "k": "AAAA"}]}', "holds no RSA key"),
        ("jwks_file", '{"keys": 5}', "holds no JSON Web Key Set"),
    ],
)
def test_a_file_that_is_wrong_is_said_with_its_key(
    file: Callable[[Any], str], kind: str, content: str, problem: str
) -> None:
    config = Jwt(**{kind: file(content)})
    found = tokens.problem(config)
    assert found is not None
    assert (found[0], problem in found[1]) == (kind, True), found
    assert content not in found[1] or len(content) < 3
    with pytest.raises(AccessError):
        Tokens(config)


def test_exactly_one_file_decides_the_algorithm(file: Callable[[Any], str]) -> None:
    wanted = ("", "expected one of secret_file, public_key_file, jwks_file")
    assert tokens.problem(Jwt()) == wanted
    assert tokens.problem(Jwt(secret_file=file(SECRET), jwks_file="b")) == wanted
    assert tokens.problem(Jwt(secret_file=file(SECRET))) is None
