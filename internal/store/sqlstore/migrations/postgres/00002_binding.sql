-- +goose Up

-- Order and comparison of projects by bytes, as in SQLite.
CREATE TABLE binding (
    project_id text     COLLATE "C" PRIMARY KEY,
    pod_num    smallint NOT NULL REFERENCES pod (num) ON DELETE CASCADE,
    created_at bigint   NOT NULL,
    updated_at bigint   NOT NULL
);
-- For the deletion of a pod.
CREATE INDEX binding_pod ON binding (pod_num);
