-- +goose Up

CREATE TABLE address_group (
    id         BLOB    NOT NULL PRIMARY KEY,
    project_id TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    revision   INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    doc        TEXT    NOT NULL
) STRICT;
CREATE INDEX address_group_project ON address_group (project_id, id);
CREATE INDEX address_group_name ON address_group (name, id);

ALTER TABLE security_group_rule ADD COLUMN remote_address_group_id BLOB REFERENCES address_group (id) DEFERRABLE INITIALLY DEFERRED;
CREATE INDEX security_group_rule_addresses ON security_group_rule (remote_address_group_id, id);
