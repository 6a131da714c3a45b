-- Symbols that come late. A crash some of whose modules lack symbols has a signature of where its frames lie; what the
-- rules call it, with the symbols that are here, tells the issue, and may change when more of them come.

-- How many debug files have come to the project, and which number each was. A crash that was named when so many were
-- here is named again when one with a higher number is of a module that it lacks.
ALTER TABLE projects ADD COLUMN arrivals BIGINT NOT NULL DEFAULT 0;

ALTER TABLE debug_files ADD COLUMN arrival BIGINT NOT NULL DEFAULT 0;

-- How many debug files were here when the signature was named last.
ALTER TABLE signatures ADD COLUMN named_at BIGINT NOT NULL DEFAULT 0;

-- The issue that all crashes of this one belong to now.
ALTER TABLE issues ADD COLUMN moved_to BIGINT;

-- Which issue crashes belong to that the rules give one signature.
CREATE TABLE names (
    project BIGINT NOT NULL,
    signature TEXT NOT NULL,
    issue BIGINT NOT NULL,
    PRIMARY KEY (project, signature),
    FOREIGN KEY (project, issue) REFERENCES issues (project, number)
);

CREATE INDEX names_by_issue ON names (project, issue);

INSERT INTO names (project, signature, issue) SELECT project, id, issue FROM signatures;

-- Which modules the crashes of a signature lack symbols of, and how many debug files were here when that was found.
CREATE TABLE missing_symbols (
    project BIGINT NOT NULL,
    debug_id TEXT NOT NULL,
    signature TEXT NOT NULL,
    module TEXT NOT NULL,
    known BIGINT NOT NULL,
    PRIMARY KEY (project, debug_id, signature)
);

CREATE INDEX missing_symbols_by_signature ON missing_symbols (project, signature);

-- A few crashes of each such signature, spread over time by chance: those with the lowest ranks. They are processed
-- again in place of all.
CREATE TABLE signature_samples (
    project BIGINT NOT NULL,
    signature TEXT NOT NULL,
    crash_id TEXT NOT NULL,
    attempt TEXT NOT NULL,
    rank BIGINT NOT NULL,
    PRIMARY KEY (project, signature, crash_id)
);

CREATE INDEX signature_samples_by_crash ON signature_samples (project, crash_id);

-- Signatures whose crashes turned out not to be called alike, and when: those in segments are still to be told apart.
CREATE TABLE mixed_signatures (
    project BIGINT NOT NULL,
    signature TEXT NOT NULL,
    noted_at BIGINT NOT NULL,
    PRIMARY KEY (project, signature)
);

-- The signatures of crashes whose facts in a segment name another, until the segment is written anew.
CREATE TABLE overrides (
    project BIGINT NOT NULL,
    crash_id TEXT NOT NULL,
    signature TEXT NOT NULL,
    PRIMARY KEY (project, crash_id)
);
