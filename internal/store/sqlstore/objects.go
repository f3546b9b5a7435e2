package sqlstore

import (
	"fmt"
	"strings"
	"time"

	"github.com/tricircle/tricircle/internal/store"
)

// columnType says how the value of an attribute becomes one of a column.
type columnType int

const (
	textColumn columnType = iota // what has no value is the empty string
	uuidColumn                   // what has no value is NULL
	boolColumn                   // 0 or 1; what has no value is 0
	intColumn
	timeColumn // microseconds since 1970
)

// objectColumn repeats an attribute, so that it can be found and compared.
type objectColumn struct {
	attr     string
	name     string
	typ      columnType
	nullable bool
}

// fieldColumns are those that every kind of object has: what are fields of store.Object.
var fieldColumns = []objectColumn{
	{"id", "id", uuidColumn, false},
	{"project_id", "project_id", textColumn, false},
	{"revision_number", "revision", intColumn, false},
	{"created_at", "created_at", timeColumn, false},
	{"updated_at", "updated_at", timeColumn, false},
}

var nameColumn = objectColumn{"name", "name", textColumn, false}

// objectTable is what is special about a kind. Its table has the name of the kind.
type objectTable struct {
	columns []objectColumn // of attributes
	// unique are columns that no two rows share all of, and conflict what a clash of them is called.
	unique   []string
	conflict string
	// A project sees, beside its own, those whose column seenBy is among the ids of the SELECT seen. Its one argument is the
	// project. "" stands for nothing.
	seenBy, seen string
	public       bool        // every project sees all of them
	shared       bool        // by RBAC policies, for the filter of that name
	uses         []reference // those whose rows keep an object from being deleted
	owns         []reference // those whose rows go with it
}

// reference is a column that refers to an object, and more of a condition.
type reference struct{ table, column, and string }

// sharedWith selects what RBAC policies share with a project. What lets it see a network is more than what shares it: the
// filter of external networks in neutron/db/external_net_db.py, Zed.
const (
	sharedWith   = `SELECT object_id FROM rbac_policy WHERE target_project IN ('*', ?) AND object_type = `
	sharedBy     = ` AND action IN ('access_as_shared', 'access_as_readonly')`
	sharedBySome = ` AND action IN ('access_as_shared', 'access_as_readonly', 'access_as_external')`
)

// objectTables is all that is known of kinds. Whoever sees what: query_with_hooks in neutron_lib/db/model_query.py, the filters that
// neutron/db registers there, and neutron/conf/policies/security_group.py, all Zed.
var objectTables = map[store.ObjectKind]*objectTable{
	store.KindNetwork: {
		columns: []objectColumn{nameColumn, {"router:external", "is_external", boolColumn, false}},
		seenBy:  "id", seen: sharedWith + `'network'` + sharedBySome,
		shared: true,
		uses:   []reference{{"subnet", "network_id", ""}, {"port", "network_id", ""}},
		owns:   []reference{{"segment", "network_id", ""}},
	},
	store.KindSubnet: {
		columns: []objectColumn{nameColumn, {"network_id", "network_id", uuidColumn, false},
			{"subnetpool_id", "subnetpool_id", uuidColumn, true}},
		seenBy: "network_id", seen: sharedWith + `'network'` + sharedBy,
		uses: []reference{{"address", "subnet_id", " AND port_id IS NOT NULL"}},
		owns: []reference{{"address", "subnet_id", ""}},
	},
	store.KindPort: {
		columns: []objectColumn{nameColumn, {"network_id", "network_id", uuidColumn, false},
			{"device_id", "device_id", textColumn, false}, {"device_owner", "device_owner", textColumn, false},
			{"mac_address", "mac_address", textColumn, false}},
		unique: []string{"mac_address", "network_id"}, conflict: "mac_address",
		seenBy: "network_id", seen: `SELECT id FROM network WHERE project_id = ?`,
		uses: []reference{{"trunk", "port_id", ""}},
		owns: []reference{{"address", "port_id", ""}, {"port_group", "port_id", ""}},
	},
	store.KindSubnetPool: {
		columns: []objectColumn{nameColumn, {"address_scope_id", "address_scope_id", uuidColumn, true}},
		seenBy:  "id", seen: sharedWith + `'subnetpool'` + sharedBy,
		shared: true,
		uses:   []reference{{"subnet", "subnetpool_id", ""}},
	},
	store.KindAddressScope: {
		columns: []objectColumn{nameColumn},
		seenBy:  "id", seen: sharedWith + `'address_scope'` + sharedBy,
		shared: true,
		uses:   []reference{{"subnetpool", "address_scope_id", ""}},
	},
	store.KindAddressGroup: {
		columns: []objectColumn{nameColumn},
		uses:    []reference{{"security_group_rule", "remote_address_group_id", ""}},
	},
	store.KindSecurityGroup: {
		columns: []objectColumn{nameColumn},
		seenBy:  "id", seen: sharedWith + `'security_group'` + sharedBy,
		shared: true,
		uses: []reference{{"port_group", "group_id", ""},
			{"security_group_rule", "remote_group_id", " AND security_group_id <> remote_group_id"}},
		owns: []reference{{"security_group_rule", "security_group_id", ""}, {"default_group", "group_id", ""}},
	},
	store.KindSecurityGroupRule: {
		columns: []objectColumn{nameColumn, {"security_group_id", "security_group_id", uuidColumn, false},
			{"remote_group_id", "remote_group_id", uuidColumn, true}, {"remote_address_group_id", "remote_address_group_id", uuidColumn, true}},
		seenBy: "security_group_id", seen: `SELECT id FROM security_group WHERE project_id = ?`,
	},
	store.KindDefaultRule: {columns: []objectColumn{nameColumn}, public: true},
	store.KindRBACPolicy: {
		columns: []objectColumn{nameColumn, {"object_type", "object_type", textColumn, false},
			{"object_id", "object_id", uuidColumn, false}, {"action", "action", textColumn, false},
			{"target_project", "target_project", textColumn, false}},
		unique: []string{"object_id", "object_type", "action", "target_project"}, conflict: "rbac_policy",
	},
	store.KindTrunk: {
		columns: []objectColumn{nameColumn, {"port_id", "port_id", uuidColumn, false}},
		unique:  []string{"port_id"}, conflict: "port_id",
	},
	store.KindQuota: {
		columns: []objectColumn{nameColumn},
		unique:  []string{"project_id"}, conflict: "project_id",
	},
}

func tableOf(kind store.ObjectKind) (*objectTable, error) {
	t, known := objectTables[kind]
	if !known {
		return nil, fmt.Errorf("no objects of kind %q", kind)
	}
	return t, nil
}

// column returns the column that repeats an attribute, or nil.
func (t *objectTable) column(attr string) *objectColumn {
	for _, columns := range [][]objectColumn{fieldColumns, t.columns} {
		for i := range columns {
			if columns[i].attr == attr {
				return &columns[i]
			}
		}
	}
	return nil
}

// argument makes of the value of an attribute what the column holds. It fails for values of another type.
func (c *objectColumn) argument(d *dialect, value any) (any, error) {
	switch v := value.(type) {
	case nil:
		switch c.typ {
		case textColumn:
			return "", nil
		case boolColumn:
			return 0, nil
		case uuidColumn:
			return nil, nil
		}
	case string:
		switch c.typ {
		case textColumn:
			return v, nil
		case uuidColumn:
			id, err := parseID(v)
			if err != nil {
				return nil, err
			}
			return d.uuid(id), nil
		case timeColumn:
			at, err := time.Parse(time.RFC3339, v)
			return at.UnixMicro(), err
		}
	case bool:
		if c.typ == boolColumn && v {
			return 1, nil
		}
		if c.typ == boolColumn {
			return 0, nil
		}
	case int:
		if c.typ == intColumn {
			return int64(v), nil
		}
	case int64:
		if c.typ == intColumn {
			return v, nil
		}
	case time.Time:
		if c.typ == timeColumn {
			return v.UnixMicro(), nil
		}
	}
	return nil, fmt.Errorf("%s: %T is no value of it", c.attr, value)
}

// objectFields are what scanObject scans. Documents are asked for as text, which is copied less often on its way.
const objectFields = `o.id, o.project_id, o.revision, o.created_at, o.updated_at, CAST(o.doc AS text)`

// objectStatements are those of one kind.
type objectStatements struct {
	get, insert, update, touch, remove, revision string
	clash                                        string // another row with the same unique columns; "" if there are none
	uses, owns                                   []string
}

func newObjectStatements(d *dialect) map[store.ObjectKind]*objectStatements {
	all := make(map[store.ObjectKind]*objectStatements, len(objectTables))
	for kind, t := range objectTables {
		table := string(kind)
		var names, sets strings.Builder
		for _, c := range t.columns {
			names.WriteString(c.name + ", ")
			sets.WriteString(c.name + " = ?, ")
		}
		values := strings.Repeat("?, ", len(t.columns)+5) + "?"
		st := &objectStatements{
			get: d.bind(`SELECT ` + objectFields + ` FROM ` + table + ` o WHERE o.id = ?`),
			// What clashes with a row that the transaction sees is left out, and the transaction goes on; what clashes with one that
			// came into being since fails, and the transaction runs again.
			insert: d.bind(`
				INSERT INTO ` + table + ` (` + names.String() + `id, project_id, revision, created_at, updated_at, doc)
				VALUES (` + values + `) ON CONFLICT DO NOTHING`),
			update: d.bind(`
				UPDATE ` + table + ` SET ` + sets.String() + `revision = revision + 1, updated_at = ?, doc = ?
				WHERE id = ? AND revision = ?`),
			touch: d.bind(`
				UPDATE ` + table + ` SET revision = revision WHERE id` + d.oneOf + d.uuidRows + d.oneOfEnd),
			remove:   d.bind(`DELETE FROM ` + table + ` WHERE id = ?`),
			revision: d.bind(`SELECT revision FROM ` + table + ` WHERE id = ?`),
		}
		if len(t.unique) > 0 {
			st.clash = d.bind(`
				SELECT 1 FROM ` + table + ` WHERE ` + strings.Join(t.unique, ` = ? AND `) + ` = ? AND id <> ?`)
		}
		for _, r := range t.uses {
			st.uses = append(st.uses, d.bind(`SELECT 1 FROM `+r.table+` WHERE `+r.column+` = ?`+r.and+` LIMIT 1`))
		}
		for _, r := range t.owns {
			st.owns = append(st.owns, d.bind(`DELETE FROM `+r.table+` WHERE `+r.column+` = ?`+r.and))
		}
		all[kind] = st
	}
	return all
}
