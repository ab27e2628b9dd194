"""What the repair tools say: what they would do, and why not."""

from kaipiao.authority.problems import Problem
from kaipiao.language import Text

DOUBLED = Problem(
    "KP-REPLACED-HELD",
    Text(
        "税局同时持有它和它的后继：同一笔销售入账两次。",
        "The bureau holds both it and its successor: the sale is filed twice.",
    ),
    Text(
        "由人决定对哪一张开红字：kaipiao repair run red-letter 给出内容。",
        "A person decides for which one a red letter is made: `kaipiao repair run red-letter` states it.",
    ),
)

UNKNOWN_HERE = Text("本账没有这个号码", "Our books have no invoice of this number")
NOT_THAT_STATE = Text("它现在是 {state}，这个工具不是为此准备的", "It is {state} now: this tool is not for that")
NOTHING_TO_DO = Text("没有什么要修", "There is nothing to mend")
SILENT = Text("税局现在没有给出答案：稍后再试", "The bureau gives no answer now: try again later")
NOT_HELD = Text("税局现在不持有这个号码", "The bureau does not hold this number now")

SENDS_SAME = Text(
    "{number} 以同一号码、同一份冻结的内容再次发送", "{number} is sent again: the same number, the same frozen bytes"
)
FROZEN = Text(
    "税局在这个号码下持有另一份内容：它永不再发送，请用 succeed",
    "The bureau holds other content under this number: it is sent no more, use `succeed`",
)
WINDOW_OVER = Text("上传时限已过：请用 succeed", "The time for uploading is over: use `succeed`")

REPLACES = Text(
    "{number} 变为 replaced，永不再发送；订单 {order} 以新号码开具同样内容的后继发票",
    "{number} becomes `replaced` and is never sent again; order {order} gets a successor of the same content under a new"
    " number",
)

ASKS_NOW = Text("立即按号码查询，而不等到约定的时刻", "The bureau is asked at once, not at the appointed time")
NOT_SETTLED = Text(
    "沉淀时间未到：现在的“没有”不算数", "The settle time is not over: 'not found' would prove nothing now"
)
JUST_ASKED = Text("刚刚问过：两次查询之间须有间隔", "It was asked just now: there is a pause between two asks")

TAKES_THEIRS = Text(
    "{number} 记为 confirmed：以税局持有的内容为准，其摘要存入流水",
    "{number} becomes `confirmed`: what the bureau holds counts, its digest goes into the trail",
)
REFUSES_THEIRS = Text(
    "{number} 记为 rejected：税局持有的不是这笔销售，此号码永不再发送，之后可用 succeed",
    "{number} becomes `rejected`: what the bureau holds is not this sale; the number is sent no more, `succeed` may follow",
)
HOLDS_OURS = Text(
    "税局现在持有的正是我们的内容：请用 accept-theirs", "The bureau holds our very content now: use `accept-theirs`"
)

ADOPTS = Text("{number} 凭此刻的查询记为 confirmed", "{number} becomes `confirmed`, by what the bureau shows now")
CONFLICTS = Text(
    "{number} 记为 conflict：税局持有的内容不同，由人决定",
    "{number} becomes `conflict`: the bureau holds other content, a person decides",
)
QUARANTINED = Text(
    "{number} 不在本账：只记入流水，由人查明是谁开的。若它以后仍被取用，税局会答“重复”，按 R6 转为 conflict",
    "{number} is not in our books: it is noted in the trail, and a person finds out who issued it. Should it be taken later"
    " all the same, the bureau answers 'repeated', which R6 makes a conflict",
)

HOLDS_IT = Text("税局持有它：没有什么要修", "The bureau holds it: there is nothing to mend")
HIDDEN = Text(
    "可见时间未到：税局可能还没有显示它持有的一切",
    "The visibility time is not over: the bureau may not show yet all that it holds",
)
DENIED_ONCE = Text(
    "第一次否认已记下；至少 {seconds} 秒后再运行一次，第二次否认才算数",
    "This is the first denial; run it again after {seconds} s at least: only a second one counts",
)
BELIEVES_AGAIN = Text(
    "它回到 unknown，重新查询：仍在时限内则同一号码再发，否则转 expired，可由后继替换",
    "It goes back to `unknown` and is asked for: within its time the same number is sent again, else it is `expired` and may"
    " get a successor",
)
DIFFERS_NOW = Text(
    "{number}：税局持有的内容与我们不同；它回到 unknown，再次查询后转为 conflict，由人决定",
    "{number}: the bureau holds other content than ours; it goes back to `unknown`, and asking makes a `conflict` of it for a"
    " person",
)

CLEARS = Text("税局不持有被替换的那一张：疑问消除", "The bureau does not hold the replaced one: the doubt is over")
BOTH_HELD = Text(
    "{number} 已被替换，税局却持有它：记为重复入账，由人开红字",
    "{number} was replaced, and the bureau holds it: noted as filed twice, a person makes a red letter",
)
RED_LETTER = Text(
    "须对蓝字发票 {number} 全额开红字：金额 {amount}，税额 {tax}，价税合计 {total}，原因 01 开票有误",
    "The red letter to be made: for all of blue invoice {number}, amount {amount}, tax {tax}, total {total}, cause 01 (issued"
    " in error)",
)
NO_RED = Text(
    "本平台还不能开具红字确认单：请在电子税务局办理",
    "This platform cannot make red letters yet: make it on the bureau's own site",
)
IS_USED = Text("这个号码已用于一张发票", "This number is an invoice's")
IS_FREE = Text(
    "{number} 未被使用：在本账中保持可用，税局不收回号码",
    "{number} is unused: it stays free in our books, the bureau takes none back",
)
