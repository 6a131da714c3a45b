-- Which crash a client's own id, or the bytes of a dump, stand for: a report that brings them again is an alias of that
-- crash, and is not counted. Client ids and aliases go with their crash, digests after a day.

CREATE TABLE client_ids (
    project BIGINT NOT NULL,
    client_id TEXT NOT NULL,
    crash_id TEXT NOT NULL,
    PRIMARY KEY (project, client_id)
);

CREATE INDEX client_ids_by_crash ON client_ids (project, crash_id);

CREATE TABLE dump_digests (
    project BIGINT NOT NULL,
    -- SHA-256 of the unpacked dump, in hexadecimal.
    digest TEXT NOT NULL,
    crash_id TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    PRIMARY KEY (project, digest)
);

CREATE INDEX dump_digests_by_crash ON dump_digests (project, crash_id);

CREATE INDEX dump_digests_by_time ON dump_digests (received_at);

CREATE TABLE aliases (
    project BIGINT NOT NULL,
    alias TEXT NOT NULL,
    crash_id TEXT NOT NULL,
    PRIMARY KEY (project, alias)
);

CREATE INDEX aliases_by_crash ON aliases (project, crash_id);
