-- Tokens for programs that were revoked: read by every node when access_state.revision has changed.

CREATE TABLE token_revocation (
    kind text COLLATE "C" NOT NULL, -- token: name is its jti; subject: all of its tokens made until then
    name text COLLATE "C" NOT NULL,
    at bigint NOT NULL,
    PRIMARY KEY (kind, name)
);
