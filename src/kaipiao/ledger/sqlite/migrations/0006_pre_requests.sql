-- Requests that carry an Idempotency-Key, and what they were answered.

CREATE TABLE request (
    subject TEXT NOT NULL, -- of the token
    key TEXT NOT NULL, -- Idempotency-Key
    digest BLOB NOT NULL, -- SM3 of everything that is asked
    begun_at INTEGER NOT NULL,
    until INTEGER NOT NULL, -- from then on it counts for nothing
    status INTEGER NOT NULL, -- of the answer; 0: under way
    media TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (subject, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX request_until ON request (until);
