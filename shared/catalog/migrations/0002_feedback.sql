-- What players wrote about crashes. It may come before its crash, or for a crash that never came; which crash it is
-- about is found by the client's own id, or is the crash that it came with.

CREATE TABLE feedback (
    project BIGINT NOT NULL REFERENCES projects (id),
    -- The report that brought it, and the place in it.
    report TEXT NOT NULL,
    number BIGINT NOT NULL,
    client_id TEXT,
    crash_id TEXT,
    received_at BIGINT NOT NULL,
    name TEXT,
    comments TEXT NOT NULL,
    PRIMARY KEY (project, report, number)
);

CREATE INDEX feedback_by_client ON feedback (project, client_id);

CREATE INDEX feedback_by_crash ON feedback (project, crash_id);

CREATE INDEX feedback_by_time ON feedback (received_at);
