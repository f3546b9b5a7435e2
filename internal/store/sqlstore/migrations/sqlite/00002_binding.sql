-- +goose Up

CREATE TABLE binding (
    project_id TEXT    PRIMARY KEY,
    pod_num    INTEGER NOT NULL REFERENCES pod (num) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- For the deletion of a pod.
CREATE INDEX binding_pod ON binding (pod_num);
