-- Times are milliseconds since 1970 (UTC), days are counted from 1970-01-01, ids are text, booleans are 0 or 1.
-- Every table that belongs to a project begins with it, so that it can be split by project.

CREATE TABLE projects (
    id BIGINT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    -- The number that the next new issue gets.
    next_issue BIGINT NOT NULL
);

-- What people work on. How often and how lately it happened is read from the facts.
CREATE TABLE issues (
    project BIGINT NOT NULL REFERENCES projects (id),
    number BIGINT NOT NULL,
    title TEXT NOT NULL,
    status TEXT NOT NULL,
    kind TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (project, number)
);

-- Which issue a signature belongs to, and what must be known of it when its facts have expired: its first crash
-- (lowered when an earlier one is recorded later), and the latest of its first crash and those that expired.
CREATE TABLE signatures (
    project BIGINT NOT NULL,
    id TEXT NOT NULL,
    rules BIGINT NOT NULL,
    text TEXT NOT NULL,
    issue BIGINT NOT NULL,
    first_seen_at BIGINT NOT NULL,
    first_crash TEXT NOT NULL,
    first_release TEXT,
    last_seen_at BIGINT NOT NULL,
    last_crash TEXT NOT NULL,
    last_release TEXT,
    PRIMARY KEY (project, id),
    FOREIGN KEY (project, issue) REFERENCES issues (project, number)
);

CREATE INDEX signatures_by_issue ON signatures (project, issue);

-- Which crashes were recorded, so that each is recorded once. A row outlives every message that could bring its crash
-- again, whether or not the fact is still there; rows are forgotten by day of acceptance.
CREATE TABLE seen (
    day BIGINT NOT NULL,
    project BIGINT NOT NULL,
    crash_id TEXT NOT NULL,
    attempt TEXT NOT NULL,
    PRIMARY KEY (day, project, crash_id)
);

CREATE TABLE facts (
    project BIGINT NOT NULL,
    crash_id TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    occurred_at BIGINT NOT NULL,
    weight BIGINT NOT NULL,
    signature TEXT NOT NULL,
    kind TEXT NOT NULL,
    reason TEXT,
    release TEXT,
    environment TEXT,
    platform TEXT,
    os_version TEXT,
    arch TEXT,
    device TEXT,
    gpu TEXT,
    user_hash TEXT,
    uptime_seconds BIGINT,
    unreadable BIGINT NOT NULL,
    attempt TEXT NOT NULL,
    PRIMARY KEY (project, crash_id),
    FOREIGN KEY (project, signature) REFERENCES signatures (project, id)
);

CREATE INDEX facts_by_time ON facts (project, received_at, crash_id);

CREATE INDEX facts_by_signature ON facts (project, signature, received_at, crash_id);

CREATE TABLE leases (
    name TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    held_until BIGINT NOT NULL
);

CREATE TABLE dead_letters (
    id TEXT NOT NULL PRIMARY KEY,
    project BIGINT,
    kind TEXT NOT NULL,
    reason TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    first_at BIGINT NOT NULL,
    dead_at BIGINT NOT NULL,
    object_key TEXT NOT NULL
);

CREATE INDEX dead_letters_by_time ON dead_letters (dead_at, id);
