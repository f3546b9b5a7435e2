-- +goose Up

-- AUTOINCREMENT: without it the number of a deleted last row is given out again.
CREATE TABLE pod (
    num         INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT    NOT NULL UNIQUE,
    region_name TEXT    NOT NULL UNIQUE,
    dc_name     TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    is_top      INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX pod_only_top ON pod (is_top) WHERE is_top = 1;

CREATE TABLE pod_zone (
    pod_num  INTEGER NOT NULL REFERENCES pod (num) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    name     TEXT    NOT NULL,
    pod_name TEXT    NOT NULL,
    PRIMARY KEY (pod_num, position),
    UNIQUE (pod_num, name),
    UNIQUE (pod_num, pod_name)
) STRICT;

CREATE TABLE project (
    num INTEGER PRIMARY KEY,
    id  TEXT    NOT NULL UNIQUE
) STRICT;

-- bottom_id is NULL where it equals top_id, which it does for most rows.
CREATE TABLE routing (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    created_at  INTEGER,
    updated_at  INTEGER NOT NULL,
    project_num INTEGER,
    pod_num     INTEGER NOT NULL,
    type        INTEGER NOT NULL,
    top_id      BLOB    NOT NULL,
    bottom_id   BLOB,
    UNIQUE (top_id, type, pod_num)
) STRICT;
-- Seek over all projects; purge of one pod.
CREATE INDEX routing_pod ON routing (pod_num, type, created_at, top_id);
-- Seek within a project; listing by project.
CREATE INDEX routing_project ON routing (project_num, type, pod_num, created_at, top_id) WHERE project_num IS NOT NULL;
-- From what a pod says back to ours.
CREATE INDEX routing_bottom ON routing (bottom_id) WHERE bottom_id IS NOT NULL;

CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
