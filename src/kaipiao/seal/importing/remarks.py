"""What may be said of a key or certificate: each with a stable word for programs and a sentence in both languages.

`bad` takes uses away, `warning` does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kaipiao.language import Text

Level = Literal["bad", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Remark:
    word: str
    level: Level
    text: Text


def _remark(word: str, level: Level, zh: str, en: str) -> Remark:
    return Remark(word, level, Text(zh, en))


EXPIRED = _remark("expired", "bad", "证书已过期（{end}）", "the certificate has expired ({end})")
NOT_YET = _remark("not-yet-valid", "bad", "证书尚未生效（{begin}）", "the certificate is not valid yet ({begin})")
SOON = _remark(
    "expires-soon", "warning", "剩余不足 {hours} 小时，请尽快更换", "less than {hours} h are left: replace it soon"
)
TOO_LONG = _remark(
    "outlives-rotation",
    "warning",
    "有效期 {days} 天，超过 {most} 天的轮换周期，到期提醒来得太晚；请在 {rotate} 前自行轮换",
    "valid for {days} days, longer than the rotation of {most}: its expiry reminds too late; rotate it before {rotate}",
)
WEAK = _remark("weak-signature", "bad", "签名摘要 {name} 已不安全", "it is signed with {name}, which is weak")
CURVE = _remark(
    "wrong-curve", "bad", "曲线 {name}：本平台只用 SM2 与 P-256", "curve {name}: only SM2 and P-256 are used here"
)
ALGORITHM = _remark(
    "wrong-algorithm",
    "bad",
    "算法 {name}：本平台的私钥只用 SM2 与 P-256",
    "algorithm {name}: private keys here are SM2 or P-256",
)
RSA_SHORT = _remark("weak-key", "bad", "{name} 过短", "{name} is too short")
USAGE = _remark("key-usage", "bad", "密钥用法不含数字签名", "its key usage does not include digital signatures")
EXTENDED_USAGE = _remark(
    "extended-key-usage",
    "warning",
    "扩展密钥用法不含客户端认证，不能用于通道 TLS",
    "its extended key usage lacks client authentication: not for the channel's TLS",
)
AUTHORITY = _remark("authority", "note", "CA 证书：只用于核验", "an authority's certificate: for verification only")
TEST_IN_PRODUCTION = _remark(
    "test-authority",
    "bad",
    "证书由测试 CA 签发，不能用于生产环境",
    "a test authority issued it: not for a production environment",
)
REAL_IN_TEST = _remark(
    "real-in-test",
    "warning",
    "看来不是测试 CA 签发的证书，却要用于测试环境",
    "it does not look like a test authority's, yet this is a test environment",
)
CHAIN_OPEN = _remark(
    "chain-incomplete", "warning", "证书链不完整：缺少 {issuer}", "the chain is not complete: {issuer} is missing"
)
CHAIN_BROKEN = _remark(
    "chain-broken",
    "bad",
    "签发者 {issuer} 的签名不成立",
    "the signature of its issuer {issuer} does not hold",
)
CHAIN_WITHOUT_ID = _remark(
    "signed-without-id",
    "bad",
    "签发者 {issuer} 签名时没有用标识 1234567812345678（GM/T 0009）；OpenSSL 须加 -sigopt distid:1234567812345678",
    "its issuer {issuer} signed without the user id 1234567812345678 (GM/T 0009); OpenSSL needs"
    " -sigopt distid:1234567812345678",
)
CHAIN_DEEP = _remark("chain-deep", "warning", "证书链有 {count} 级 CA", "the chain has {count} authorities")
CHAIN_TOO_DEEP = _remark(
    "chain-too-deep", "bad", "证书链超过 {most} 级 CA", "the chain has more than {most} authorities"
)
CHAIN_DATED = _remark(
    "chain-not-valid", "bad", "证书链中 {name} 不在有效期内", "{name} above it is not within its validity"
)
OTHER_KEY = _remark(
    "no-matching-certificate",
    "bad",
    "随附的证书都不属于这把私钥",
    "none of the certificates given belongs to this key",
)
NO_CERTIFICATE = _remark(
    "no-certificate",
    "warning",
    "没有证书：可以签章，但他人无法据证书核验是谁签的",
    "no certificate: it can seal, but nobody else can tell by a certificate whose seal it is",
)
NO_KEY = _remark("no-private-key", "note", "不含它的私钥", "its private key is not here")
PUBLIC_ONLY = _remark("public-only", "note", "只有公钥", "a public key only")
SEAL_ONLY = _remark(
    "seal-without-key",
    "note",
    "电子印章文件：只含印章图像与证书，不含私钥，不能用来签章",
    "an electronic seal: its picture and certificates, no private key, so nothing can be sealed with it",
)


def said(remark: Remark, **facts: object) -> Remark:
    return Remark(remark.word, remark.level, remark.text.format(**facts))
