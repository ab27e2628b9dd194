-- The bureau's own books. Times are seconds since 1970 of the sandbox's clock; money of the sums is in fen (1/100 CNY).
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE taxpayer (tax_number TEXT PRIMARY KEY, position INTEGER NOT NULL, company TEXT NOT NULL) WITHOUT ROWID;

-- The next free sequence of a year and region.
CREATE TABLE number_counter (
    year INTEGER NOT NULL, region TEXT NOT NULL, next INTEGER NOT NULL,
    PRIMARY KEY (year, region)
) WITHOUT ROWID;

CREATE TABLE number_segment (
    serial TEXT PRIMARY KEY, taxpayer TEXT NOT NULL, quantity INTEGER NOT NULL,
    first TEXT NOT NULL, last TEXT NOT NULL, given_at REAL NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX segment_by_first ON number_segment (first);

CREATE TABLE quota (
    taxpayer TEXT NOT NULL, month TEXT NOT NULL,
    downloaded INTEGER NOT NULL DEFAULT 0, used INTEGER NOT NULL DEFAULT 0,
    filed INTEGER NOT NULL DEFAULT 0, queried_at REAL,
    PRIMARY KEY (taxpayer, month)
) WITHOUT ROWID;

CREATE TABLE quota_move (
    serial TEXT PRIMARY KEY, taxpayer TEXT NOT NULL, month TEXT NOT NULL,
    direction TEXT NOT NULL, amount INTEGER NOT NULL, answer TEXT NOT NULL, moved_at REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE submission (
    serial TEXT PRIMARY KEY, taxpayer TEXT NOT NULL,
    received_at REAL NOT NULL, ready_at REAL, numbers TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE result (
    serial TEXT NOT NULL, position INTEGER NOT NULL, number TEXT NOT NULL,
    status TEXT NOT NULL, code TEXT, message TEXT NOT NULL,
    PRIMARY KEY (serial, position)
) WITHOUT ROWID;

CREATE TABLE invoice (
    number TEXT PRIMARY KEY, taxpayer TEXT NOT NULL, kind TEXT NOT NULL, blue INTEGER NOT NULL,
    amount TEXT NOT NULL, tax TEXT NOT NULL, total TEXT NOT NULL, remark TEXT,
    issued_at TEXT NOT NULL, accepted_at REAL NOT NULL, visible_at REAL NOT NULL,
    submission TEXT NOT NULL, digest BLOB NOT NULL, content TEXT NOT NULL
) WITHOUT ROWID;

-- Calls that were read and will be carried out later (the fault `late`).
CREATE TABLE late_call (id INTEGER PRIMARY KEY, due_at REAL NOT NULL, call TEXT NOT NULL);

CREATE TABLE fault (
    id TEXT PRIMARY KEY, position INTEGER NOT NULL, spec TEXT NOT NULL,
    seen INTEGER NOT NULL DEFAULT 0, hits INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
