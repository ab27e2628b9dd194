"""The direct channel: 乐企-shaped. Transforms and classifies; never retries, never stores."""

from kaipiao.authority.leqi.channel import LeqiChannel
from kaipiao.authority.leqi.settings import LeqiSettings

__all__ = ["LeqiChannel", "LeqiSettings"]
