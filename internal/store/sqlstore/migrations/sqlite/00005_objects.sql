-- +goose Up

-- What the top owns: one table per kind, with the attributes of the API as JSON in doc. The other columns repeat what filters,
-- orders and constraints need; booleans are 0 and 1. References are checked when a transaction ends, so that an address or a segment
-- can be claimed for what is about to be inserted.

CREATE TABLE network (
    id          BLOB    NOT NULL PRIMARY KEY,
    project_id  TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    is_external INTEGER NOT NULL,
    revision    INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    doc         TEXT    NOT NULL
) STRICT;
CREATE INDEX network_project ON network (project_id, id);
CREATE INDEX network_name ON network (name, id);
CREATE INDEX network_external ON network (is_external, id);

CREATE TABLE address_scope (
    id         BLOB    NOT NULL PRIMARY KEY,
    project_id TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    revision   INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    doc        TEXT    NOT NULL
) STRICT;
CREATE INDEX address_scope_project ON address_scope (project_id, id);
CREATE INDEX address_scope_name ON address_scope (name, id);

CREATE TABLE subnetpool (
    id               BLOB    NOT NULL PRIMARY KEY,
    project_id       TEXT    NOT NULL,
    name             TEXT    NOT NULL,
    address_scope_id BLOB             REFERENCES address_scope (id) DEFERRABLE INITIALLY DEFERRED,
    revision         INTEGER NOT NULL,
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    doc              TEXT    NOT NULL
) STRICT;
CREATE INDEX subnetpool_project ON subnetpool (project_id, id);
CREATE INDEX subnetpool_name ON subnetpool (name, id);
CREATE INDEX subnetpool_scope ON subnetpool (address_scope_id, id);

CREATE TABLE subnet (
    id            BLOB    NOT NULL PRIMARY KEY,
    project_id    TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    network_id    BLOB    NOT NULL REFERENCES network (id) DEFERRABLE INITIALLY DEFERRED,
    subnetpool_id BLOB             REFERENCES subnetpool (id) DEFERRABLE INITIALLY DEFERRED,
    revision      INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    doc           TEXT    NOT NULL
) STRICT;
CREATE INDEX subnet_project ON subnet (project_id, id);
CREATE INDEX subnet_name ON subnet (name, id);
CREATE INDEX subnet_network ON subnet (network_id, id);
CREATE INDEX subnet_pool ON subnet (subnetpool_id, id);

CREATE TABLE port (
    id           BLOB    NOT NULL PRIMARY KEY,
    project_id   TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    network_id   BLOB    NOT NULL REFERENCES network (id) DEFERRABLE INITIALLY DEFERRED,
    device_id    TEXT    NOT NULL,
    device_owner TEXT    NOT NULL,
    mac_address  TEXT    NOT NULL,
    revision     INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    doc          TEXT    NOT NULL,
    UNIQUE (mac_address, network_id)
) STRICT;
CREATE INDEX port_project ON port (project_id, id);
CREATE INDEX port_name ON port (name, id);
CREATE INDEX port_network ON port (network_id, id);
CREATE INDEX port_device ON port (device_id, id);
CREATE INDEX port_owner ON port (device_owner, id);

CREATE TABLE security_group (
    id         BLOB    NOT NULL PRIMARY KEY,
    project_id TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    revision   INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    doc        TEXT    NOT NULL
) STRICT;
CREATE INDEX security_group_project ON security_group (project_id, id);
CREATE INDEX security_group_name ON security_group (name, id);

CREATE TABLE security_group_rule (
    id                BLOB    NOT NULL PRIMARY KEY,
    project_id        TEXT    NOT NULL,
    name              TEXT    NOT NULL,
    security_group_id BLOB    NOT NULL REFERENCES security_group (id) DEFERRABLE INITIALLY DEFERRED,
    remote_group_id   BLOB             REFERENCES security_group (id) DEFERRABLE INITIALLY DEFERRED,
    revision          INTEGER NOT NULL,
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL,
    doc               TEXT    NOT NULL
) STRICT;
CREATE INDEX security_group_rule_project ON security_group_rule (project_id, id);
CREATE INDEX security_group_rule_group ON security_group_rule (security_group_id, id);
CREATE INDEX security_group_rule_remote ON security_group_rule (remote_group_id, id);

CREATE TABLE rbac_policy (
    id             BLOB    NOT NULL PRIMARY KEY,
    project_id     TEXT    NOT NULL,
    name           TEXT    NOT NULL,
    object_type    TEXT    NOT NULL,
    object_id      BLOB    NOT NULL,
    action         TEXT    NOT NULL,
    target_project TEXT    NOT NULL,
    revision       INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    doc            TEXT    NOT NULL,
    UNIQUE (object_id, object_type, action, target_project)
) STRICT;
CREATE INDEX rbac_policy_project ON rbac_policy (project_id, id);
-- What others share with a project.
CREATE INDEX rbac_policy_target ON rbac_policy (target_project, object_type, action, object_id);

CREATE TABLE quota (
    id         BLOB    NOT NULL PRIMARY KEY,
    project_id TEXT    NOT NULL UNIQUE,
    name       TEXT    NOT NULL,
    revision   INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    doc        TEXT    NOT NULL
) STRICT;

CREATE TABLE tag (
    kind      TEXT NOT NULL,
    tag       TEXT NOT NULL,
    object_id BLOB NOT NULL,
    PRIMARY KEY (object_id, tag)
) STRICT, WITHOUT ROWID;
CREATE INDEX tag_tag ON tag (kind, tag, object_id);

CREATE TABLE port_group (
    group_id BLOB NOT NULL REFERENCES security_group (id) DEFERRABLE INITIALLY DEFERRED,
    port_id  BLOB NOT NULL REFERENCES port (id) DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (group_id, port_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX port_group_port ON port_group (port_id);

-- ip: the 16 bytes of the IPv6 address, or of the IPv4 address mapped into IPv6. A port has it, or a pod uses it.
CREATE TABLE address (
    subnet_id BLOB    NOT NULL REFERENCES subnet (id) DEFERRABLE INITIALLY DEFERRED,
    port_id   BLOB             REFERENCES port (id) DEFERRABLE INITIALLY DEFERRED,
    ip        BLOB    NOT NULL,
    pod_num   INTEGER,
    used_for  TEXT    NOT NULL,
    PRIMARY KEY (subnet_id, ip)
) STRICT, WITHOUT ROWID;
CREATE INDEX address_ip ON address (ip);
CREATE INDEX address_port ON address (port_id);
CREATE INDEX address_pod ON address (subnet_id, pod_num) WHERE pod_num IS NOT NULL;

CREATE TABLE segment (
    network_type     TEXT    NOT NULL,
    physical_network TEXT    NOT NULL,
    segmentation_id  INTEGER NOT NULL,
    network_id       BLOB    NOT NULL REFERENCES network (id) DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (network_type, physical_network, segmentation_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX segment_network ON segment (network_id);

CREATE TABLE default_group (
    project_id TEXT NOT NULL PRIMARY KEY,
    group_id   BLOB NOT NULL REFERENCES security_group (id) DEFERRABLE INITIALLY DEFERRED
) STRICT, WITHOUT ROWID;
CREATE INDEX default_group_group ON default_group (group_id);

-- What of the above exists, or shall exist, or shall be gone (deleted_at) in which pod. It outlives what it realizes.
CREATE TABLE realization (
    kind       TEXT    NOT NULL,
    top_id     BLOB    NOT NULL,
    pod_num    INTEGER NOT NULL,
    bottom_id  BLOB,
    revision   INTEGER NOT NULL,
    deleted_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    detail     TEXT    NOT NULL,
    PRIMARY KEY (kind, top_id, pod_num)
) STRICT, WITHOUT ROWID;
CREATE INDEX realization_bottom ON realization (bottom_id) WHERE bottom_id IS NOT NULL;
CREATE INDEX realization_pod ON realization (pod_num, kind, top_id);
CREATE INDEX realization_tombstone ON realization (kind, top_id, pod_num) WHERE deleted_at IS NOT NULL;

-- A row of it is changed by all transactions that must not run at once: see Tx.Serialize.
CREATE TABLE turn (
    slot  INTEGER NOT NULL PRIMARY KEY,
    taken INTEGER NOT NULL
) STRICT;
