-- +goose Up

-- Shadows of ports: of which network, and what has to be looked at (due), in the order in which jobs read them.
ALTER TABLE realization ADD COLUMN network_id BLOB;
ALTER TABLE realization ADD COLUMN shadow INTEGER NOT NULL DEFAULT 0;
ALTER TABLE realization ADD COLUMN due INTEGER NOT NULL DEFAULT 0;
UPDATE realization SET network_id = (SELECT p.network_id FROM port p WHERE p.id = realization.top_id) WHERE kind = 'port';
UPDATE realization SET shadow = 1, due = 1 WHERE network_id IS NOT NULL AND detail ->> 'shadow' = 1;
CREATE INDEX realization_shadow ON realization (network_id, pod_num, top_id) WHERE shadow = 1;
CREATE INDEX realization_due ON realization (network_id, shadow, pod_num, top_id) WHERE due = 1;
