"""The wire: one call, phase by phase, with the exact bytes that left, over TLS that always verifies."""

from kaipiao.authority.transport.client import Reply, Transport
from kaipiao.authority.transport.failure import CAUSES, Cause, Failure
from kaipiao.authority.transport.settings import Limits, Timeouts, TlsSettings

__all__ = ["CAUSES", "Cause", "Failure", "Limits", "Reply", "Timeouts", "TlsSettings", "Transport"]
