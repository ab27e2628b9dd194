"""How a call can fail on the wire, and what each failure proves.

A failure proves something about where the request is. Up to and including the handshake no byte of it left; from the
first byte that the kernel took, only an answer could tell.
"""

from __future__ import annotations

from dataclasses import dataclass

from kaipiao.authority.channel import Phase
from kaipiao.language import Text


@dataclass(frozen=True, slots=True)
class Failure:
    """`cause` is a key of `CAUSES`; `phase` the phase that failed. `surely_not_sent`: the kernel took no byte of the
    request. `surely_not_accepted`: that, or the far side refused our certificate before it could read the request.
    `detail` is for the log: an address or the TLS library's own words, never content."""

    cause: str
    phase: Phase
    surely_not_sent: bool
    surely_not_accepted: bool
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Cause:
    """One way to fail. `proves` says what is known once it was seen, and no more."""

    code: str
    proves: Text


CERTIFICATE_REFUSED = "handshake.client_certificate_refused"

_ALL = (
    Cause("queue.timeout", Text("本机连接已占满，未尝试连接。", "Every connection of ours was busy; nothing was tried.")),
    Cause("resolve.no_such_name", Text("名称服务器答：无此域名。", "The name server says that the name does not exist.")),
    Cause("resolve.no_address", Text("域名存在，但没有地址。", "The name exists and has no address.")),
    Cause("resolve.unavailable", Text("名称服务器暂时答不出。", "The name server could not answer for now.")),
    Cause("resolve.failed", Text("域名解析失败，原因不明。", "The look-up failed for another reason.")),
    Cause("resolve.timeout", Text("名称服务器没有应答。", "The name server did not answer.")),
    Cause("connect.refused", Text("对方主机可达，端口无人监听，或被防火墙复位。",
        "The host, or a firewall before it, answered that nothing listens there.")),
    Cause("connect.unreachable", Text("路由不可达。", "A router, or this machine, has no way there.")),
    Cause("connect.timeout", Text("无应答：丢弃，或对方队列已满。", "Silence: dropped on the way, or the far queue is full.")),
    Cause("connect.failed", Text("本机无法建立连接。", "This machine could not open the connection.")),
    Cause("handshake.timeout", Text("端口可达，TLS 没有完成。", "The port is reachable; TLS did not finish.")),
    Cause("handshake.reset", Text("端口可达，握手时被复位。", "The port is reachable; the handshake was reset.")),
    Cause("handshake.closed", Text("端口可达，握手时被关闭。", "The port is reachable; the handshake was closed.")),
    Cause("handshake.not_tls", Text("对方说的不是 TLS。", "What answers there does not speak TLS.")),
    Cause("handshake.no_common_parameters", Text("双方没有共同的版本或算法。", "No version or cipher suite in common.")),
    Cause("handshake.certificate_expired", Text("对方证书已过期（按本机时钟）。", "Its certificate has expired by our clock.")),
    Cause("handshake.certificate_not_yet_valid", Text("对方证书尚未生效（按本机时钟）。",
        "Its certificate is not valid yet by our clock.")),
    Cause("handshake.wrong_name", Text("证书可信，但不属于该名称。", "A trusted certificate, but of another name.")),
    Cause("handshake.unknown_ca", Text("证书不是我们信任的机构签发：可能有人在中间。",
        "Signed by nobody we trust: perhaps someone in between.")),
    Cause("handshake.certificate_invalid", Text("对方证书不成立。", "Its certificate does not stand for another reason.")),
    Cause(CERTIFICATE_REFUSED, Text("对方拒绝了我们的客户端证书，请求未被读取。",
        "It refused our client certificate, before it could read the request.")),
    Cause("handshake.failed", Text("TLS 失败，原因见日志。", "TLS failed for another reason.")),
    Cause("write.closed_before", Text("保持的连接已被对方关闭，请求一个字节也没有发出。",
        "The kept connection was closed by the far side; no byte was sent.")),
    Cause("write.unexpected_data", Text("对方在请求之前发来数据，连接不可信。",
        "Data came before we asked; the connection cannot be trusted.")),
    Cause("write.reset", Text("发送途中被复位：对方可能已收到一部分。",
        "Reset while we wrote: the far side may have a part of it.")),
    Cause("write.timeout", Text("对方停止接收：已收到一部分。", "The far side stopped taking: it has a part of it.")),
    Cause("write.failed", Text("本机无法发出请求。", "This machine could not send the request.")),
    Cause("wait.timeout", Text("请求已发出，没有应答：结果未知。", "Sent, and no answer: the outcome is unknown.")),
    Cause("wait.closed", Text("请求已发出，连接被关闭，没有应答：结果未知。",
        "Sent, then closed without an answer: the outcome is unknown.")),
    Cause("wait.reset", Text("请求已发出，连接被复位，没有应答：结果未知。",
        "Sent, then reset without an answer: the outcome is unknown.")),
    Cause("wait.tls_broken", Text("请求已发出，TLS 随后出错：结果未知。",
        "Sent, then TLS broke: the outcome is unknown.")),
    Cause("answer.timeout", Text("应答没有在期限内收完。", "The answer did not end in time.")),
    Cause("answer.cut", Text("应答只到了一部分。", "Only a part of the answer came.")),
    Cause("answer.reset", Text("应答途中被复位。", "Reset in the middle of the answer.")),
    Cause("answer.tls_broken", Text("应答途中 TLS 出错。", "TLS broke in the middle of the answer.")),
    Cause("answer.malformed", Text("应答不是 HTTP。", "The answer is no HTTP.")),
    Cause("answer.header_too_large", Text("应答头超出上限。", "The answer's header is over the limit.")),
    Cause("answer.too_large", Text("应答体超出上限。", "The answer's body is over the limit.")),
    Cause("answer.bomb", Text("应答解压后超出上限。", "The answer, unpacked, is over the limit.")),
    Cause("answer.bad_encoding", Text("应答声称压缩，但无法解开。", "The answer says it is compressed and cannot be unpacked.")),
    Cause("answer.unknown_encoding", Text("应答使用了我们没有请求的编码。", "The answer uses an encoding we did not ask for.")),
)  # fmt: skip

CAUSES = {cause.code: cause for cause in _ALL}
