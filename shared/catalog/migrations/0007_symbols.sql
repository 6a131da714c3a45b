-- Debug files that were uploaded, by what names their content, and what became of them.

CREATE TABLE symbol_uploads (
    project BIGINT NOT NULL REFERENCES projects (id),
    -- `sha256:` or `sha1:`, and hexadecimal digits.
    digest TEXT NOT NULL,
    name TEXT NOT NULL,
    size BIGINT NOT NULL,
    release TEXT,
    -- `waiting`, `done` or `refused`.
    state TEXT NOT NULL,
    reason TEXT,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (project, digest)
);

-- What is known of each debug id: one row for each file that has it.
CREATE TABLE debug_files (
    project BIGINT NOT NULL REFERENCES projects (id),
    debug_id TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    code_id TEXT,
    name TEXT NOT NULL,
    uploaded_as TEXT NOT NULL,
    format TEXT NOT NULL,
    arch TEXT,
    -- Bytes of the file.
    size BIGINT NOT NULL,
    -- What its caches are worth: of lines, and of unwind information.
    lines TEXT,
    unwind TEXT,
    release TEXT,
    -- 1: kept however long nobody uses it.
    pinned BIGINT NOT NULL,
    uploaded_at BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    PRIMARY KEY (project, debug_id, sha256)
);

CREATE INDEX debug_files_by_code ON debug_files (project, code_id);

CREATE INDEX debug_files_by_upload ON debug_files (project, uploaded_at, debug_id, sha256);

CREATE INDEX debug_files_by_use ON debug_files (pinned, last_used_at);
