-- Facts are sealed into segments, which are files in the bucket. Until then a fact is a row of `facts`.

-- What a fact has beyond its columns, as JSON.
ALTER TABLE facts ADD COLUMN more TEXT;

-- The rule by which a crash is only counted. Its attempt and this are asked for when its fact is in a segment.
ALTER TABLE seen ADD COLUMN counted_by TEXT;

UPDATE seen SET counted_by = (
    SELECT f.counted_by FROM facts f
    WHERE f.project = seen.project AND f.crash_id = seen.crash_id AND f.attempt = seen.attempt);

-- Every file of a segment has its row before it is written, and until it is deleted.
CREATE TABLE segments (
    project BIGINT NOT NULL,
    name TEXT NOT NULL,
    -- unfinished: being written. listed: its facts count. replaced: they are elsewhere, or have expired.
    state TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    -- Of a listed one: what questions leave segments out by, and all that its reader must know, as JSON.
    first_received BIGINT,
    last_received BIGINT,
    lowest_crash TEXT,
    highest_crash TEXT,
    facts BIGINT,
    bytes BIGINT,
    described TEXT,
    PRIMARY KEY (project, name)
);

CREATE INDEX segments_by_time ON segments (state, project, last_received);

CREATE INDEX segments_by_change ON segments (state, changed_at);
