"""Why somebody is not let in, or may not let another in."""

from __future__ import annotations

from kaipiao.errors import AccessRefused, InputRefused, NotFound, PermissionMissing, Resend, TooManyRequests
from kaipiao.language import Text


class LogInRefused(AccessRefused):
    """One of account, password and code is wrong, or the account is disabled. Which, is never told."""

    code = "KP-ACCESS-08"
    title = Text("账户、口令或一次性密码有误", "The account, the password or the one-time code is wrong")
    next_step = Text(
        "请核对后再试；已开启一次性密码的账户须同时给出。忘记口令请找管理员重置。",
        "Check all three; an account with one-time codes needs one. If you forgot the password, an admin resets it.",
    )


class LockedOut(TooManyRequests):
    """Too many failures of this name or from this source. The same for a name that does not exist."""

    code = "KP-ACCESS-09"
    title = Text("登录失败次数过多，已暂时锁定", "Too many failures to sign in: locked for a while")
    next_step = Text(
        "请按 Retry-After 稍后再试；管理员可以立即解锁账户。",
        "Try again after the time in Retry-After; an admin can unlock the account at once.",
    )


class PasswordRefused(InputRefused):
    """A new password that would not protect anything. The text says the rule, never the password."""

    code = "KP-ACCESS-10"
    title = Text("口令不合要求", "The password is not good enough")
    next_step = Text("请换一个更长、不常见的口令，例如几个词。", "Choose a longer, less common one: a few words.")


class AccountTaken(InputRefused):
    code = "KP-ACCESS-11"
    title = Text("账户名已被使用", "The account's name is taken")
    next_step = Text("请换一个账户名。", "Choose another name.")
    resend = Resend.NO
    status = 409


class AccountChanged(InputRefused):
    """Somebody else changes the account at the same moment. Nothing was stored."""

    code = "KP-ACCESS-12"
    title = Text("账户正被另一处修改", "The account is being changed by somebody else")
    next_step = Text("请查看现状后再试。", "Look at it as it is now, then try again.")
    resend = Resend.SAFE
    status = 409


class SessionEnded(AccessRefused):
    """Logged out, or the account's password, role or standing was changed since."""

    code = "KP-ACCESS-13"
    title = Text("会话已结束", "The session is over")
    next_step = Text("请重新登录。", "Sign in again.")


class MoreThanOwn(PermissionMissing):
    """Nobody gives a role, a tenant or taxpayers beyond his own."""

    code = "KP-ACCESS-16"
    title = Text("不能授予超出自己的权限", "Nobody can grant more than he has")
    next_step = Text("请由权限更高的管理员操作。", "Ask an admin who has it.")


class NotEnrolling(InputRefused):
    code = "KP-ACCESS-17"
    title = Text("没有正在设置的一次性密码", "No one-time codes are being set up")
    next_step = Text("请先 POST /v1/account/totp。", "First POST /v1/account/totp.")
    status = 409


class CodeRefused(InputRefused):
    code = "KP-ACCESS-18"
    title = Text("一次性密码有误或已用过", "The one-time code is wrong, or was used before")
    next_step = Text(
        "请等下一个一次性密码，并核对设备时间。", "Wait for the next code, and check the clock of your device."
    )


class AccountUnknown(NotFound):
    code = "KP-FIND-04"
    title = Text("没有这个账户", "There is no such account")
    next_step = Text("请核对账户名。", "Check the name of the account.")


class TenantUnknown(NotFound):
    code = "KP-FIND-05"
    title = Text("没有这个租户", "There is no such tenant")
    next_step = Text("租户在 kaipiao.toml 的 taxpayer.tenant 中。", "Tenants stand in kaipiao.toml as taxpayer.tenant.")
