-- Whom not to ask for symbols for a while.

CREATE TABLE symbol_requests (
    project BIGINT NOT NULL REFERENCES projects (id),
    debug_id TEXT NOT NULL,
    -- The source that does not have them; empty while all sources are being asked.
    source TEXT NOT NULL,
    -- When it may be asked again.
    not_before BIGINT NOT NULL,
    PRIMARY KEY (project, debug_id, source)
);

CREATE INDEX symbol_requests_by_end ON symbol_requests (not_before);
