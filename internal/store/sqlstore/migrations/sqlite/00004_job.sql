-- +goose Up

-- Live jobs, and the history: the rows with an end. Times are microseconds since 1970.
CREATE TABLE job (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    gen        INTEGER NOT NULL,
    done       INTEGER NOT NULL DEFAULT 0,
    tried      INTEGER NOT NULL DEFAULT 0,
    cancelled  INTEGER NOT NULL DEFAULT 0, -- gen up to which nobody wants it any more
    fence      INTEGER NOT NULL DEFAULT 0,
    run_at     INTEGER,                    -- when it may be claimed: the end of the lease while it runs
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at   INTEGER,
    pod_num    INTEGER NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0,
    failures   INTEGER NOT NULL DEFAULT 0,
    state      TEXT    NOT NULL,
    owner      TEXT    NOT NULL DEFAULT '',
    kind       TEXT    NOT NULL,
    resource   TEXT    NOT NULL,
    project_id TEXT    NOT NULL,
    waits_kind TEXT    NOT NULL DEFAULT '',
    waits_for  TEXT    NOT NULL DEFAULT '',
    cause      TEXT    NOT NULL DEFAULT ''
) STRICT;
-- One live job for each key.
CREATE UNIQUE INDEX job_key ON job (kind, resource) WHERE ended_at IS NULL;
-- The queue.
CREATE INDEX job_due ON job (run_at, pod_num, kind) WHERE run_at IS NOT NULL;
-- What is due when another is done.
CREATE INDEX job_waiting ON job (waits_kind, waits_for) WHERE waits_kind <> '';
-- Lists: of a project, by state.
CREATE INDEX job_project ON job (project_id, id);
CREATE INDEX job_state ON job (state, id);
-- Purge of the history.
CREATE INDEX job_ended ON job (ended_at) WHERE ended_at IS NOT NULL;
