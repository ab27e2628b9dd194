-- Since version 2: months that were confirmed (汇总确认) and requests for lists of what was issued. Instants as in schema.sql.
CREATE TABLE month_confirmation (
    taxpayer TEXT NOT NULL, month TEXT NOT NULL, confirmed_at REAL NOT NULL,
    PRIMARY KEY (taxpayer, month)
) WITHOUT ROWID;

CREATE TABLE list_request (
    ticket TEXT PRIMARY KEY, taxpayer TEXT NOT NULL, kind TEXT NOT NULL, month TEXT NOT NULL,
    first TEXT NOT NULL, last TEXT NOT NULL, -- days, both belong to it
    day TEXT NOT NULL, asked_at REAL NOT NULL, ready_at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX list_request_by_month ON list_request (taxpayer, kind, month);

CREATE INDEX invoice_by_month ON invoice (taxpayer, issued_at, number);
