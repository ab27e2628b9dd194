"""What issuing itself says of an invoice that is not confirmed yet, under stable codes."""

from __future__ import annotations

from typing import TypeVar

from kaipiao.authority.channel import Answer, Outcome
from kaipiao.authority.problems import Problem
from kaipiao.language import Text

T = TypeVar("T")

_NOTHING = Text("无须处理，同一号码会再次发送。", "Nothing: the same number is sent again.")
_IS_ASKED = Text("无须处理，平台稍后按号码向税局查询。", "Nothing: the platform asks the bureau for the number.")

LATE = Problem(
    "KP-UPLOAD-LATE",
    Text(
        "上传时限已过，仍未送达：不再发送，正向税局查询。",
        "The time for uploading is over: it is sent no more, the bureau is asked whether it holds it.",
    ),
    Text(
        "税局确认没有这张发票后转为 expired：请查明为何未能按时上传，并以新的订单号重新开具。",
        "Once the bureau is sure not to hold it, it is `expired`: find out why it was not uploaded in time, and invoice the"
        " sale under a new order key.",
    ),
)
NO_RESULT = Problem(
    "KP-POLL-WINDOW",
    Text("税局受理后没有在期限内给出结果。", "The bureau accepted it and gave no result in its own time."),
    _IS_ASKED,
)
DEFECT = Problem(
    "channel.defect",
    Text("通道程序出错，不知请求走到了哪一步。", "A defect in the channel: nobody knows how far the request came."),
    Text(
        "请把日志中 channel.defect 一行报告给开发者；平台稍后按号码查询。",
        "Report the line channel.defect of the log; the platform asks the bureau for the number.",
    ),
)
DIED = Problem(
    "process.died",
    Text(
        "上传途中进程中断，不知请求走到了哪一步。",
        "The process ended while uploading: nobody knows how far the request came.",
    ),
    _IS_ASKED,
)
NEVER_BEGUN = Problem(
    "upload.never_begun",
    Text("上传没有开始，什么也没有发出。", "The upload was never begun, nothing was sent."),
    _NOTHING,
)
NOTHING_TO_SEND = Problem(
    "upload.nothing_to_send",
    Text("账本中没有可发送的票面文件。", "The ledger has no document to send."),
    Text("请从备份核对账本。", "Compare the ledger with a backup."),
)
LEASE_LOST = Problem(
    "upload.lease_lost",
    Text(
        "准备发送时另一节点可能已接手，什么也没有发出。",
        "Another node may have taken over before it was sent: nothing was sent.",
    ),
    _NOTHING,
)
BREAKER_OPEN = Problem(
    "breaker.open",
    Text(
        "税局接连没有应答，熔断器已断开，什么也没有发出。",
        "The bureau failed several times in a row, so the breaker is open: nothing was sent.",
    ),
    _NOTHING,
)
ALIVE = Problem(
    "KP-REPLACED-ALIVE",
    Text(
        "它已被后继发票替换，之后却可能又有一份送达税局：两张可能都被持有。",
        "It was replaced by its successor, and a copy of it may have reached the bureau afterwards: both may be held.",
    ),
    Text(
        "运行 kaipiao repair run ask-replaced 向税局查询；若两张都在，对其中一张开红字。",
        "Ask the bureau by `kaipiao repair run ask-replaced`; if it holds both, make a red letter for one.",
    ),
)
OF_ISSUING = (LATE, NO_RESULT, DEFECT, DIED, NEVER_BEGUN, NOTHING_TO_SEND, LEASE_LOST, BREAKER_OPEN, ALIVE)


def answered(outcome: Outcome, problem: Problem) -> Answer[T]:
    """What stands for an answer where there is none."""
    return Answer(outcome, code=problem.code, message=problem.text.both)
