-- +goose Up

-- What the top owns: one table per kind, with the attributes of the API as JSON in doc. The other columns repeat what filters,
-- orders and constraints need; booleans are 0 and 1; text has the order of its bytes, as in SQLite. References are checked when a
-- transaction ends, so that an address or a segment can be claimed for what is about to be inserted.

CREATE TABLE network (
    id          uuid             NOT NULL PRIMARY KEY,
    project_id  text COLLATE "C" NOT NULL,
    name        text COLLATE "C" NOT NULL,
    is_external smallint         NOT NULL,
    revision    bigint           NOT NULL,
    created_at  bigint           NOT NULL,
    updated_at  bigint           NOT NULL,
    doc         json             NOT NULL
);
CREATE INDEX network_project ON network (project_id, id);
CREATE INDEX network_name ON network (name, id);
CREATE INDEX network_external ON network (is_external, id);

CREATE TABLE address_scope (
    id         uuid             NOT NULL PRIMARY KEY,
    project_id text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    revision   bigint           NOT NULL,
    created_at bigint           NOT NULL,
    updated_at bigint           NOT NULL,
    doc        json             NOT NULL
);
CREATE INDEX address_scope_project ON address_scope (project_id, id);
CREATE INDEX address_scope_name ON address_scope (name, id);

CREATE TABLE subnetpool (
    id               uuid             NOT NULL PRIMARY KEY,
    project_id       text COLLATE "C" NOT NULL,
    name             text COLLATE "C" NOT NULL,
    address_scope_id uuid                      REFERENCES address_scope (id) DEFERRABLE INITIALLY DEFERRED,
    revision         bigint           NOT NULL,
    created_at       bigint           NOT NULL,
    updated_at       bigint           NOT NULL,
    doc              json             NOT NULL
);
CREATE INDEX subnetpool_project ON subnetpool (project_id, id);
CREATE INDEX subnetpool_name ON subnetpool (name, id);
CREATE INDEX subnetpool_scope ON subnetpool (address_scope_id, id);

CREATE TABLE subnet (
    id            uuid             NOT NULL PRIMARY KEY,
    project_id    text COLLATE "C" NOT NULL,
    name          text COLLATE "C" NOT NULL,
    network_id    uuid             NOT NULL REFERENCES network (id) DEFERRABLE INITIALLY DEFERRED,
    subnetpool_id uuid                      REFERENCES subnetpool (id) DEFERRABLE INITIALLY DEFERRED,
    revision      bigint           NOT NULL,
    created_at    bigint           NOT NULL,
    updated_at    bigint           NOT NULL,
    doc           json             NOT NULL
);
CREATE INDEX subnet_project ON subnet (project_id, id);
CREATE INDEX subnet_name ON subnet (name, id);
CREATE INDEX subnet_network ON subnet (network_id, id);
CREATE INDEX subnet_pool ON subnet (subnetpool_id, id);

CREATE TABLE port (
    id           uuid             NOT NULL PRIMARY KEY,
    project_id   text COLLATE "C" NOT NULL,
    name         text COLLATE "C" NOT NULL,
    network_id   uuid             NOT NULL REFERENCES network (id) DEFERRABLE INITIALLY DEFERRED,
    device_id    text COLLATE "C" NOT NULL,
    device_owner text COLLATE "C" NOT NULL,
    mac_address  text COLLATE "C" NOT NULL,
    revision     bigint           NOT NULL,
    created_at   bigint           NOT NULL,
    updated_at   bigint           NOT NULL,
    doc          json             NOT NULL,
    UNIQUE (mac_address, network_id)
);
CREATE INDEX port_project ON port (project_id, id);
CREATE INDEX port_name ON port (name, id);
CREATE INDEX port_network ON port (network_id, id);
CREATE INDEX port_device ON port (device_id, id);
CREATE INDEX port_owner ON port (device_owner, id);

CREATE TABLE security_group (
    id         uuid             NOT NULL PRIMARY KEY,
    project_id text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    revision   bigint           NOT NULL,
    created_at bigint           NOT NULL,
    updated_at bigint           NOT NULL,
    doc        json             NOT NULL
);
CREATE INDEX security_group_project ON security_group (project_id, id);
CREATE INDEX security_group_name ON security_group (name, id);

CREATE TABLE security_group_rule (
    id                uuid             NOT NULL PRIMARY KEY,
    project_id        text COLLATE "C" NOT NULL,
    name              text COLLATE "C" NOT NULL,
    security_group_id uuid             NOT NULL REFERENCES security_group (id) DEFERRABLE INITIALLY DEFERRED,
    remote_group_id   uuid                      REFERENCES security_group (id) DEFERRABLE INITIALLY DEFERRED,
    revision          bigint           NOT NULL,
    created_at        bigint           NOT NULL,
    updated_at        bigint           NOT NULL,
    doc               json             NOT NULL
);
CREATE INDEX security_group_rule_project ON security_group_rule (project_id, id);
CREATE INDEX security_group_rule_group ON security_group_rule (security_group_id, id);
CREATE INDEX security_group_rule_remote ON security_group_rule (remote_group_id, id);

CREATE TABLE rbac_policy (
    id             uuid             NOT NULL PRIMARY KEY,
    project_id     text COLLATE "C" NOT NULL,
    name           text COLLATE "C" NOT NULL,
    object_type    text COLLATE "C" NOT NULL,
    object_id      uuid             NOT NULL,
    action         text COLLATE "C" NOT NULL,
    target_project text COLLATE "C" NOT NULL,
    revision       bigint           NOT NULL,
    created_at     bigint           NOT NULL,
    updated_at     bigint           NOT NULL,
    doc            json             NOT NULL,
    UNIQUE (object_id, object_type, action, target_project)
);
CREATE INDEX rbac_policy_project ON rbac_policy (project_id, id);
-- What others share with a project.
CREATE INDEX rbac_policy_target ON rbac_policy (target_project, object_type, action, object_id);

CREATE TABLE quota (
    id         uuid             NOT NULL PRIMARY KEY,
    project_id text COLLATE "C" NOT NULL UNIQUE,
    name       text COLLATE "C" NOT NULL,
    revision   bigint           NOT NULL,
    created_at bigint           NOT NULL,
    updated_at bigint           NOT NULL,
    doc        json             NOT NULL
);

CREATE TABLE tag (
    kind      text COLLATE "C" NOT NULL,
    tag       text COLLATE "C" NOT NULL,
    object_id uuid             NOT NULL,
    PRIMARY KEY (object_id, tag)
);
CREATE INDEX tag_tag ON tag (kind, tag, object_id);

CREATE TABLE port_group (
    group_id uuid NOT NULL REFERENCES security_group (id) DEFERRABLE INITIALLY DEFERRED,
    port_id  uuid NOT NULL REFERENCES port (id) DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (group_id, port_id)
);
CREATE INDEX port_group_port ON port_group (port_id);

-- ip: the 16 bytes of the IPv6 address, or of the IPv4 address mapped into IPv6. A port has it, or a pod uses it.
CREATE TABLE address (
    subnet_id uuid             NOT NULL REFERENCES subnet (id) DEFERRABLE INITIALLY DEFERRED,
    port_id   uuid                      REFERENCES port (id) DEFERRABLE INITIALLY DEFERRED,
    ip        bytea            NOT NULL,
    pod_num   smallint,
    used_for  text COLLATE "C" NOT NULL,
    PRIMARY KEY (subnet_id, ip)
);
CREATE INDEX address_ip ON address (ip);
CREATE INDEX address_port ON address (port_id);
CREATE INDEX address_pod ON address (subnet_id, pod_num) WHERE pod_num IS NOT NULL;

CREATE TABLE segment (
    network_type     text COLLATE "C" NOT NULL,
    physical_network text COLLATE "C" NOT NULL,
    segmentation_id  bigint           NOT NULL,
    network_id       uuid             NOT NULL REFERENCES network (id) DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (network_type, physical_network, segmentation_id)
);
CREATE INDEX segment_network ON segment (network_id);

CREATE TABLE default_group (
    project_id text COLLATE "C" NOT NULL PRIMARY KEY,
    group_id   uuid             NOT NULL REFERENCES security_group (id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX default_group_group ON default_group (group_id);

-- What of the above exists, or shall exist, or shall be gone (deleted_at) in which pod. It outlives what it realizes.
CREATE TABLE realization (
    kind       text COLLATE "C" NOT NULL,
    top_id     uuid             NOT NULL,
    pod_num    smallint         NOT NULL,
    bottom_id  uuid,
    revision   bigint           NOT NULL,
    deleted_at bigint,
    created_at bigint           NOT NULL,
    updated_at bigint           NOT NULL,
    detail     json             NOT NULL,
    PRIMARY KEY (kind, top_id, pod_num)
);
CREATE INDEX realization_bottom ON realization (bottom_id) WHERE bottom_id IS NOT NULL;
CREATE INDEX realization_pod ON realization (pod_num, kind, top_id);
CREATE INDEX realization_tombstone ON realization (kind, top_id, pod_num) WHERE deleted_at IS NOT NULL;

-- A row of it is changed by all transactions that must not run at once: see Tx.Serialize.
CREATE TABLE turn (
    slot  smallint NOT NULL PRIMARY KEY,
    taken bigint   NOT NULL
);
