-- +goose Up

CREATE TABLE address_group (
    id         uuid             NOT NULL PRIMARY KEY,
    project_id text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    revision   bigint           NOT NULL,
    created_at bigint           NOT NULL,
    updated_at bigint           NOT NULL,
    doc        json             NOT NULL
);
CREATE INDEX address_group_project ON address_group (project_id, id);
CREATE INDEX address_group_name ON address_group (name, id);

ALTER TABLE security_group_rule ADD COLUMN remote_address_group_id uuid REFERENCES address_group (id) DEFERRABLE INITIALLY DEFERRED;
CREATE INDEX security_group_rule_addresses ON security_group_rule (remote_address_group_id, id);
