"""What each thing is said to be good for, and why not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kaipiao.seal.importing.judging import Environment, Judgement, judge
from kaipiao.seal.importing.reading import read_material
from key_material import OpenSsl, openssl_in

NOW = datetime.now(UTC) + timedelta(hours=2)  # the certificates are made after this line


@pytest.fixture(scope="module")
def openssl(tmp_path_factory: pytest.TempPathFactory) -> OpenSsl:
    made = openssl_in(tmp_path_factory.mktemp("openssl"))
    made.authority("ca", "Authority of Taxes")
    made.issue("seal", "Seller", "ca")
    made.authority("p-ca", "Web Authority", "P-256")
    return made


def judged(
    openssl: OpenSsl, *names: str, at: datetime = NOW, environment: Environment = "production"
) -> list[Judgement]:
    pool = [one for name in names for one in read_material(openssl.data(name))]
    return judge(pool, at, environment)


def words(one: Judgement) -> set[str]:
    return {remark.word for remark in one.remarks}


def test_a_key_with_a_whole_chain_is_good_for_sealing(openssl: OpenSsl) -> None:
    key, leaf, authority = judged(openssl, "seal.key", "seal.crt", "ca.crt")
    assert key.good_for == ("seal", "audit")
    assert key.remarks == ()
    assert key.pair is leaf.found
    assert leaf.pair is key.found
    assert key.chain is not None
    assert (key.chain.authorities, key.chain.complete, key.chain.broken) == (1, True, False)
    assert leaf.good_for == authority.good_for == ("verification",)
    assert words(authority) == {"authority", "no-private-key"}


def test_without_its_authority_the_chain_is_open_but_the_key_seals(openssl: OpenSsl) -> None:
    key, _ = judged(openssl, "seal.key", "seal.crt")
    assert key.good_for == ("seal", "audit")
    assert words(key) == {"chain-incomplete"}


def test_a_key_alone_seals_and_a_strangers_certificate_takes_that_away(openssl: OpenSsl) -> None:
    (alone,) = judged(openssl, "seal.key")
    assert (alone.good_for, words(alone)) == (("seal", "audit"), {"no-certificate"})
    openssl.key("other.key")
    key, certificate, _ = judged(openssl, "other.key", "seal.crt", "ca.crt")
    assert (key.good_for, words(key), key.pair) == (("audit",), {"no-matching-certificate"}, None)
    assert certificate.pair is None


@pytest.mark.parametrize(
    ("days", "word", "seals"),
    [(61, "expired", False), (-1, "not-yet-valid", False), (58, "expires-soon", True), (56, None, True)],
)
def test_dates_are_judged(openssl: OpenSsl, days: int, word: str | None, seals: bool) -> None:
    key, leaf, *_ = judged(openssl, "seal.key", "seal.crt", "ca.crt", at=NOW + timedelta(days=days))
    assert ("seal" in key.good_for) is seals
    assert (words(leaf) & {"expired", "not-yet-valid", "expires-soon"}) == ({word} if word else set())


def test_a_certificate_that_outlives_the_rotation_is_pointed_out(openssl: OpenSsl) -> None:
    openssl.issue("long", "Long", "ca", days=91)
    openssl.issue("right", "Right", "ca", days=90)
    long, _, right, _, _ = judged(openssl, "long.key", "long.crt", "right.key", "right.crt", "ca.crt")
    assert "outlives-rotation" in words(long)
    assert "outlives-rotation" not in words(right)
    assert "seal" in long.good_for


def test_key_usage_without_signatures_does_not_seal(openssl: OpenSsl) -> None:
    openssl.issue("agree", "Agree", "ca", extensions="keyUsage=critical,keyAgreement")
    key, *_ = judged(openssl, "agree.key", "agree.crt", "ca.crt")
    assert (key.good_for, words(key)) == (("audit",), {"key-usage"})


def test_a_forged_link_is_found(openssl: OpenSsl) -> None:
    openssl.authority("false", "Authority of Taxes")
    key, leaf, _ = judged(openssl, "seal.key", "seal.crt", "false.crt")
    assert "seal" not in key.good_for
    assert "chain-broken" in words(leaf)
    assert leaf.good_for == ()


def test_a_signature_without_the_user_id_is_named_as_such(openssl: OpenSsl) -> None:
    openssl.issue("bare", "Bare", "ca", signing=("-sm3",))
    key, *_ = judged(openssl, "bare.key", "bare.crt", "ca.crt")
    assert "signed-without-id" in words(key)
    assert "seal" not in key.good_for


def test_a_test_authority_is_for_a_test_environment(openssl: OpenSsl) -> None:
    openssl.authority("test-ca", "税务测试CA2(SM2)")
    openssl.issue("t", "T", "test-ca")
    names = ("t.key", "t.crt", "test-ca.crt")
    assert judged(openssl, *names)[0].good_for == ("audit",)
    assert "test-authority" in words(judged(openssl, *names)[0])
    assert judged(openssl, *names, environment="test")[0].good_for == ("seal", "audit")
    real = judged(openssl, "seal.key", "seal.crt", "ca.crt", environment="test")[0]
    assert (real.good_for, words(real)) == (("seal", "audit"), {"real-in-test"})


def test_a_word_that_only_contains_test_is_no_test_authority(openssl: OpenSsl) -> None:
    openssl.authority("greatest", "Greatest Trust")
    openssl.issue("g", "G", "greatest")
    assert "seal" in judged(openssl, "g.key", "g.crt", "greatest.crt")[0].good_for


def test_p256_is_for_tokens_and_with_a_clients_certificate_for_tls(openssl: OpenSsl) -> None:
    openssl.issue("client", "Client", "p-ca", "P-256", extensions="extendedKeyUsage=clientAuth")
    openssl.issue("server", "Server", "p-ca", "P-256", extensions="extendedKeyUsage=serverAuth")
    assert judged(openssl, "client.key", "client.crt", "p-ca.crt")[0].good_for == ("tls-client", "token")
    server = judged(openssl, "server.key", "server.crt", "p-ca.crt")[0]
    assert (server.good_for, words(server)) == (("token",), {"extended-key-usage"})
    assert judged(openssl, "client.key")[0].good_for == ("token",)


@pytest.mark.parametrize(
    ("curve", "word"), [("RSA-2048", "wrong-algorithm"), ("Ed25519", "wrong-algorithm"), ("P-384", "wrong-curve")]
)
def test_other_keys_are_good_for_nothing(openssl: OpenSsl, curve: str, word: str) -> None:
    openssl.key("o.key", curve)
    (key,) = judged(openssl, "o.key")
    assert (key.good_for, words(key)) == ((), {word})


def test_a_short_rsa_key_is_also_called_weak(openssl: OpenSsl) -> None:
    openssl.key("short.key", "RSA-1024")
    assert words(judged(openssl, "short.key")[0]) == {"wrong-algorithm", "weak-key"}


def test_a_sha1_signature_is_weak(openssl: OpenSsl) -> None:
    openssl.issue("old", "Old", "p-ca", "P-256", signing=("-sha1",))
    key, leaf, _ = judged(openssl, "old.key", "old.crt", "p-ca.crt")
    assert (key.good_for, leaf.good_for) == (("token",), ())
    assert "weak-signature" in words(key)


@pytest.mark.parametrize(("above", "word"), [(4, None), (5, "chain-deep"), (7, "chain-deep"), (8, "chain-too-deep")])
def test_the_depth_of_a_chain_is_watched(
    tmp_path_factory: pytest.TempPathFactory, above: int, word: str | None
) -> None:
    openssl = openssl_in(tmp_path_factory.mktemp("deep"))
    openssl.authority("c1", "Root")
    for level in range(2, above + 1):
        extensions = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign"
        openssl.issue(f"c{level}", f"Level {level}", f"c{level - 1}", extensions=extensions)
    openssl.issue("end", "End", f"c{above}")
    key = judged(openssl, "end.key", "end.crt", *(f"c{level}.crt" for level in range(1, above + 1)))[0]
    assert (words(key) & {"chain-deep", "chain-too-deep"}) == ({word} if word else set())
    assert ("seal" in key.good_for) is (word != "chain-too-deep")


def test_who_is_no_authority_cannot_sign(openssl: OpenSsl) -> None:
    openssl.issue("below", "Below", "seal")
    key, *_ = judged(openssl, "below.key", "below.crt", "seal.crt", "ca.crt")
    assert "chain-broken" in words(key)
    assert "seal" not in key.good_for


def test_real_test_certificates_are_for_nothing_now_and_for_nothing_in_production_then(samples: Path) -> None:
    data = (samples / "seal" / "Seal_from_beijing_testCA.esl").read_bytes()
    found = read_material(data)
    for one in judge(found, NOW, "production")[1:]:
        certificate = one.found.certificate
        assert certificate is not None
        if certificate.not_valid_after_utc < NOW:
            assert one.good_for == ()
            assert "expired" in words(one)
        then = judge([one.found], certificate.not_valid_after_utc - timedelta(days=30), "production")[0]
        assert "test-authority" in words(then)
        assert "expired" not in words(then)
