-- What people change while it runs: one document, of which the copy in the bucket is made. Each change adds 1 to its
-- revision.

CREATE TABLE rules (
    -- Always 1: there is one row, or none.
    id BIGINT NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    document TEXT NOT NULL,
    changed_at BIGINT NOT NULL
);

-- How many reports rules kept away, by the day on which that was told.
CREATE TABLE outcomes (
    day BIGINT NOT NULL,
    project BIGINT NOT NULL,
    rule TEXT NOT NULL,
    outcome TEXT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (day, project, rule, outcome)
);

-- The first crashes of a signature in an hour, where a rule keeps the payloads of those only.
CREATE TABLE hour_firsts (
    hour BIGINT NOT NULL,
    project BIGINT NOT NULL,
    signature TEXT NOT NULL,
    crash_id TEXT NOT NULL,
    PRIMARY KEY (hour, project, signature, crash_id)
);
