-- Tokens for programs that were revoked: read by every node when access_state.revision has changed.

CREATE TABLE token_revocation (
    kind TEXT NOT NULL, -- token: name is its jti; subject: all of its tokens made until then
    name TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;
