"""What metrics and status show of the door."""

from __future__ import annotations

from kaipiao.api.door.admission import Admission, Priority
from kaipiao.operations import catalogue
from kaipiao.operations.metrics import Metrics


def standing(admission: Admission) -> dict[str, int]:
    """As `DoorView` shows it."""
    return {
        "waiting": sum(admission.waiting(priority) for priority in Priority),
        "under_way": admission.under_way,
        "limit": int(admission.limit),
        "batches": admission.batches,
    }


def tell(admission: Admission, metrics: Metrics) -> None:
    """Looked at when the metrics are asked for; refusals as they happen."""
    admission.refused = metrics.order_refused
    metrics.by_class[catalogue.ORDERS_WAITING] = lambda: {
        priority.name.lower(): admission.waiting(priority) for priority in Priority
    }
    metrics.gauges[catalogue.ORDERS_UNDER_WAY] = lambda: admission.under_way
    metrics.gauges[catalogue.ORDERS_LIMIT] = lambda: int(admission.limit)
    metrics.gauges[catalogue.BATCHES] = lambda: admission.batches
    metrics.gauges[catalogue.BODIES_HELD] = lambda: admission.held
