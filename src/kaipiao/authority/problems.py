"""What the platform itself says of an answer that settles nothing, under stable codes. What the bureau says stands under codes
of its own, with its own words; what a failed wire proves stands in `transport.failure`.
"""

from __future__ import annotations

from dataclasses import dataclass

from kaipiao.language import Text


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an invoice is not confirmed yet: what `problem_code` and `problem` of an invoice say, and what to do."""

    code: str
    text: Text
    next_step: Text

    def filled(self, status: object) -> Problem:
        """With `{status}` in the code and the text as it was answered."""
        return Problem(self.code.format(status=status), self.text.format(status=status), self.next_step)


_NOTHING = Text("无须处理，平台自会再查或再发。", "Nothing: the platform asks or sends again.")
_LASTING = Text("持续出现时请联系税局或网络管理员。", "If it lasts, call the bureau or your network's operator.")

INCONSISTENT = Problem(
    "answer.inconsistent",
    Text(
        "应答自相矛盾或缺少必需的内容，不予采信。",
        "The answer contradicts itself or lacks what it must hold: not believed.",
    ),
    _NOTHING,
)
UNREADABLE = Problem(
    "answer.unreadable",
    Text("应答不是约定的格式，或无法解密。", "The answer is not of the agreed form, or cannot be decrypted."),
    Text("持续出现时请核对通道的 SM4 密钥与地址。", "If it lasts, check the channel's SM4 key and its address."),
)
HTTP = Problem(
    "http.{status}",
    Text("对方以 HTTP {status} 应答。", "The far side answered HTTP {status}."),
    _LASTING,
)
OUTER = Problem(
    "outer.{status}",
    Text("税局网关以 httpStatusCode {status} 应答。", "The bureau's gateway answered httpStatusCode {status}."),
    _LASTING,
)
OF_ANSWERS = (INCONSISTENT, UNREADABLE, HTTP, OUTER)
