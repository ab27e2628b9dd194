"""What can be wrong with material that somebody hands over. No fault shows a password or a part of a key."""

from __future__ import annotations

from kaipiao.errors import Resend, SealFault
from kaipiao.language import Text


class MaterialUnreadable(SealFault):
    """Not a key, certificate, PKCS#12, PKCS#7 or seal in a form that is known here."""

    code = "KP-SEAL-11"
    title = Text("无法识别密钥或证书文件", "The file is no key or certificate that can be read here")
    next_step = Text(
        "请提供 PKCS#8、SEC1、PKCS#12、PKCS#7、X.509 或 .esl 文件（PEM 或 DER）。",
        "Give PKCS#8, SEC1, PKCS#12, PKCS#7, X.509 or .esl (PEM or DER).",
    )
    resend = Resend.AFTER_CHANGE


class PasswordNeeded(SealFault):
    code = "KP-SEAL-12"
    title = Text("文件已加密，需要口令", "The file is encrypted: its password is needed")
    next_step = Text(
        "用 --password-file、环境变量 KAIPIAO_IMPORT_PASSWORD，或在终端中输入。",
        "Give it by --password-file, in KAIPIAO_IMPORT_PASSWORD, or at the prompt of a terminal.",
    )
    resend = Resend.AFTER_CHANGE


class PasswordWrong(SealFault):
    """Another password, or altered bytes: most of these formats do not tell which."""

    code = "KP-SEAL-13"
    title = Text("口令不对，或文件已损坏", "The password is wrong, or the file is damaged")
    next_step = Text("请核对口令与文件。", "Check the password and the file.")
    resend = Resend.AFTER_CHANGE


class KeyUnsuitable(SealFault):
    """The material is sound, but not good for what it shall be used for. Nothing was stored."""

    code = "KP-SEAL-14"
    title = Text("密钥不适合这个用途", "The key is not good for this purpose")
    next_step = Text("用 kaipiao keys import --dry-run 查看原因。", "See why with `kaipiao keys import --dry-run`.")
    resend = Resend.AFTER_CHANGE


class KeyAlreadyThere(SealFault):
    """The same key is in the store; nothing was written over."""

    code = "KP-SEAL-15"
    title = Text("密钥库中已有这把密钥", "The key store has this key already")
    next_step = Text("用 kaipiao keys list 查看。", "See `kaipiao keys list`.")
    resend = Resend.NO


def unreadable(zh: str, en: str) -> MaterialUnreadable:
    return MaterialUnreadable(Text(f"{zh}。", f"{en}."))
