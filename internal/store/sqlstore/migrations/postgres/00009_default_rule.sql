-- +goose Up

-- What the rules of new security groups are made from. It belongs to no project: project_id is empty.
CREATE TABLE default_security_group_rule (
    id         uuid             NOT NULL PRIMARY KEY,
    project_id text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    revision   bigint           NOT NULL,
    created_at bigint           NOT NULL,
    updated_at bigint           NOT NULL,
    doc        json             NOT NULL
);

-- What Neutron begins with (neutron/db/migration/alembic_migrations, c33da356b165, 2023.2), under ids that are the same everywhere:
-- all groups let everything out, and default groups let their own members in.
INSERT INTO default_security_group_rule (id, project_id, name, revision, created_at, updated_at, doc)
SELECT column1::uuid, '', '', 1, extract(epoch FROM now())::bigint * 1000000, extract(epoch FROM now())::bigint * 1000000,
       ('{"description":"Legacy default SG rule for ' || column2 || ' traffic","direction":"' || column2
        || '","ethertype":"' || column3 || '","normalized_cidr":null,"port_range_max":null,"port_range_min":null,"protocol":null'
        || ',"remote_address_group_id":null,"remote_group_id":' || column4 || ',"remote_ip_prefix":null,"used_in_default_sg":true'
        || ',"used_in_non_default_sg":' || column5 || '}')::json
FROM (VALUES
    ('0c7d4b52-6d1f-4c0b-9a5e-3f1e2a7c9d01', 'egress', 'IPv4', 'null', 'true'),
    ('0c7d4b52-6d1f-4c0b-9a5e-3f1e2a7c9d02', 'egress', 'IPv6', 'null', 'true'),
    ('0c7d4b52-6d1f-4c0b-9a5e-3f1e2a7c9d03', 'ingress', 'IPv4', '"PARENT"', 'false'),
    ('0c7d4b52-6d1f-4c0b-9a5e-3f1e2a7c9d04', 'ingress', 'IPv6', '"PARENT"', 'false')
) t;
