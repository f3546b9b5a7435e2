-- +goose Up

-- What the rules of new security groups are made from. It belongs to no project: project_id is empty.
CREATE TABLE default_security_group_rule (
    id         BLOB    NOT NULL PRIMARY KEY,
    project_id TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    revision   INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    doc        TEXT    NOT NULL
) STRICT;

-- What Neutron begins with (neutron/db/migration/alembic_migrations, c33da356b165, 2023.2), under ids that are the same everywhere:
-- all groups let everything out, and default groups let their own members in.
INSERT INTO default_security_group_rule (id, project_id, name, revision, created_at, updated_at, doc)
SELECT column1, '', '', 1, unixepoch() * 1000000, unixepoch() * 1000000,
       '{"description":"Legacy default SG rule for ' || column2 || ' traffic","direction":"' || column2
        || '","ethertype":"' || column3 || '","normalized_cidr":null,"port_range_max":null,"port_range_min":null,"protocol":null'
        || ',"remote_address_group_id":null,"remote_group_id":' || column4 || ',"remote_ip_prefix":null,"used_in_default_sg":true'
        || ',"used_in_non_default_sg":' || column5 || '}'
FROM (VALUES
    (x'0c7d4b526d1f4c0b9a5e3f1e2a7c9d01', 'egress', 'IPv4', 'null', 'true'),
    (x'0c7d4b526d1f4c0b9a5e3f1e2a7c9d02', 'egress', 'IPv6', 'null', 'true'),
    (x'0c7d4b526d1f4c0b9a5e3f1e2a7c9d03', 'ingress', 'IPv4', '"PARENT"', 'false'),
    (x'0c7d4b526d1f4c0b9a5e3f1e2a7c9d04', 'ingress', 'IPv6', '"PARENT"', 'false')
) t;
