"""The one place where the parts are put together."""

from kaipiao.app.platform import Platform

__all__ = ["Platform"]
