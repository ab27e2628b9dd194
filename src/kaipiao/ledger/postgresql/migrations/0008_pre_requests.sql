-- Requests that carry an Idempotency-Key, and what they were answered.

CREATE TABLE request (
    subject text COLLATE "C" NOT NULL, -- of the token
    key text COLLATE "C" NOT NULL, -- Idempotency-Key
    digest bytea NOT NULL, -- SM3 of everything that is asked
    begun_at bigint NOT NULL,
    until bigint NOT NULL, -- from then on it counts for nothing
    status integer NOT NULL, -- of the answer; 0: under way
    media text NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (subject, key)
);

CREATE INDEX request_until ON request (until);
