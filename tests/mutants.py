"""Known mistakes, made on purpose: each must be caught by the tests that are named for it.

usage: python tests/mutants.py [--check] [NAME …]      exit 1 if a mutant survives (or no longer fits the code)

`--check` runs no test: it only says which mutants do not fit the code any longer.

The mistakes are those of design/model/numbers_model.py and upload_model.py and of the issue: each was seen in a shipped
product somewhere. A mutant is a copy of `src` with one piece of text replaced; the named tests run against the copy.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UPLOAD = "tests/unit/issuing/test_upload_rules.py::"
ADMISSION = "tests/unit/issuing/test_admission.py::"
ACCEPTED = "tests/unit/issuing/test_accepted_orders.py::"
IN_DOUBT = "tests/unit/issuing/test_numbers_in_doubt.py::"
SUCCESSORS = "tests/unit/issuing/test_successors.py::"
SURVIVAL = "tests/unit/issuing/test_survival.py::"
SHARDS = "tests/unit/issuing/test_shards.py::"
PATIENCE = "tests/unit/issuing/test_patience.py::"
BREAKER = "tests/unit/issuing/test_breaker.py::"
CONTRACT = "tests/contract/ledger/"
ONCE = "tests/unit/api/test_once.py::"
HOSTILE_BYTES = "tests/acceptance/test_hostile_bytes.py::"
PEOPLE_ONCE = "tests/unit/api/test_people_once.py::"
TURNS = "tests/unit/api/test_turns.py::"
DOOR = "tests/integration/door/"
SHARD_BOOKS = "tests/contract/ledger/test_contract_shards.py::"
LOOKING = "tests/integration/test_looking_without_writing.py::"
WAYS = "tests/integration/ledger_postgresql/test_ways_to_the_server.py::"
SIGNING_IN = "tests/unit/access/test_signing_in.py::"
OUTAGES = "tests/unit/issuing/test_outages.py::"
OUTAGE_BOOKS = "tests/contract/ledger/test_contract_outages.py::"
DRAIN = "tests/unit/issuing/test_drain_order.py::"
CODES = "tests/unit/access/test_codes_at_work.py::"
MANAGING = "tests/unit/access/test_managing_accounts.py::"
PEOPLE_BOOKS = "tests/contract/ledger/test_contract_accounts.py::"
ENDS = "tests/unit/api/test_access_that_ends.py::"
REVOKED = "tests/integration/test_revocations_reach_every_node.py::"
REWRAP = "tests/integration/seal/test_rewrap_cut_off.py::"
ALARM_DESK = "tests/unit/operations/test_alarm_desk.py::"
ALARM_BOOKS = "tests/contract/ledger/test_contract_alarms.py::"
OUTBOX = "tests/integration/delivery/test_outbox.py::"
CHANNELS = "tests/integration/delivery/test_http_channels.py::"


@dataclass(frozen=True)
class Mutant:
    """`old` stands exactly once in `file` (below src/kaipiao)."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


COMPARED = "tests/unit/issuing/test_reconciliation.py::"
CONTINUITY = "tests/unit/issuing/test_mode_controller.py::"
MODES = "tests/unit/issuing/test_modes.py::"
BUDGETS = "tests/unit/issuing/test_budgets.py::"
DEMAND = "tests/unit/issuing/test_demand.py::"
MONTH_END = "tests/unit/issuing/test_month_end.py::"

MUTANTS = [
    Mutant(
        "what the operator halted is released by itself after a day",
        "issuing/mode_inputs.py",
        "if order.mode == AUTO and order.stamp.at < now - DAY]",
        "if order.stamp.at < now - DAY]",
        (
            CONTINUITY
            + "test_what_the_operator_halts_is_refused_with_his_words_until_he_releases_it_over_a_restart_too",
        ),
    ),
    Mutant(
        "the 48 hours go by the end of the quota",
        "issuing/budgets.py",
        "None if stock.debt is None else stock.debt + _seconds(budget)",
        "None if stock.quota_until is None else stock.quota_until + _seconds(budget)",
        (
            CONTINUITY
            + "test_48_hours_after_the_oldest_debt_issuing_stops_and_goes_on_when_it_is_settled_each_said_once",
        ),
    ),
    Mutant(
        "one channel's debt stops another",
        "ledger/memory/continuity.py",
        "if (place := (record.taxpayer, record.channel)) in places:",
        "if (place := next(p for p in places if p[0] == record.taxpayer)):",
        (CONTINUITY + "test_a_debt_on_a_channel_of_the_past_does_not_stop_the_channel_of_today",),
    ),
    Mutant(
        "a change of the mode is written by every node",
        "ledger/memory/continuity.py",
        "if (known.version if known else 0) != version:",
        "if (known.version if known else 0) < version:",
        (
            "tests/contract/ledger/test_contract_continuity.py::"
            "test_of_nodes_that_worked_out_the_same_thing_one_writes_it_with_its_events[memory]",
        ),
    ),
    Mutant(
        "the end of an announcement is ignored",
        "issuing/announcements.py",
        "self.begin <= at and (self.end is None or at < self.end)",
        "self.begin <= at",
        (MODES + "test_planned_maintenance_begins_and_ends_by_the_clock_and_a_failure_when_it_is_over",),
    ),
    Mutant(
        "what flaps is trusted as soon as what does not",
        "issuing/mode_rules.py",
        "return min(HOLD * float(2 ** max(0, openings - 1)), LONGEST_HOLD)",
        "return HOLD if openings else HOLD",
        (MODES + "test_what_flaps_is_distrusted_longer_each_time_and_never_for_ever",),
    ),
    Mutant(
        "a month closes on the 14th",
        "clock.py",
        "datetime(year, month, 13, tzinfo=SHANGHAI)",
        "datetime(year, month, 14, tzinfo=SHANGHAI)",
        (BUDGETS + "test_debt_of_a_month_ends_at_the_13th_of_the_next_at_midnight_in_shanghai",),
    ),
    Mutant(
        "a month closes on the 12th",
        "clock.py",
        "datetime(year, month, 13, tzinfo=SHANGHAI)",
        "datetime(year, month, 12, tzinfo=SHANGHAI)",
        (BUDGETS + "test_debt_of_a_month_ends_at_the_13th_of_the_next_at_midnight_in_shanghai",),
    ),
    Mutant(
        "the percentile of the wrong hour",
        "issuing/demand.py",
        "found = [rate_from(counted, hour) for hour in coming]",
        "found = [rate_from(counted, hour + HOUR) for hour in coming]",
        (DEMAND + "test_an_hour_is_the_same_hour_in_shanghai_over_the_edges_of_months_and_years",),
    ),
    Mutant(
        "cover goes on at the rate of the night",
        "issuing/demand.py",
        "return lasts(stock, [hour.invoices for hour in self.hours], self.gone)",
        "return lasts(stock, [self.now.invoices], self.gone)",
        (DEMAND + "test_at_night_cover_foresees_the_day",),
    ),
    Mutant(
        "taxpayers who are not alike share their budgets",
        "issuing/budgets.py",
        "return taxpayer if taxpayer in self._named else None",
        "return None",
        (CONTINUITY + "test_a_budget_of_one_taxpayer_is_no_other_s",),
    ),
    Mutant(
        "a request for a list is sent before it is written down",
        "issuing/reconciler.py",
        "        await book.save(replace(book.content, requests=(*before, request)))\n        taxpayer, month",
        "        taxpayer, month",
        (COMPARED + "test_a_run_that_is_killed_anywhere_is_gone_on_with_and_spends_no_second_request",),
    ),
    Mutant(
        "an outage is derived from an older revision",
        "ledger/sqlite/outages.py",
        "WHERE id = 1 AND revision = ?1 - 1",
        "WHERE id = 1",
        (f"{OUTAGE_BOOKS}test_a_change_derived_from_an_older_revision_stores_nothing_at_all[sqlite]",),
    ),
    Mutant(
        "an outage ends with its debt undrained",
        "issuing/outage_watch.py",
        "if after.back_at is None or after.drained_at is None:",
        "if after.back_at is None:",
        (f"{OUTAGES}test_an_outage_ends_when_the_mode_is_back_and_the_debt_is_drained_not_before",),
    ),
    Mutant(
        "the drain serves who came first",
        "issuing/slots.py",
        "_, turn = min(waiting, key=lambda one: self._ranks.get(one[0], last))",
        "_, turn = min(waiting, key=lambda one: last)",
        (f"{DRAIN}test_a_place_that_becomes_free_goes_to_the_most_urgent",),
    ),
    Mutant(
        "a difference that was not looked for counts as gone",
        "issuing/reconciler.py",
        "return kind in _EXAMINED[run.manner] and (not run.unjudged or kind is Kind.MISSING_HERE)",
        "return True",
        (COMPARED + "test_totals_by_night_lead_to_the_list_when_they_differ_and_a_request_is_left",),
    ),
    Mutant(
        "a month is confirmed while invoices are unknown",
        "issuing/month_end.py",
        '    found += [f"debt.{state}={debt[state]}" for state in sorted(debt)]\n',
        "",
        (MONTH_END + "test_what_came_up_after_the_wish_stops_it_too",),
    ),
    Mutant(
        "a confirmation without an answer is sent again at once",
        "issuing/month_end.py",
        "        if silent and self._clock.now()",
        "        if not silent and self._clock.now()",
        (MONTH_END + "test_a_confirmation_that_never_arrived_is_sent_again_only_after_the_settle_time",),
    ),
    Mutant(
        "a robot that answers 200 with an error was told",
        "delivery/robots.py",
        '        if code == "0":\n',
        '        if code == "0" or code not in RULES[self.kind].later:\n',
        (CHANNELS + "test_status_200_with_an_error_in_it_is_a_failure",),
    ),
    Mutant(
        "an ordinary bucket lets twice the rate through",
        "delivery/rate.py",
        "        return self._taken[-many] + seconds - now if len(self._taken) >= many else 0.0\n",
        "        return self._taken[-1] + seconds / many - now if len(self._taken) >= many else 0.0\n",
        (CHANNELS + "test_in_no_minute_more_goes_out_than_the_robot_takes",),
    ),
    Mutant(
        "the address is looked at, and another one connected to",
        "delivery/https.py",
        "        return False\n    return internal or found.is_global\n",
        "        return False\n    return True\n",
        (CHANNELS + "test_a_name_that_leads_into_the_own_network_is_followed_only_where_the_settings_say_so",),
    ),
    Mutant(
        "alarms are judged whatever became of the desk meanwhile",
        "ledger/memory/alarms.py",
        "        if books.desk is None or books.desk.revision != change.revision:\n",
        "        if books.desk is None:\n",
        (
            ALARM_DESK + "test_a_node_that_lost_the_desk_without_knowing_changes_nothing",
            ALARM_BOOKS + "test_of_many_changes_from_one_revision_one_holds",
        ),
    ),
    Mutant(
        "a message is marked by who lost its lease",
        "ledger/sqlite/alarms.py",
        "WHERE id = ? AND epoch = ? AND state = 'waiting'\n",
        "WHERE id = ? AND ? > 0 AND state = 'waiting'\n",
        (ALARM_BOOKS + "test_a_message_is_leased_to_one_node_and_again_only_when_that_lease_ran_out",),
    ),
    Mutant(
        "an acknowledgement outlives a rise in severity",
        "operations/alarms/judging.py",
        "        alarm = replace(alarm, acked_at=None, acked_by=None, note=None)\n",
        "        alarm = replace(alarm, note=None)\n",
        (ALARM_DESK + "test_a_rise_in_severity_is_told_at_once_though_somebody_has_it",),
    ),
    Mutant(
        "a storm is told alarm by alarm",
        "operations/alarms/telling.py",
        "    return alarm.told_at is not None or last is None or last + manner.pause <= now\n",
        "    return True\n",
        (ALARM_DESK + "test_a_storm_that_goes_on_is_one_message_in_each_pause",),
    ),
    Mutant(
        "trouble of a channel is told through that channel",
        "delivery/outbox.py",
        " if one not in message.avoid]\n",
        "]\n",
        (OUTBOX + "test_what_is_about_a_channel_does_not_go_through_it",),
    ),
    Mutant(
        "a new number per try",
        "issuing/wire.py",
        '        number=record.number or "",\n',
        "        number=str(int(record.number or 0) + 1000 * (record.tries - 1)),\n",
        (UPLOAD + "test_a_lost_request_is_denied_twice_and_the_same_number_is_sent_again",),
    ),
    Mutant(
        "absent after a lost answer frees the number",
        "issuing/commit.py",
        "            if found is not None:\n                return found\n",
        "            return found or AdmitResult(AdmitOutcome.QUOTA_SHORT)\n",
        (ADMISSION + "test_commits_of_unknown_fate_never_make_two_numbers_for_an_order_or_two_orders_of_a_number",),
    ),
    Mutant(
        "an Idempotency-Key answers another request",
        "ledger/requests.py",
        "        if self.digest != request.digest:\n            return Earlier(Found.OTHER)\n",
        "",
        (ONCE + "test_another_request_with_the_key_is_refused_and_does_nothing",),
    ),
    Mutant(
        "a narrower token is shown an earlier answer",
        "api/once.py",
        ", sorted(caller.taxpayers)]",
        "]",
        (ONCE + "test_another_request_with_the_key_is_refused_and_does_nothing",),
    ),
    Mutant(
        "an answer that holds a first password is kept for its Idempotency-Key",
        "api/people/accounts.py",
        "    if form.password is None:  #",
        "    if False:  #",
        (PEOPLE_ONCE + "test_an_answer_that_holds_a_password_is_never_kept",),
    ),
    Mutant(
        "a given password is kept as a digest that can be guessed at",
        "api/people/accounts.py",
        "people_of(request).strongbox.mark(_bytes(form))",
        "_bytes(form)",
        (PEOPLE_ONCE + "test_what_is_kept_of_a_given_password_cannot_be_guessed_at_without_the_keys",),
    ),
    Mutant(
        "a trailer changes the request that was judged",
        "cli/patience.py",
        "        if self._in_head:\n            self._hosts",
        "        if True:\n            self._hosts",
        (HOSTILE_BYTES + "test_a_body_whose_frame_is_broken_or_rare",),
    ),
    Mutant(
        "a request without a Host, or with two, is served",
        "cli/patience.py",
        "not least <= self._hosts <= 1",
        "False",
        (HOSTILE_BYTES + "test_a_head_that_no_client_sends",),
    ),
    Mutant(
        "answered before the commit",
        "issuing/commit.py",
        "        done, _ = await asyncio.wait({task}, timeout=self._policy.commit_patience)\n",
        "        from unittest.mock import Mock\n\n        return AdmitResult(AdmitOutcome.ADMITTED, Mock(number=admission.number, order=admission.order))\n        done, _ = await asyncio.wait({task}, timeout=self._policy.commit_patience)\n",
        (ADMISSION + "test_many_callers_with_one_order_get_one_number",),
    ),
    Mutant(
        "silence read as an end",
        "issuing/decisions.py",
        '    event = trail.changed(record, "unknown", now, code=code)\n    return Advance(record.taxpayer, record.id, record.version, State.UNKNOWN,',
        '    event = trail.changed(record, "unknown", now, code=code)\n    return Advance(record.taxpayer, record.id, record.version, State.REJECTED,',
        (UPLOAD + "test_silence_is_unknown_and_nothing_is_asked_or_sent_before_the_settle_time",),
    ),
    Mutant(
        "silence read as not sent: sent again at once",
        "issuing/decisions.py",
        "SURELY_NOT_HELD = frozenset({Outcome.NOT_SENT, Outcome.NOT_ACCEPTED})",
        "SURELY_NOT_HELD = frozenset({Outcome.NOT_SENT, Outcome.NOT_ACCEPTED, Outcome.AMBIGUOUS})",
        (UPLOAD + "test_silence_is_unknown_and_nothing_is_asked_or_sent_before_the_settle_time",),
    ),
    Mutant(
        "no settle time",
        "issuing/decisions.py",
        '        "next_at": now + timedelta(seconds=caps.settle),\n        "deadline": resolve_by(record.made_at, submitted_at, caps),',
        '        "next_at": now,\n        "deadline": resolve_by(record.made_at, submitted_at, caps),',
        (UPLOAD + "test_silence_is_unknown_and_nothing_is_asked_or_sent_before_the_settle_time",),
    ),
    Mutant(
        "one denial is enough to send again",
        "issuing/decisions.py",
        "    if denials >= 2:",
        "    if denials >= 1:",
        (UPLOAD + "test_a_lost_request_is_denied_twice_and_the_same_number_is_sent_again",),
    ),
    Mutant(
        "a denial believed before the bureau shows what it holds",
        "issuing/decisions.py",
        "    late = record.late_denials + (1 if now >= visible_from else 0)",
        "    late = record.late_denials + 1",
        (
            UPLOAD + "test_a_refusal_after_a_doubt_is_not_believed_while_the_bureau_may_hide_what_it_holds",
            UPLOAD + "test_a_refusal_after_a_doubt_is_believed_when_two_late_asks_find_nothing",
        ),
    ),
    Mutant(
        "a refusal believed without asking",
        "issuing/decisions.py",
        "    if not record.doubt:\n",
        "    if True:\n",
        (UPLOAD + "test_a_refusal_after_a_doubt_is_not_believed_while_the_bureau_may_hide_what_it_holds",),
    ),
    Mutant(
        "a repeated upload read as failed",
        "issuing/decisions.py",
        "    if item is not None and item.status is ItemStatus.DUPLICATE:\n        return duplicate(",
        "    if item is not None and item.status is ItemStatus.DUPLICATE:\n        return refused(",
        (UPLOAD + "test_a_repeated_upload_is_evidence_not_failure",),
    ),
    Mutant(
        "a duplicate believed without comparing",
        "issuing/decisions.py",
        "        if answer.value.content_digest == our_digest:",
        "        if True:",
        (UPLOAD + "test_a_duplicate_with_other_content_is_a_conflict_for_a_person",),
    ),
    Mutant(
        "sent after its window closed",
        "issuing/uploader.py",
        "        late = [r for r, _ in pairs if upload_closes(r.made_at, channel.capabilities) <= now]",
        "        late: list[InvoiceRecord] = []",
        (UPLOAD + "test_what_stays_in_the_house_for_48_hours_expires_and_is_not_sent_late",),
    ),
    Mutant(
        "calls left open by a dead process are forgotten",
        "issuing/uploader.py",
        "            if upload.id in flying | self._flying or not self._is_ours_to_end(upload):\n",
        "            if True:\n",
        (UPLOAD + "test_calls_left_without_an_outcome_by_a_dead_process_become_unknown_at_the_next_start",),
    ),
    Mutant(
        "the order key is looked at, the content is not",
        "issuing/issuer.py",
        "        if record.content_digest != digest:",
        "        if False:",
        (ADMISSION + "test_the_same_order_with_other_content_is_refused_and_names_the_fields",),
    ),
    Mutant(
        "a clock set back goes unnoticed",
        "issuing/issuer.py",
        "            if behind > self._policy.clock_back:",
        "            if False:",
        (ADMISSION + "test_a_clock_set_back_stops_issuing_and_a_tremor_does_not",),
    ),
    Mutant(
        "no epoch check (memory)",
        "ledger/memory/admissions.py",
        "block.epoch != admission.epoch or ",
        "",
        (
            ADMISSION + "test_two_nodes_share_a_taxpayer_and_one_dies_holding_a_block",
            CONTRACT + "test_contract_numbers.py",
        ),
    ),
    Mutant(
        "no epoch check (SQL)",
        "ledger/desk.py",
        "(block.epoch, block.channel) != (admission.epoch, admission.channel)",
        "block.channel != admission.channel",
        (CONTRACT + "test_contract_numbers.py",),
    ),
    Mutant(
        "an order may be admitted twice (memory)",
        "ledger/memory/admissions.py",
        "        if live is not None and not numbers(admission, live) and not may_succeed(admission, live, self._under_way):",
        "        if False:",
        (CONTRACT + "test_contract_admission.py", ADMISSION + "test_many_callers_with_one_order_get_one_number"),
    ),
    Mutant(
        "a number may be given twice (memory)",
        "ledger/memory/admissions.py",
        "        if admission.number is not None and (admission.taxpayer, admission.number) in self.store.numbers:",
        "        if False:",
        (CONTRACT + "test_contract_admission.py",),
    ),
    Mutant(
        "a number may be given twice (SQL, within a group)",
        "ledger/desk.py",
        "        return (taxpayer, number) in self._numbers or ",
        "        return ",
        (CONTRACT + "test_contract_admission.py",),
    ),
    Mutant(
        "unused numbers counted before the epoch is raised (SQLite)",
        "ledger/sqlite/numbers.py",
        "        taken = await self._write(lambda transaction: _take(transaction, place, node, size, now, lease_seconds))\n",
        "        early = await self._read(lambda c: {n for (n,) in c.execute(sql.USED_NUMBERS, (taxpayer, '0', '9'))})\n        taken = await self._write(lambda transaction: _take(transaction, place, node, size, now, lease_seconds))\n        if taken is not None:\n            every = map(number_text, range(int(taken[1]), int(taken[2]) + 1))\n            return Block(taken[0], taxpayer, channel, year, taken[3], tuple(n for n in every if n not in early))\n",
        ("tests/integration/ledger/test_takeover_order.py",),
    ),
    Mutant(
        "a successor while a sender of the first may still wake (memory)",
        "ledger/memory/admissions.py",
        "(upload.end is None or upload.end.cause == ABANDONED) and live.id in upload.attempts",
        "False",
        (CONTRACT + "test_contract_admission.py",),
    ),
    Mutant(
        "a number freed while its first commit may still arrive",
        "issuing/commit.py",
        "                if result.outcome is not AdmitOutcome.QUOTA_SHORT:\n                    return result\n",
        "                if result.outcome is AdmitOutcome.QUOTA_SHORT:\n                    free()\n                return result\n",
        (IN_DOUBT + "test_once_in_doubt_a_number_is_not_freed_and_the_order_gets_its_true_answer",),
    ),
    Mutant(
        "a caller that goes away takes its number along",
        "issuing/commit.py",
        "        if result.outcome in NOT_STORED:\n            free()\n",
        "",
        (IN_DOUBT + "test_a_caller_that_goes_away_at_any_moment_takes_no_number_along",),
    ),
    Mutant(
        "a caller that goes away cuts the lease of a block",
        "issuing/numbers.py",
        "await asyncio.shield(self._refill(key, shelf))",
        "await self._refill(key, shelf)",
        (IN_DOUBT + "test_a_caller_that_goes_away_at_any_moment_takes_no_number_along",),
    ),
    Mutant(
        "a block dropped whatever its epoch",
        "issuing/numbers.py",
        "if (t.block, t.epoch) != (block, epoch))",
        "if t.block != block)",
        (IN_DOUBT + "test_a_block_that_came_back_to_this_node_under_a_new_epoch_is_not_dropped_with_the_old_one",),
    ),
    Mutant(
        "quota of another month booked as this one's",
        "issuing/supply.py",
        "        if standing.value.month != month:",
        "        if False:",
        (IN_DOUBT + "test_quota_of_another_month_is_not_booked_as_this_ones",),
    ),
    Mutant(
        "a round waits for its slowest call",
        "issuing/errands.py",
        ", timeout=self._policy.errand_patience)",
        ")",
        (SURVIVAL + "test_a_call_that_hangs_for_one_taxpayer_keeps_no_other_waiting",),
    ),
    Mutant(
        "a defect ends a loop",
        "issuing/node.py",
        "            except Exception:",
        "            except ZeroDivisionError:",
        (SURVIVAL + "test_a_loop_outlives_a_defect_and_a_ledger_that_is_away_for_days_and_tells_both",),
    ),
    Mutant(
        "a start that fails leaves the wire of a channel open",
        "app/platform.py",
        "        opened.push_async_callback(transport.close)\n        channel",
        "        channel",
        ("tests/integration/test_start_and_stop.py",),
    ),
    Mutant(
        "an upload that came too late says so without words",
        "issuing/decisions.py",
        '        "problem": LATE.text.both,\n',
        "",
        ("tests/unit/issuing/test_problems.py",),
    ),
    Mutant(
        "what the channel cannot carry takes its batch along for ever",
        "issuing/decisions.py",
        "    if code == DEFECT.code:",
        "    if False:",
        (SURVIVAL + "test_an_invoice_that_the_channel_cannot_carry_takes_no_other_of_its_batch_along",),
    ),
    Mutant(
        "a call that was left open waits for an idle moment",
        "issuing/uploader.py",
        "        if self._left_open:\n            await self.recover()\n",
        "",
        (
            SURVIVAL
            + "test_an_outcome_that_the_ledger_could_not_take_leaves_nothing_uploading_also_when_it_is_never_idle",
        ),
    ),
    Mutant(
        "the deadline of an earlier copy makes a new one late",
        "issuing/uploader.py",
        "if upload_closes(r.made_at, channel.capabilities) <= now]",
        "if r.submitted_at is not None and r.submitted_at + timedelta(seconds=channel.capabilities.result_window) <= now]",
        (SURVIVAL + "test_after_the_result_window_an_absent_invoice_is_sent_again_at_once_and_not_called_late",),
    ),
    Mutant(
        "alarms begin anew with every try",
        "issuing/decisions.py",
        "    return {} if record.unknown_since is not None else ",
        "    return ",
        (SURVIVAL + "test_alarms_count_from_the_first_doubt_however_often_it_is_sent_again",),
    ),
    Mutant(
        "the bureau's own fault casts no doubt",
        "issuing/decisions.py",
        '        changes |= {"doubt": True, "sent_at": now}\n',
        "        pass\n",
        (UPLOAD + "test_a_refusal_after_the_bureaus_own_fault_is_not_believed_while_it_may_hold_the_first_copy",),
    ),
    Mutant(
        "an order is numbered twice",
        "ledger/changes.py",
        "    return live.id == admission.id and live.state is State.ACCEPTED and admission.number is not None\n",
        "    return live.id == admission.id and live.state in (State.ACCEPTED, State.ISSUED) and admission.number is not None\n",
        (CONTRACT + "test_contract_numbering.py",),
    ),
    Mutant(
        "a cancelled order is numbered",
        "ledger/changes.py",
        "    return live.id == admission.id and live.state is State.ACCEPTED and admission.number is not None\n",
        "    waits = live.state in (State.ACCEPTED, State.CANCELLED)\n    return live.id == admission.id and waits and admission.number is not None\n",
        (CONTRACT + "test_contract_numbering.py",),
    ),
    Mutant(
        "a claim moves invoices without counting it",
        "ledger/postgresql/uploads.py",
        "    transaction.moves.move(claim.taxpayer, State.ISSUED, State.UPLOADING, len(claimed))\n",
        "",
        (
            "tests/integration/ledger_postgresql/test_state_counts.py::test_counts_follow_every_kind_of_change_on_two_nodes",
        ),
    ),
    Mutant(
        "a read on a connection that went silent waits for ever",
        "ledger/postgresql/pool.py",
        "call_later(patience, self._give_up, session)",
        "call_later(3600.0, self._give_up, session)",
        (f"{WAYS}test_a_read_from_a_server_that_says_nothing_ends_as_a_fault",),
    ),
    Mutant(
        "a caller misses its own write in a list of the standby",
        "operations/degradation/stale_reads.py",
        "None if seen is None or self._own.since(subject, seen.at) else seen",
        "seen",
        ("tests/unit/operations/test_stale_reads.py::test_who_has_written_since_the_look_is_answered_by_the_primary",),
    ),
    Mutant(
        "a pooler in between is taken for the server",
        "ledger/postgresql/session.py",
        'if found["process"] != session.connection.get_server_pid():',
        "if False:",
        (f"{WAYS}test_a_pooler_in_between_is_refused_and_named",),
    ),
    Mutant(
        "two nodes number one order on one database",
        "ledger/postgresql/facts.py",
        "    numbered = {(a.taxpayer, a.id) for a in items if a.number is not None}",
        "    numbered: set[tuple[str, int]] = set()",
        (
            CONTRACT
            + "test_contract_numbering.py::test_two_nodes_numbering_the_same_batch_at_once_use_one_number_each[postgresql]",
        ),
    ),
    Mutant(
        "cancelled after it was numbered",
        "issuing/issuer.py",
        "            if record.state is not State.ACCEPTED or record.tries:\n",
        "            if record.state not in (State.ACCEPTED, State.ISSUED):\n",
        (ACCEPTED + "test_what_has_a_number_is_not_cancelled_and_the_refusal_names_it",),
    ),
    Mutant(
        "a numbering in doubt is taken for undone and its number freed",
        "issuing/commit.py",
        "        if not records or numbers(admission, records[0]):",
        "        if not records:",
        (
            ACCEPTED + "test_a_numbering_in_doubt_is_sent_again_under_the_same_number",
            ACCEPTED + "test_while_a_numbering_in_doubt_has_not_arrived_its_number_is_nobody_elses",
        ),
    ),
    Mutant(
        "another node's number is taken for ours",
        "issuing/commit.py",
        "    if admission.number is not None and record.number != admission.number:\n        return result\n",
        "",
        (ACCEPTED + "test_an_order_that_another_node_numbered_meanwhile_gets_that_number_and_ours_is_free_again",),
    ),
    Mutant(
        "one order that cannot be numbered stops its taxpayer",
        "issuing/numberer.py",
        "        except KaipiaoError as error:\n            await self._hold_back(order, error)\n",
        "",
        (ACCEPTED + "test_an_order_that_is_refused_now_shows_why_harms_no_other_and_is_tried_again",),
    ),
    Mutant(
        "callers wait behind the numbering of accepted orders",
        "issuing/numberer.py",
        "        if self._issuer.callers >= self._policy.numbering_crowd:\n",
        "        if False:\n",
        (ACCEPTED + "test_numbering_gives_way_to_a_crowd_and_goes_on_when_it_is_gone",),
    ),
    Mutant(
        "accepted orders wait for as long as there is a crowd",
        "issuing/numberer.py",
        " and loop.time() < self._rests_until:\n",
        ":\n",
        (ACCEPTED + "test_numbering_goes_on_however_long_a_crowd_stays",),
    ),
    Mutant(
        "after a slow batch accepted orders rest without end",
        "issuing/numberer.py",
        "min(rest, now + self._policy.numbering_rest)",
        "rest",
        (ACCEPTED + "test_a_batch_that_a_slow_ledger_held_up_makes_numbering_rest_no_longer_than_is_allowed",),
    ),
    Mutant(
        "a machine that was asleep takes its lease for its own",
        "issuing/shards.py",
        "now: Callable[[], float] = since_boot,",
        "now: Callable[[], float] = time.monotonic,",
        (SHARDS + "test_a_machine_that_was_asleep_does_not_take_its_lease_for_its_own",),
    ),
    Mutant(
        "calls of a node of before the leases are cut while they are under way",
        "issuing/uploader.py",
        " and age >= timedelta(seconds=2 * self._policy.shard_seconds)\n",
        "\n",
        (SHARDS + "test_a_call_of_a_program_that_knows_no_leases_is_not_cut_while_it_may_be_under_way",),
    ),
    Mutant(
        "orders of a taxpayer that only another node knows are refused",
        "issuing/numberer.py",
        "(CannotIssue, LedgerFault, NotFound, OutcomeUnknown)",
        "(CannotIssue, LedgerFault, OutcomeUnknown)",
        (SHARDS + "test_accepted_orders_of_a_taxpayer_that_only_another_node_knows_are_not_refused",),
    ),
    Mutant(
        "numbers of an earlier lease stay in memory",
        "issuing/numbers.py",
        "            self.drop(block.taxpayer, block.id, before)\n",
        "            pass\n",
        (
            IN_DOUBT
            + "test_a_block_that_is_leased_again_after_its_lease_was_over_leaves_nothing_of_the_earlier_one_at_hand",
        ),
    ),
    Mutant(
        "a library that panics takes a sealing thread along",
        "issuing/ports.py",
        "except BaseException as error:",
        "except Exception as error:",
        ("tests/unit/issuing/test_workers.py::test_one_that_panics_harms_no_other_and_no_thread",),
    ),
    Mutant(
        "what waits for a thread that is refused waits for ever",
        "issuing/ports.py",
        "                self._give_up(share, error)\n",
        "                del error\n",
        ("tests/unit/issuing/test_workers.py::test_what_waits_when_the_threads_are_gone_is_told",),
    ),
    Mutant(
        "a pre migration waits behind a post one",
        "ledger/postgresql/migrations.py",
        "        return [name for name in missing if not _is_post(name)]\n",
        "        return missing[: next((n for n, name in enumerate(missing) if _is_post(name)), len(missing))]\n",
        ("tests/integration/ledger_postgresql/test_schema.py::test_a_pre_migration_does_not_wait_behind_a_post_one",),
    ),
    Mutant(
        "counts are believed that a program of before did not keep",
        "ledger/postgresql/statements.py",
        " AND NOT {COUNTS_ARE_KEPT} GROUP BY state",
        " AND false GROUP BY state",
        (
            "tests/integration/ledger_postgresql/test_state_counts.py"
            "::test_beside_a_program_that_does_not_count_the_counts_are_true_all_the_same",
        ),
    ),
    Mutant(
        "a change of an invoice that moved on meanwhile is written all the same (SQLite)",
        "ledger/sqlite/advances.py",
        "        if before is None or before.version != advance.version:\n",
        "        if before is None:\n",
        (CONTRACT + "test_contract_uploads.py::test_a_change_holds_only_while_the_version_does",),
    ),
    Mutant(
        "changes of one invoice in one call are written out of their order (SQLite)",
        "ledger/sqlite/advances.py",
        "        if key in self._changed:  # changes of one invoice are written one after the other\n            self.write()\n",
        "",
        (CONTRACT + "test_contract_uploads.py::test_changes_of_one_invoice_in_one_call_follow_one_another",),
    ),
    Mutant(
        "an order that was accepted is forgotten after a restart",
        "issuing/node.py",
        '            "numberer": self._number,\n',
        "",
        (ACCEPTED + "test_a_node_numbers_what_was_accepted_before_it_started",),
    ),
    Mutant(
        "a change of the key-encryption key that was cut off keeps the server from starting",
        "access/keys.py",
        "    following = next_kek(file)",
        "    following = None",
        (REWRAP + "test_the_server_starts_after_a_rewrap_that_was_killed_at_any_step",),
    ),
    Mutant(
        "the channel shows no certificate when its key is in the key store",
        "authority/transport/p256.py",
        "            _introduce(context, settings.identity)",
        "            pass",
        (
            "tests/integration/test_channel_by_stored_key.py::test_the_channel_is_let_in_by_a_key_that_never_lies_in_the_clear",
        ),
    ),
    Mutant(
        "a look at a directory that cannot be written leaves out what is in the write-ahead log",
        "cli/stand_in.py",
        'LEDGER = ("ledger.db", "ledger.db-wal")',
        'LEDGER = ("ledger.db",)',
        (LOOKING + "test_what_the_killed_server_had_in_its_log_is_there_and_no_key_is_copied",),
    ),
    Mutant(
        "blanks before a batch are held and looked at again with every byte",
        "intake/batches.py",
        "            self._held.clear()\n            return False\n        if not start.startswith",
        "            return False\n        if not start.startswith",
        ("tests/unit/api/test_batch.py::test_blanks_before_a_batch_are_not_held_and_count_against_its_limit",),
    ),
    Mutant(
        "a lease that is over still counts",
        "issuing/shards.py",
        "        return taxpayer in self._mine and self._now() < self._until\n",
        "        return taxpayer in self._mine\n",
        (SHARDS + "test_a_node_whose_lease_ran_out_makes_no_call_until_it_has_renewed_it",),
    ),
    Mutant(
        "a taxpayer is let go while a call of it is under way",
        "issuing/shards.py",
        "sorted(self._mine.difference(busy))",
        "sorted(self._mine)",
        (SHARDS + "test_taxpayers_with_a_call_under_way_are_not_let_go",),
    ),
    Mutant(
        "every node works for everybody",
        "issuing/shards.py",
        "        return taxpayer in self._mine and self._now() < self._until\n",
        "        return True\n",
        (SHARDS + "test_each_taxpayers_calls_come_from_one_node_and_no_submission_is_polled_twice_at_once",),
    ),
    Mutant(
        "a claim is sent though the lease ended meanwhile",
        "issuing/uploader.py",
        "        if not self._shards.holds(upload.taxpayer):  # the claim",
        "        if False:  # the claim",
        (SHARDS + "test_a_claim_that_outlasts_the_lease_is_given_back_unsent",),
    ),
    Mutant(
        "a node is taken for gone when its lease is over",
        "ledger/memory/shards.py",
        "if until + seconds > now)",
        "if until > now)",
        (SHARD_BOOKS + "test_a_node_that_died_is_relieved_when_its_lease_is_over_and_not_before",),
    ),
    Mutant(
        "shards are taken before the lease is over",
        "ledger/postgresql/shard_statements.py",
        "lease_until > {_NOW} AS live",
        "lease_until > {_NOW} + 5 AS live",
        (SHARD_BOOKS + "test_a_node_that_died_is_relieved_when_its_lease_is_over_and_not_before",),
    ),
    Mutant(
        "who holds the odd one lets it go every time",
        "ledger/shards.py",
        "max(0, mine - most, min(mine - least, owed))",
        "max(0, mine - least)",
        (SHARD_BOOKS + "test_shards_are_shared_out_evenly_and_then_stay_where_they_are",),
    ),
    Mutant(
        "the oldest of all are due first, whosever they are",
        "ledger/sqlite/due.py",
        "for place in sorted(places)[:limit]]",
        "for place in sorted(places, key=lambda place: place[1:])[:limit]]",
        (SHARD_BOOKS + "test_one_taxpayer_with_much_that_is_due_does_not_crowd_out_the_others",),
    ),
    Mutant(
        "an upload serves as the breaker's probe",
        "issuing/uploader.py",
        "        if not place.still_may():",
        "        if False:",
        (BREAKER + "test_an_upload_that_was_claimed_when_it_opened_is_not_sent",),
    ),
    Mutant(
        "calls that hung since before the breaker closed open it again",
        "issuing/breaker.py",
        "        if self.open or era != self.era or what is Showed.NOTHING:\n",
        "        if self.open or what is Showed.NOTHING:\n",
        (BREAKER + "test_calls_that_began_before_a_change_say_nothing_about_what_came_after_it",),
    ),
    Mutant(
        "a bureau that answers slowly is taken for one that is gone",
        "issuing/breaker.py",
        "        if what in (Showed.FAILED, Showed.NOTHING):\n",
        "        if what is not Showed.GOOD:\n",
        (BREAKER + "test_a_bureau_that_answers_everything_in_six_seconds_opens_it_once_and_is_then_used",),
    ),
    Mutant(
        "failover after bytes were sent",
        "authority/leqi/call.py",
        "            if reply.failure is None or not reply.failure.surely_not_sent or reply.failure.cause == NO_CONNECTION_FREE:\n",
        "            if reply.failure is None or reply.failure.cause == NO_CONNECTION_FREE:\n",
        ("tests/integration/transport/test_endpoints.py::test_after_a_byte_was_sent_no_other_address_hears_of_it",),
    ),
    Mutant(
        "an event for every ask that fails",
        "issuing/decisions.py",
        "    if failures > 1 and record.problem_code == answer.code:\n",
        "    if False:\n",
        (PATIENCE + "test_asks_that_fail_are_repeated_less_and_less_often_and_told_once_for_each_cause",),
    ),
    Mutant(
        "what was never sent is told of the invoice",
        "issuing/asker.py",
        "        return None if answer is None or unreached(answer) else (record, answer, digest)\n",
        "        return None if answer is None else (record, answer, digest)\n",
        (PATIENCE + "test_while_the_bureau_cannot_be_reached_nothing_is_written_about_polls_and_asks",),
    ),
    Mutant(
        "a bureau that is back is found out by the longest pause",
        "issuing/breaker.py",
        "        soon = rules.hurry_probe_s if hurry or self._good else rules.probe_s\n",
        "        soon = 300.0\n",
        (UPLOAD + "test_while_the_bureau_cannot_be_reached_only_probes_try_it_and_good_ones_release_all",),
    ),
    Mutant(
        "guesses that come at once are all judged",
        "ledger/login_counts.py",
        "    return LoginWait(BUSY_SECONDS, locked=False) if len(others) >= limit.failures else None\n",
        "    return None\n",
        (SIGNING_IN + "test_fifty_guesses_at_once_over_two_nodes_are_judged_three_times",),
    ),
    Mutant(
        "who mistypes locks the office",
        "access/log_in.py",
        "        tries = [by_name, LoginTry(key_of_source(source), names.digest(name)[:16])]\n",
        "        tries = [by_name, LoginTry(key_of_source(source), secrets.token_hex(8))]\n",
        (SIGNING_IN + "test_who_mistypes_locks_himself_and_not_the_office",),
    ),
    Mutant(
        "a name that nobody has is answered without work",
        "access/log_in.py",
        "        good = await self._passwords.matches(account.password if account else None, secret)\n",
        "        good = account is not None and await self._passwords.matches(account.password, secret)\n",
        (SIGNING_IN + "test_every_refusal_says_the_same_after_the_same_work",),
    ),
    Mutant(
        "a one-time code is good until its time is over",
        "access/codes.py",
        "    return next((step for step in good if step > after), None)\n",
        "    return next((step for step in good), None)\n",
        (CODES + "test_a_code_is_good_once_and_none_before_it",),
    ),
    Mutant(
        "two nodes take the same one-time code",
        "access/log_in.py",
        "        return used if await self._books.save_account(used, []) else None\n",
        "        await self._books.save_account(used, [])\n        return used\n",
        (CODES + "test_of_two_log_ins_with_one_code_at_once_on_two_nodes_one_gets_in",),
    ),
    Mutant(
        "another role leaves the sessions of before",
        "access/accounts.py",
        "lambda one: replace(one, role=role, epoch=one.epoch + 1)",
        "lambda one: replace(one, role=role)",
        (SIGNING_IN + "test_a_session_ends_with_what_ends_it_on_another_node_too",),
    ),
    Mutant(
        "an admin of a tenant manages every tenant",
        "access/accounts.py",
        "        if caller.tenant is None or tenant != caller.tenant:\n",
        "        if caller.tenant is None:\n",
        (MANAGING + "test_another_tenants_accounts_are_not_there_whatever_is_done",),
    ),
    Mutant(
        "a role is granted that the granter does not have",
        "access/accounts.py",
        "    if not ROLES[role] <= caller.permissions:\n",
        "    if role not in ROLES:\n",
        (MANAGING + "test_nobody_makes_an_account_that_reaches_further_than_he_does",),
    ),
    Mutant(
        "of two changes of an account the later one wins",
        "ledger/sqlite/accounts.py",
        "            if version != account.version - 1:\n",
        "            if version >= account.version + 1:\n",
        (PEOPLE_BOOKS + "test_of_two_changes_at_once_exactly_one_holds",),
    ),
    Mutant(
        "a tenant's auditor hears what happens to others on the stream",
        "api/stream.py",
        "platform=taxpayer is None and caller.may_act_for(ANY)",
        "platform=taxpayer is None",
        (
            "tests/unit/api/test_people.py::test_an_auditor_of_a_tenant_sees_what_happened_to_its_accounts_and_taxpayers_and_no_more",
        ),
    ),
    Mutant(
        "first come, first served: a flood before everybody",
        "api/door/turns.py",
        "            if line.waiters:\n                self._lines[party] = line\n            return waiter\n",
        "            if line.waiters:\n                self._lines[party] = line\n                self._lines.move_to_end(party, last=False)\n            return waiter\n",
        (TURNS + "test_the_single_order_of_another_is_served_next_but_one_however_long_the_flood_is",),
    ),
    Mutant(
        "an order that makes room keeps its bytes",
        "api/door/admission.py",
        "            place.let_go()\n            if not waiter.granted.done():\n",
        "            if not waiter.granted.done():\n",
        (TURNS + "test_the_bytes_of_bodies_are_bounded_and_shared",),
    ),
    Mutant(
        "a caller that left the queue is issued all the same",
        "api/door/admission.py",
        "            presence.on_gone = lambda: self._send_away(waiter, CallerGone())\n",
        "            presence.on_gone = None\n",
        (TURNS + "test_a_caller_that_leaves_the_queue_gets_no_turn_and_one_that_leaves_in_its_turn_keeps_it",),
    ),
    Mutant(
        "a cancelled wait takes its turn with it",
        "api/door/admission.py",
        "                self._end_turn()  # just before\n",
        "                pass\n",
        (TURNS + "test_a_cancelled_wait_takes_no_turn_with_it",),
    ),
    Mutant(
        "bulk waits as long as there are sales",
        "api/door/admission.py",
        "        if not bulk or (sales and self._sales_in_a_row < SALES_BEFORE_BULK):\n",
        "        if not bulk or sales:\n",
        (TURNS + "test_bulk_lets_sales_pass_and_is_never_forgotten",),
    ),
    Mutant(
        "a head of any size is kept",
        "cli/patience.py",
        "        if self._barren > self._patience.head_limit:\n",
        "        if False:\n",
        (DOOR + "test_hostile_callers.py::test_a_head_without_end_is_refused",),
    ),
    Mutant(
        "a body is read before anybody asks for it",
        "cli/patience.py",
        "        elif self.cycle.more_body and self.cycle.body:\n            self.flow.pause_reading()\n",
        "        elif self.cycle.more_body and self.cycle.body:\n            self.flow.resume_reading()\n",
        (DOOR + "test_hostile_callers.py::test_a_body_is_not_read_before_it_is_asked_for",),
    ),
    Mutant(
        "who never reads is waited for",
        "cli/patience.py",
        '        super().pause_writing()\n        self._end_later(self._patience.write_s, "unread")\n',
        "        super().pause_writing()\n",
        (DOOR + "test_hostile_callers.py::test_who_never_reads_is_cut",),
    ),
    Mutant(
        "connections without end",
        "cli/entrance.py",
        "        if self.connections >= self._door.connections_max:\n",
        "        if self.connections < 0:\n",
        (DOOR + "test_entrance.py::test_who_comes_beyond_the_limit_is_told_at_once_and_the_next_is_served",),
    ),
    Mutant(
        "a ledger that does not answer fills the memory",
        "issuing/commit.py",
        "        if len(self._running) >= self._policy.commits_at_once:\n",
        "        if len(self._running) < 0:\n",
        ("tests/unit/issuing/test_commits_bounded.py",),
    ),
    Mutant(
        "a stream outlives the session of its listener",
        "api/stream.py",
        "                await self._let_in()\n",
        "",
        (ENDS + "test_a_stream_ends_with_the_session_of_its_listener",),
    ),
    Mutant(
        "a batch outlives the session of its sender",
        "api/sales/batch.py",
        "            await let_in(self._request)\n",
        "",
        (ENDS + "test_a_batch_breaks_off_where_the_session_of_its_sender_ended",),
    ),
    Mutant(
        "what another node revoked lets in",
        "access/tokens.py",
        " or self.shared.value.covers(*about)",
        "",
        (REVOKED + "test_what_one_node_revokes_is_refused_on_the_other_after_a_look_of_each",),
    ),
    Mutant(
        "all of a tenant is no more than all that it has now",
        "access/accounts.py",
        "(bool(taxpayers) and set(taxpayers) <= set(caller.taxpayers))",
        "set(taxpayers or self._tenants.get(tenant, ())) <= set(caller.taxpayers)",
        (MANAGING + "test_an_admin_of_some_taxpayers_manages_nobody_who_reaches_those_that_join_the_tenant_later",),
    ),
    Mutant(
        "a first code may be tried out",
        "access/log_in.py",
        "except (LogInRefused, CodeRefused):",
        "except LogInRefused:",
        (CODES + "test_first_codes_are_not_tried_out_from_an_open_session",),
    ),
    Mutant(
        "programs of one name share their keys",
        "api/once.py",
        "    if ANY in caller.taxpayers:\n",
        "    if True:\n",
        (ONCE + "test_programs_of_two_tenants_with_the_same_subject_share_neither_keys_nor_rate",),
    ),
    Mutant(
        "a successor while a sender of the first may still wake",
        "ledger/changes.py",
        "admission.window_closed or not under_way(live)\n",
        "True\n",
        (SUCCESSORS + "test_while_a_sender_may_only_sleep_a_refusal_has_no_successor_and_a_late_copy_is_evidence",),
    ),
    Mutant(
        "a final negative by two early denials",
        "issuing/decisions.py",
        "        if late >= 2:\n",
        "        if denials >= 2:\n",
        (SUCCESSORS + "test_an_early_negative_is_none",),
    ),
    Mutant(
        "the predecessor is sent again",
        "ledger/changes.py",
        "state=State.REPLACED, version=record.version + 1, next_at=None)",
        "state=State.ISSUED, version=record.version + 1, next_at=record.made_at)",
        (SUCCESSORS + "test_the_predecessor_is_never_sent_again_whatever_happens_after",),
    ),
    Mutant(
        "two successors of one invoice are live",
        "ledger/changes.py",
        "    if admission.replaces != live.id or live.state not in REPLACEABLE:\n",
        "    if admission.replaces is None:\n",
        (SUCCESSORS + "test_two_nodes_that_replace_at_once_give_one_successor_and_one_answer",),
    ),
    Mutant(
        "a refused invoice is replaced without asking for its number",
        "issuing/successor.py",
        "        if record.state is State.EXPIRED or record.late_denials >= 2 or record.provenance == THEIRS:\n",
        "        if record.state in REPLACEABLE:\n",
        (SUCCESSORS + "test_a_refusal_is_doubted_when_the_bureau_holds_the_number_and_nothing_is_replaced",),
    ),
    Mutant(
        "what a sender that overslept has sent is forgotten",
        "issuing/stragglers.py",
        "or record.state in SETTLED:\n",
        "or record.state in State:\n",
        (SUCCESSORS + "test_while_a_sender_may_only_sleep_a_refusal_has_no_successor_and_a_late_copy_is_evidence",),
    ),
    Mutant(
        "a killed commit of a successor frees its number",
        "issuing/commit.py",
        "        if records[0].id == admission.replaces:  # still without its successor\n            return None\n",
        "",
        (SUCCESSORS + "test_a_killed_commit_of_a_successor_is_read_again_and_never_gives_a_second_one",),
    ),
    Mutant(
        "a confirmed invoice is given up at the first denial",
        "issuing/repair_tools.py",
        "    if waited is not None and facts.now >= waited:\n",
        "    if spacing:\n",
        (
            "tests/unit/issuing/test_repair.py::test_a_confirmed_invoice_is_given_up_only_after_two_late_denials_and_is_then_asked_for_again",
        ),
    ),
]


def misfit(mutant: Mutant) -> str | None:
    """Why it cannot be made in the present tree; None when it can."""
    path = ROOT / "src/kaipiao" / mutant.file
    if not path.exists():
        return f"there is no {mutant.file}"
    times = path.read_text(encoding="utf-8").count(mutant.old)
    return None if times == 1 else f"its text stands {times} times in {mutant.file}"


def mutated(mutant: Mutant, scratch: Path) -> Path | str:
    """A copy of `src` with the mistake in it, or why there is none."""
    problem = misfit(mutant)
    if problem is not None:
        return problem
    copy = scratch / "src"
    shutil.copytree(ROOT / "src", copy, ignore=shutil.ignore_patterns("__pycache__"))
    path = copy / "kaipiao" / mutant.file
    path.write_text(path.read_text(encoding="utf-8").replace(mutant.old, mutant.new), encoding="utf-8")
    return copy


def survives(mutant: Mutant) -> str | None:
    """None when the named tests catch it; else what went wrong."""
    with tempfile.TemporaryDirectory(prefix="kaipiao-mutant-") as scratch:
        copy = mutated(mutant, Path(scratch))
        if isinstance(copy, str):
            return copy
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *mutant.tests]
        environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
            )
        except subprocess.TimeoutExpired:
            return "the tests hang instead of failing"
    if done.returncode == 0:
        return "SURVIVED: " + ", ".join(mutant.tests)
    if done.returncode != 1:
        return f"the tests could not run (exit {done.returncode}): {done.stdout[-400:]}"
    return None


def main() -> int:
    check = "--check" in sys.argv[1:]
    wanted = [word for word in sys.argv[1:] if word != "--check"]
    chosen = [m for m in MUTANTS if not wanted or any(w in m.name for w in wanted)]
    bad = 0
    for mutant in chosen:
        began = time.monotonic()
        problem = misfit(mutant) if check else survives(mutant)
        bad += problem is not None
        if check and problem is None:
            continue
        print(
            f"{'✗' if problem else '✓'} {mutant.name} ({time.monotonic() - began:.1f} s){': ' + problem if problem else ''}",
            flush=True,
        )
    print(f"{len(chosen) - bad} passed, {bad} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
