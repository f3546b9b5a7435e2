-- +goose Up

CREATE TABLE pod (
    num         smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id          text     NOT NULL UNIQUE,
    region_name text     NOT NULL UNIQUE,
    dc_name     text     NOT NULL,
    state       text     NOT NULL,
    is_top      smallint NOT NULL,
    created_at  bigint   NOT NULL,
    updated_at  bigint   NOT NULL
);
CREATE UNIQUE INDEX pod_only_top ON pod (is_top) WHERE is_top = 1;

CREATE TABLE pod_zone (
    pod_num  smallint NOT NULL REFERENCES pod (num) ON DELETE CASCADE,
    position smallint NOT NULL,
    name     text     NOT NULL,
    pod_name text     NOT NULL,
    PRIMARY KEY (pod_num, position),
    UNIQUE (pod_num, name),
    UNIQUE (pod_num, pod_name)
);

CREATE TABLE project (
    num integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id  text    NOT NULL UNIQUE
);

-- Rows are many, so columns are ordered from wide to narrow: no byte is lost to alignment.
-- bottom_id is NULL where it equals top_id, which it does for most rows.
CREATE TABLE routing (
    id          bigint   GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created_at  bigint,
    updated_at  bigint   NOT NULL,
    project_num integer,
    pod_num     smallint NOT NULL,
    type        smallint NOT NULL,
    top_id      uuid     NOT NULL,
    bottom_id   uuid,
    UNIQUE (top_id, type, pod_num)
);
-- Seek over all projects; purge of one pod.
CREATE INDEX routing_pod ON routing (pod_num, type, created_at, top_id);
-- Seek within a project; listing by project.
CREATE INDEX routing_project ON routing (project_num, type, pod_num, created_at, top_id) WHERE project_num IS NOT NULL;
-- From what a pod says back to ours.
CREATE INDEX routing_bottom ON routing (bottom_id) WHERE bottom_id IS NOT NULL;

CREATE TABLE setting (
    name  text PRIMARY KEY,
    value text NOT NULL
);
