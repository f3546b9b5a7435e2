-- +goose Up

-- Live jobs, and the history: the rows with an end. Times are microseconds since 1970.
CREATE TABLE job (
    id         bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    gen        bigint  NOT NULL,
    done       bigint  NOT NULL DEFAULT 0,
    tried      bigint  NOT NULL DEFAULT 0,
    cancelled  bigint  NOT NULL DEFAULT 0, -- gen up to which nobody wants it any more
    fence      bigint  NOT NULL DEFAULT 0,
    run_at     bigint,                     -- when it may be claimed: the end of the lease while it runs
    created_at bigint  NOT NULL,
    updated_at bigint  NOT NULL,
    started_at bigint,
    ended_at   bigint,
    pod_num    integer NOT NULL,
    attempts   integer NOT NULL DEFAULT 0,
    failures   integer NOT NULL DEFAULT 0,
    state      text    NOT NULL,
    owner      text    NOT NULL DEFAULT '',
    kind       text    COLLATE "C" NOT NULL,
    resource   text    COLLATE "C" NOT NULL,
    project_id text    COLLATE "C" NOT NULL,
    waits_kind text    COLLATE "C" NOT NULL DEFAULT '',
    waits_for  text    COLLATE "C" NOT NULL DEFAULT '',
    cause      text    NOT NULL DEFAULT ''
);
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
