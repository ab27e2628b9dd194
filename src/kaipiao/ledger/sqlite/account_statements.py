"""SQL about people, of the SQLite adapter. Values come in as parameters only."""

# ruff: noqa: S608

from kaipiao.ledger.account_rows import ACCOUNT_COLUMNS
from kaipiao.ledger.sqlite.statements import EVENT_COLUMNS

_COLUMNS = ", ".join(ACCOUNT_COLUMNS)
_PLACES = ", ".join("?" for _ in ACCOUNT_COLUMNS)
_CHANGES = ", ".join(f"{name} = excluded.{name}" for name in ACCOUNT_COLUMNS)

SAVE_TENANT = "INSERT INTO tenant (tenant, made_at) VALUES (?, ?) ON CONFLICT (tenant) DO NOTHING"
TENANTS = "SELECT tenant FROM tenant ORDER BY tenant"

ACCOUNT = f"SELECT {_COLUMNS} FROM account WHERE account = ?"
ACCOUNTS = f"SELECT {_COLUMNS} FROM account WHERE account > ? ORDER BY account LIMIT ?"
ACCOUNTS_OF_TENANT = f"SELECT {_COLUMNS} FROM account WHERE account > ? AND tenant = ? ORDER BY account LIMIT ?"
STANDING = "SELECT version, epoch FROM account WHERE account = ?"
SAVE_ACCOUNT = f"INSERT INTO account ({_COLUMNS}) VALUES ({_PLACES}) ON CONFLICT (account) DO UPDATE SET {_CHANGES}"

REVISE = """
INSERT INTO access_state (id, revision) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET revision = revision + 1
"""
REVISION = "SELECT revision FROM access_state WHERE id = 1"
EPOCHS = "SELECT account, epoch FROM account"
ENDED = "SELECT jti FROM session_end"
END_SESSION = "INSERT INTO session_end (jti, until) VALUES (?, ?) ON CONFLICT (jti) DO NOTHING"
FORGET_SESSIONS = "DELETE FROM session_end WHERE until <= ?"

LOGIN_COUNT = "SELECT marks, locked_until, stale_at FROM login_count WHERE name = ?"
LOGIN_LOCK = "SELECT locked_until FROM login_count WHERE name = ? AND locked_until > ?"
SAVE_LOGIN = """
INSERT INTO login_count (name, marks, locked_until, stale_at) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE
SET marks = excluded.marks, locked_until = excluded.locked_until, stale_at = excluded.stale_at
"""
FORGET_LOGIN = "DELETE FROM login_count WHERE name = ?"
FORGET_STALE_LOGINS = "DELETE FROM login_count WHERE stale_at <= ?"

# lint: all taxpayers: what happened to the platform itself concerns none of them
PLATFORM_EVENTS = f"""
SELECT {EVENT_COLUMNS} FROM event WHERE taxpayer IS NULL AND position > ? ORDER BY position LIMIT ?
"""
