"""The TLS profile `p256`: TLS 1.2 and 1.3, AES-256 suites only, over pyOpenSSL memory buffers.

The standard library's `ssl` cannot restrict the suites of TLS 1.3 on Python 3.11. Revocation is not judged.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL, crypto

from kaipiao.authority.transport.identity import ClientIdentity
from kaipiao.authority.transport.names import as_address, belongs_to
from kaipiao.authority.transport.profile import TlsFault
from kaipiao.authority.transport.settings import TlsSettings
from kaipiao.errors import SettingsFault
from kaipiao.language import Text

_SUITES_13 = b"TLS_AES_256_GCM_SHA384"
_SUITES_12 = b"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"
_MAX_CHAIN = 7

_CODES = SSL.X509VerificationCodes
_VERDICTS = {
    _CODES.ERR_CERT_HAS_EXPIRED: "handshake.certificate_expired",
    _CODES.ERR_CERT_NOT_YET_VALID: "handshake.certificate_not_yet_valid",
    _CODES.ERR_DEPTH_ZERO_SELF_SIGNED_CERT: "handshake.unknown_ca",
    _CODES.ERR_SELF_SIGNED_CERT_IN_CHAIN: "handshake.unknown_ca",
    _CODES.ERR_UNABLE_TO_GET_ISSUER_CERT: "handshake.unknown_ca",
    _CODES.ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "handshake.unknown_ca",
    _CODES.ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: "handshake.unknown_ca",
    _CODES.ERR_CERT_UNTRUSTED: "handshake.unknown_ca",
    _CODES.ERR_CERT_SIGNATURE_FAILURE: "handshake.unknown_ca",
}
# Alerts with which a server refuses a client's certificate (RFC 8446 6.2), as OpenSSL words them.
_CERTIFICATE_ALERTS = ("certificate", "unknown ca", "access denied")
_NOT_TLS = ("wrong version number", "http request", "packet length too long", "record layer failure", "bad record type")
_NO_COMMON = ("protocol version", "handshake failure", "insufficient security", "unsupported protocol", "no shared")


@dataclass(slots=True)
class _Judgement:
    """What was found about the far side's certificate during one handshake."""

    host: str
    verdict: str | None = None
    detail: str = ""
    name_is_right: bool = False


class P256:
    """The profile with one immutable context. Raises `SettingsFault` for files that cannot be used."""

    name = "p256"

    def __init__(self, settings: TlsSettings) -> None:
        context = SSL.Context(SSL.TLS_METHOD)
        context.set_min_proto_version(SSL.TLS1_2_VERSION)
        context.set_cipher_list(_SUITES_12)
        context.set_tls13_ciphersuites(_SUITES_13)
        context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
        context.set_verify_depth(_MAX_CHAIN)
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _judge)
        context.set_alpn_protos([b"http/1.1"])
        _load(context, settings)
        self._context = context

    def session(self, host: str) -> P256Session:
        return P256Session(self._context, host)


class P256Session:
    """See `TlsSession`."""

    late_refusal = False

    def __init__(self, context: SSL.Context, host: str) -> None:
        self._judgement = _Judgement(host)
        self._tls = SSL.Connection(context, None)
        self._tls.set_app_data(self._judgement)
        self._tls.set_connect_state()
        if as_address(host) is None:
            self._tls.set_tlsext_host_name(host.encode("ascii"))

    def handshake(self) -> bool:
        try:
            self._tls.do_handshake()
        except SSL.WantReadError:
            return False
        except SSL.Error as error:
            raise self._handshake_fault(error) from error
        if not self._judgement.name_is_right:  # no callback, no verdict: fail closed
            raise TlsFault("handshake.certificate_invalid", "the certificate was not judged")
        self.late_refusal = self._tls.get_protocol_version() == SSL.TLS1_3_VERSION
        return True

    def receive(self, records: bytes) -> None:
        if records:
            self._tls.bio_write(records)
        else:
            self._tls.bio_shutdown()

    def outgoing(self) -> bytes:
        parts = []
        with suppress(SSL.WantReadError):
            while True:
                parts.append(self._tls.bio_read(65536))
        return b"".join(parts)

    def encrypt(self, data: bytes) -> bytes:
        done = 0
        while done < len(data):
            try:
                done += self._tls.send(data[done:])
            except SSL.Error as error:
                raise TlsFault("tls_broken", _words(error)) from error
        return self.outgoing()

    def decrypt(self, maximum: int) -> bytes | None:
        try:
            return self._tls.recv(maximum)
        except SSL.WantReadError:
            return None
        except SSL.ZeroReturnError:
            return b""
        except SSL.Error as error:
            words = _words(error)
            raise TlsFault("tls_broken", words, certificate_alert=_is_certificate_alert(words)) from error

    def close_notify(self) -> bytes:
        with suppress(SSL.Error):
            self._tls.shutdown()
        return self.outgoing()

    def _handshake_fault(self, error: SSL.Error) -> TlsFault:
        if self._judgement.verdict is not None:
            return TlsFault(self._judgement.verdict, self._judgement.detail)
        words = _words(error)
        if _is_certificate_alert(words):
            return TlsFault("handshake.client_certificate_refused", words, certificate_alert=True)
        if any(mark in words for mark in _NO_COMMON):
            return TlsFault("handshake.no_common_parameters", words)
        if any(mark in words for mark in _NOT_TLS):
            return TlsFault("handshake.not_tls", words)
        if "eof" in words.lower():
            return TlsFault("handshake.closed", words)
        return TlsFault("handshake.failed", words)


def _judge(connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, good: int) -> bool:
    """OpenSSL asks for each link of the chain, the root first. Refuses here, so that our own certificate never reaches
    a host of another name."""
    judgement: _Judgement = connection.get_app_data()
    if not good:
        judgement.verdict = _VERDICTS.get(error, "handshake.certificate_invalid")
        judgement.detail = f"X509 error {error} at depth {depth}"
        return False
    if depth > 0:
        return True
    try:
        judgement.name_is_right = belongs_to(certificate.to_cryptography(), judgement.host)
    except ValueError as unreadable:
        judgement.verdict, judgement.detail = "handshake.certificate_invalid", str(unreadable)[:200]
        return False
    if not judgement.name_is_right:
        judgement.verdict, judgement.detail = "handshake.wrong_name", f"not a certificate of {judgement.host}"
    return judgement.name_is_right


def _load(context: SSL.Context, settings: TlsSettings) -> None:
    try:
        context.load_verify_locations(str(settings.ca_file))
        if settings.identity is not None:
            _introduce(context, settings.identity)
        elif settings.client_certificate is not None:
            key_file = settings.client_key or settings.client_certificate
            context.use_certificate_chain_file(str(settings.client_certificate))
            context.use_privatekey(load_pem_private_key(key_file.read_bytes(), None))  # type: ignore[arg-type]
            context.check_privatekey()
    except (SSL.Error, OSError, ValueError, TypeError) as error:
        raise SettingsFault(
            Text(
                "TLS 证书或密钥文件无法使用（须为 PEM，密钥未加密且与证书相配）。",
                "The TLS certificate or key files cannot be used (PEM, the key not encrypted and the certificate's own).",
            ),
            ca_file=str(settings.ca_file),
            client_certificate=str(settings.client_certificate),
        ) from error


def _introduce(context: SSL.Context, identity: ClientIdentity) -> None:
    own, *above = identity.certificates
    context.use_certificate(own)
    for certificate in above:
        context.add_extra_chain_cert(certificate)
    context.use_privatekey(identity.key)
    context.check_privatekey()


def _words(error: SSL.Error) -> str:
    """OpenSSL's own reasons. They never hold content."""
    queue = error.args[0] if error.args else ""
    if isinstance(queue, list):
        return "; ".join(str(entry[-1]) for entry in queue)[:200]
    return " ".join(str(part) for part in error.args)[:200]


def _is_certificate_alert(words: str) -> bool:
    return "alert" in words and any(mark in words for mark in _CERTIFICATE_ALERTS)
