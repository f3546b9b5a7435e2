-- +goose Up

CREATE TABLE trunk (
    id         BLOB    NOT NULL PRIMARY KEY,
    project_id TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    port_id    BLOB    NOT NULL REFERENCES port (id) DEFERRABLE INITIALLY DEFERRED,
    revision   INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    doc        TEXT    NOT NULL
) STRICT;
CREATE INDEX trunk_project ON trunk (project_id, id);
CREATE INDEX trunk_name ON trunk (name, id);
CREATE UNIQUE INDEX trunk_port ON trunk (port_id);
