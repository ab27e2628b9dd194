"""The lifecycle of an order's invoice, as one table of allowed transitions (design/architecture.md, "State").

The red status is a separate field and not part of it.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    ACCEPTED = "accepted"  # stored without a number
    ISSUED = "issued"  # numbered, sealed, stored; not sent, or surely not accepted
    UPLOADING = "uploading"  # a wire call is under way
    SUBMITTED = "submitted"  # the bureau gave an acceptance number
    CONFIRMED = "confirmed"
    UNKNOWN = "unknown"  # sent without a believable answer
    REJECTED = "rejected"  # refused for good (the bureau does not hold it)
    CONFLICT = "conflict"  # the bureau holds other content under this number: a person decides
    EXPIRED = "expired"  # its time to be uploaded is over (the bureau does not hold it)
    REPLACED = "replaced"  # a successor exists
    CANCELLED = "cancelled"  # by the caller, from accepted, while nothing was sent


TRANSITIONS: dict[State, frozenset[State]] = {
    State.ACCEPTED: frozenset({State.ISSUED, State.UPLOADING, State.CANCELLED, State.EXPIRED}),
    # UNKNOWN: a sender that slept sent a copy after all.
    State.ISSUED: frozenset({State.UPLOADING, State.EXPIRED, State.UNKNOWN}),
    State.UPLOADING: frozenset(
        {
            State.ISSUED,
            State.ACCEPTED,
            State.SUBMITTED,
            State.UNKNOWN,
            State.CONFIRMED,
            State.CONFLICT,
            State.REJECTED,
        }
    ),
    State.SUBMITTED: frozenset({State.CONFIRMED, State.REJECTED, State.UNKNOWN, State.CONFLICT}),
    State.UNKNOWN: frozenset(
        {State.CONFIRMED, State.CONFLICT, State.ISSUED, State.ACCEPTED, State.REJECTED, State.EXPIRED}
    ),
    # What is believed final is taken back by evidence only: asked for, or found to be held (docs/model/upload_model.py).
    State.REJECTED: frozenset({State.ISSUED, State.REPLACED, State.UNKNOWN, State.CONFIRMED, State.CONFLICT}),
    State.EXPIRED: frozenset({State.REPLACED, State.UNKNOWN, State.CONFIRMED, State.CONFLICT}),
    State.CONFLICT: frozenset({State.CONFIRMED, State.REJECTED}),
    State.CONFIRMED: frozenset({State.UNKNOWN}),
    State.REPLACED: frozenset(),
    State.CANCELLED: frozenset(),
}

FINAL_NEGATIVE = frozenset({State.REJECTED, State.EXPIRED, State.REPLACED})
# States in which the bureau may still have to hear of the invoice: the debt (待上传).
DEBT = frozenset({State.ISSUED, State.UPLOADING, State.SUBMITTED, State.UNKNOWN})


def allowed(before: State, after: State) -> bool:
    return after in TRANSITIONS[before]
