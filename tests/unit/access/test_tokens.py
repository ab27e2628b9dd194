"""Tokens: only ours, only ES256, only in time, only for what they name."""

from __future__ import annotations

import base64
import hmac
import json
import time
from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from kaipiao.access.tokens import ROLES, Permission, Tokens, require
from kaipiao.errors import AccessRefused, PermissionMissing

KEY = ec.generate_private_key(ec.SECP256R1())
TOKENS = Tokens(KEY, "k1")
CLAIMS = {
    "iss": "kaipiao",
    "aud": "kaipiao-api",
    "sub": "erp",
    "iat": int(time.time()) - 10,
    "nbf": int(time.time()) - 10,
    "exp": int(time.time()) + 3600,
    "jti": "x",
    "role": "admin",
    "taxpayers": ["*"],
}


KID = {"kid": "k1"}


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def test_a_token_of_ours_names_its_caller() -> None:
    caller = TOKENS.check(TOKENS.make("erp", "issuer", ("91440300MA5EXMPL17",), timedelta(hours=1)))
    assert caller.subject == "erp"
    assert caller.permissions == ROLES["issuer"]
    assert caller.may_act_for("91440300MA5EXMPL17")
    assert not caller.may_act_for("91110108MA01EXMP2X")


def test_an_expired_token_says_that_it_expired() -> None:
    with pytest.raises(AccessRefused) as refused:
        TOKENS.check(jwt.encode({**CLAIMS, "exp": int(time.time()) - 5}, KEY, "ES256", headers=KID))
    assert refused.value.code == "KP-ACCESS-02"


def test_a_token_without_algorithm_is_refused() -> None:
    header = _part(json.dumps({"alg": "none", "typ": "JWT", **KID}).encode())
    body = _part(json.dumps(CLAIMS).encode())
    for token in (f"{header}.{body}.", f"{header}.{body}.AAAA"):
        with pytest.raises(AccessRefused):
            TOKENS.check(token)


def test_our_public_key_used_as_a_shared_secret_is_refused() -> None:
    """Algorithm confusion (RFC 8725 2.1)."""
    public = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    signed = ".".join(_part(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT", **KID}, CLAIMS))
    forged = _part(hmac.digest(public, signed.encode(), "sha256"))
    with pytest.raises(AccessRefused):
        TOKENS.check(f"{signed}.{forged}")


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "another"},
        {"iss": "another"},
        {"nbf": int(time.time()) + 3600},
        {"role": "root"},
        {"role": None},
        {"taxpayers": "*"},
        {"exp": None},
        {"jti": None},
        {"exp": int(time.time()) + 367 * 86400},
    ],
)
def test_a_claim_that_is_not_ours_is_refused(change: dict[str, object]) -> None:
    claims = {k: v for k, v in {**CLAIMS, **change}.items() if v is not None}
    with pytest.raises(AccessRefused):
        TOKENS.check(jwt.encode(claims, KEY, algorithm="ES256", headers=KID))


def test_the_same_claims_unchanged_are_accepted() -> None:
    assert TOKENS.check(jwt.encode(CLAIMS, KEY, algorithm="ES256", headers=KID)).subject == "erp"


@pytest.mark.parametrize("header", [{}, {"kid": "k2"}, {"kid": ""}, {"kid": "../k1"}])
def test_a_token_by_a_key_that_is_not_ours_by_name_is_refused(header: dict[str, str]) -> None:
    with pytest.raises(AccessRefused):
        TOKENS.check(jwt.encode(CLAIMS, KEY, algorithm="ES256", headers=header))


def test_a_token_of_no_plausible_length_is_refused_unread() -> None:
    claims = {**CLAIMS, "taxpayers": ["91440300MA5EXMPL17"] * 1000}
    with pytest.raises(AccessRefused):
        TOKENS.check(jwt.encode(claims, KEY, algorithm="ES256", headers=KID))


@pytest.mark.parametrize("days", [-1.0, 0.0, 366.01, 1e6])
def test_a_token_lives_longer_than_nothing_and_at_most_366_days(days: float) -> None:
    with pytest.raises(AccessRefused) as refused:
        TOKENS.make("erp", "issuer", ("*",), timedelta(days=days))
    assert refused.value.code == "KP-ACCESS-05"
    TOKENS.check(TOKENS.make("erp", "issuer", ("*",), timedelta(days=366)))


def test_what_is_known_of_a_new_token_is_what_it_says_and_its_repr_hides_it() -> None:
    made = TOKENS.make_known("erp", "issuer", ("*",), timedelta(hours=1))
    claims = jwt.decode(made.token, options={"verify_signature": False})
    assert (claims["jti"], claims["exp"]) == (made.jti, int(made.expires.timestamp()))
    assert jwt.get_unverified_header(made.token)["kid"] == made.key_id == "k1"
    assert made.token not in repr(made)


def test_issuer_and_audience_are_those_of_the_settings() -> None:
    ours = Tokens(KEY, "k1", issuer="shop", audience="shop-api")
    token = ours.make("erp", "issuer", ("*",), timedelta(hours=1))
    assert ours.check(token).subject == "erp"
    for other in (TOKENS, Tokens(KEY, "k1", issuer="shop"), Tokens(KEY, "k1", audience="shop-api")):
        with pytest.raises(AccessRefused):
            other.check(token)


def test_a_token_of_another_installation_is_refused() -> None:
    other = Tokens(ec.generate_private_key(ec.SECP256R1()), "k1")
    with pytest.raises(AccessRefused):
        TOKENS.check(other.make("erp", "admin", ("*",), timedelta(hours=1)))


@given(st.text(max_size=200))
def test_garbage_is_refused_and_never_repeated_back(garbage: str) -> None:
    with pytest.raises(AccessRefused) as refused:
        TOKENS.check(garbage)
    if len(garbage) > 8:
        assert garbage not in str(refused.value)


def test_least_privilege_by_role() -> None:
    for role, permissions in ROLES.items():
        caller = TOKENS.check(TOKENS.make("x", role, ("*",), timedelta(hours=1)))
        for permission in Permission:
            if permission in permissions:
                require(caller, permission)
            else:
                with pytest.raises(PermissionMissing):
                    require(caller, permission)


def test_a_role_that_does_not_exist_makes_no_token() -> None:
    with pytest.raises(AccessRefused):
        TOKENS.make("x", "root", ("*",), timedelta(hours=1))


def test_a_remembered_token_is_refused_when_its_time_is_over() -> None:
    tokens = Tokens(KEY, "k1")
    token = tokens.make("erp", "issuer", ("*",), timedelta(seconds=1.2))
    assert tokens.check(token).subject == "erp"
    assert tokens.check(token).subject == "erp"
    time.sleep(2.0)
    with pytest.raises(AccessRefused) as refused:
        tokens.check(token)
    assert refused.value.code == "KP-ACCESS-02"
