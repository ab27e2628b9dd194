"""What the operating system says when it refuses, in both languages. It speaks English only."""

from __future__ import annotations

import errno

from kaipiao.language import Text

REASONS = {
    errno.ENOENT: Text("没有这个文件或目录", "there is no such file or directory"),
    errno.EISDIR: Text("这是目录，不是文件", "it is a directory, not a file"),
    errno.ENOTDIR: Text("路径中有一段不是目录", "a part of the path is no directory"),
    errno.EACCES: Text("没有权限", "permission denied"),
    errno.EPERM: Text("不允许这样操作", "it is not permitted"),
    errno.EROFS: Text("文件系统只读", "the file system is read-only"),
    errno.ENOSPC: Text("磁盘已满", "the disk is full"),
    errno.EDQUOT: Text("磁盘配额已满", "the disk quota is used up"),
    errno.ENAMETOOLONG: Text("路径过长", "the path is too long"),
    errno.EADDRINUSE: Text("端口已被占用", "the port is in use"),
    errno.EMFILE: Text("打开的文件过多", "too many open files"),
    errno.EIO: Text("磁盘读写出错", "the disk cannot be read or written"),
    errno.EBUSY: Text("正被占用", "it is in use"),
    errno.EEXIST: Text("已经存在", "it exists already"),
}


def reason_of(error: OSError) -> Text:
    """Why, without the path. What is not in the table has its symbol in Chinese, and the system's own words in English."""
    known = REASONS.get(error.errno or 0)
    if known is not None:
        return known
    symbol = errno.errorcode.get(error.errno or 0, type(error).__name__)
    return Text(f"系统错误 {symbol}", error.strerror or symbol)
