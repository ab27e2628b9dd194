"""SQL about people, of the PostgreSQL adapter. Values come in as parameters only."""

# ruff: noqa: S608

from kaipiao.ledger.account_rows import ACCOUNT_COLUMNS
from kaipiao.ledger.postgresql.statements import EVENT_COLUMNS

_COLUMNS = ", ".join(ACCOUNT_COLUMNS)
_PLACES = ", ".join(f"${place}" for place, _ in enumerate(ACCOUNT_COLUMNS, start=1))
_CHANGES = ", ".join(f"{name} = excluded.{name}" for name in ACCOUNT_COLUMNS)

SAVE_TENANTS = """
INSERT INTO tenant (tenant, made_at) SELECT t, $2 FROM unnest($1::text[]) AS t ORDER BY 1
ON CONFLICT (tenant) DO NOTHING
"""
TENANTS = "SELECT tenant FROM tenant ORDER BY tenant"

ACCOUNT = f"SELECT {_COLUMNS} FROM account WHERE account = $1"
ACCOUNTS = f"SELECT {_COLUMNS} FROM account WHERE account > $1 ORDER BY account LIMIT $2"
ACCOUNTS_OF_TENANT = f"SELECT {_COLUMNS} FROM account WHERE account > $1 AND tenant = $3 ORDER BY account LIMIT $2"
STANDING = "SELECT version, epoch FROM account WHERE account = $1 FOR UPDATE"
# Two that make the same new account at once: the second changes nothing and is told so.
MAKE_ACCOUNT = f"INSERT INTO account ({_COLUMNS}) VALUES ({_PLACES}) ON CONFLICT (account) DO NOTHING"
CHANGE_ACCOUNT = f"INSERT INTO account ({_COLUMNS}) VALUES ({_PLACES}) ON CONFLICT (account) DO UPDATE SET {_CHANGES}"

REVISE = """
INSERT INTO access_state (id, revision) VALUES (1, 1)
ON CONFLICT (id) DO UPDATE SET revision = access_state.revision + 1
"""
REVISION = "SELECT revision FROM access_state WHERE id = 1"
EPOCHS = "SELECT account, epoch FROM account"
ENDED = "SELECT jti FROM session_end"
END_SESSION = "INSERT INTO session_end (jti, until) VALUES ($1, $2) ON CONFLICT (jti) DO NOTHING"
FORGET_SESSIONS = "DELETE FROM session_end WHERE until <= $1"

LOGIN_LOCKS = "SELECT name, locked_until FROM login_count WHERE name = ANY($1::text[]) AND locked_until > $2"
# Locks each row, in one order for all, and makes those that are missing.
LOGIN_COUNTS = """
INSERT INTO login_count (name, marks, locked_until, stale_at)
SELECT n, '{}', 0, $2 FROM unnest($1::text[]) AS n ORDER BY 1
ON CONFLICT (name) DO UPDATE SET stale_at = greatest(login_count.stale_at, excluded.stale_at)
RETURNING name, marks, locked_until, stale_at
"""
SAVE_LOGIN = "UPDATE login_count SET marks = $2, locked_until = $3, stale_at = $4 WHERE name = $1"
FORGET_LOGINS = "DELETE FROM login_count WHERE name = ANY($1::text[])"
# Rows that somebody is just counting on are left to the next one.
FORGET_STALE_LOGINS = """
DELETE FROM login_count WHERE name = ANY(ARRAY(
    SELECT name FROM login_count WHERE stale_at <= $1 ORDER BY stale_at LIMIT 100 FOR UPDATE SKIP LOCKED))
"""

# lint: all taxpayers: what happened to the platform itself concerns none of them
PLATFORM_EVENTS = f"""
SELECT {EVENT_COLUMNS} FROM event WHERE taxpayer IS NULL AND position > $1 ORDER BY position LIMIT $2
"""
