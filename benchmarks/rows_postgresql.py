"""The rows of the platform on PostgreSQL. CPU is that of the platform's process alone: the database server's own is not in it,
nor in the part that is put beside it."""

from __future__ import annotations

import json
from typing import Any

import uvloop
from insert_postgresql import insert
from registry import Row, Run, say
from rows_embedded import saturated
from stand import Stand

from kaipiao_lab.postgresql import Server, new_server


def server_of(run: Run) -> Server:
    """A server on loopback for all rows that need one."""

    def start() -> Server:
        server = new_server(shared_buffers="128MB")
        run.closing(server.close)
        return server

    return run.once("postgresql", start)


def stand_of(run: Run) -> Stand:
    """A bureau, and a platform whose ledger is in PostgreSQL."""

    def start() -> Stand:
        stand = Stand(run.scratch() / "stand-postgresql", server_of(run).url())
        run.closing(stand.bench.close)
        stand.start()
        return stand

    return run.once("stand-postgresql", start)


def cpu_over_parts(run: Run) -> float:
    whole = run.once("saturated-postgresql", lambda: saturated(stand_of(run), 2.5 if run.quick else 15.0))
    bare = uvloop.run(insert(server_of(run).url(), 3 if run.quick else 10))
    total = sum({**run.parts(), "insert": bare}.values())
    _say(whole, bare, total)
    return float(whole["cpu_us"]) / total


def _say(whole: dict[str, Any], bare: float, total: float) -> None:
    say(f"  {'insert':12} {bare:8.1f} µs CPU per invoice at the client of PostgreSQL; the sum with it {total:.1f} µs")
    say(f"  {'platform':12} {whole['cpu_us']:8.1f} µs CPU per invoice, its ledger in PostgreSQL")
    say(f"  {json.dumps({name: whole[name] for name in ('per_second', 'p50', 'p99')})}")


ROWS = [Row("cpu_over_parts_postgresql", "≤ 1.5", cpu_over_parts)]
