-- +goose Up

CREATE TABLE trunk (
    id         uuid             NOT NULL PRIMARY KEY,
    project_id text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    port_id    uuid             NOT NULL REFERENCES port (id) DEFERRABLE INITIALLY DEFERRED,
    revision   bigint           NOT NULL,
    created_at bigint           NOT NULL,
    updated_at bigint           NOT NULL,
    doc        json             NOT NULL
);
CREATE INDEX trunk_project ON trunk (project_id, id);
CREATE INDEX trunk_name ON trunk (name, id);
CREATE UNIQUE INDEX trunk_port ON trunk (port_id);
