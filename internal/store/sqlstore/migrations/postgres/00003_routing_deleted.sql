-- +goose Up

-- Since when the resource is known to be gone from its pod.
ALTER TABLE routing ADD COLUMN deleted_at bigint;
-- The servers (type 1) of a pod that is down, of one project and newest first. The type is a column too, for SQLite goes by how many
-- columns are given.
CREATE INDEX routing_live_servers ON routing (pod_num, type, project_num, created_at, top_id) WHERE type = 1 AND deleted_at IS NULL;
