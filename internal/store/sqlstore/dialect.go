package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
)

// dialect is what differs between the engines.
type dialect struct {
	name      string // also the folder of its migrations
	goose     goose.Dialect
	isolation sql.IsolationLevel // of write transactions: reads see one snapshot, and lost updates are errors
	numbered  bool               // placeholders are $1, $2, ... rather than ?
	prepares  bool               // statements must be prepared by us to be prepared once
	// routingRows, textRows, uuidRows, jobRows and realizationRows are SELECTs that turn one argument, a JSON array, into rows. So a statement
	// over any number of rows has a constant text and few arguments. Their columns: those of routingRow; "value"; "value"; those of
	// newJobRow; those of realizationRow.
	routingRows, textRows, uuidRows, jobRows, realizationRows string

	uuidType string // of a column of ids
	// oneOf begins a comparison with the ids of a SELECT, which follows, and then oneOfEnd. PostgreSQL uses indices for such a
	// condition within an OR only if it looks like an array.
	oneOf, oneOfEnd string
	position        string // the function that finds a text in another: 0 if it is not there
	// noIndex before a column keeps SQLite from walking through all rows of a table by an index only because it has the order that
	// is asked for. PostgreSQL knows how many rows that would be.
	noIndex string
	json    jsonTexts
	// uuid makes an argument of an id.
	uuid func(uuid.UUID) any
	// planned makes arguments of a statement that is planned for them each time. PostgreSQL would otherwise plan it once for arguments
	// as they are on average, and a project or a tag may be far from that.
	planned func(args []any) []any
	// abandon ends a transaction whose commit has failed.
	abandon func(*sql.Conn)
	// retryable says of an error of a transaction that running it once more may well succeed.
	retryable func(error) bool
}

// jsonTexts are expressions about an attribute in the column doc of a table o. Each ? is what member makes of its name.
type jsonTexts struct {
	value     string // JSON text; 'null' if it is not there
	text      string // a string as it is, anything else as JSON; NULL for null
	number    string // NULL if it is none
	addresses string // rows f with a column value: the elements of "fixed_ips"
	member    func(attr string) string
}

var sqliteDialect = dialect{
	name:      "sqlite",
	goose:     goose.DialectSQLite3,
	prepares:  true,
	isolation: sql.LevelDefault, // BEGIN IMMEDIATE, see sqliteDSN: writers run one after the other
	routingRows: `
		SELECT value ->> 'type' AS type, unhex(value ->> 'top_id', '-') AS top_id,
		       unhex(value ->> 'bottom_id', '-') AS bottom_id, value ->> 'pod_num' AS pod_num,
		       value ->> 'project' AS project, value ->> 'created_at' AS created_at,
		       value ->> 'deleted_at' AS deleted_at
		FROM json_each(?)`,
	textRows: `SELECT value FROM json_each(?)`,
	jobRows: `
		SELECT value ->> 'kind' AS kind, value ->> 'resource' AS resource, value ->> 'project_id' AS project_id,
		       value ->> 'pod_num' AS pod_num
		FROM json_each(?)`,
	realizationRows: `
		SELECT value ->> 'kind' AS kind, unhex(value ->> 'top_id', '-') AS top_id, value ->> 'pod_num' AS pod_num,
		       unhex(value ->> 'bottom_id', '-') AS bottom_id, value ->> 'revision' AS revision, value ->> 'deleted_at' AS deleted_at,
		       unhex(value ->> 'network_id', '-') AS network_id, value ->> 'shadow' AS shadow, value ->> 'due' AS due,
		       value ->> 'detail' AS detail
		FROM json_each(?)`,
	uuidRows: `SELECT unhex(value, '-') AS value FROM json_each(?)`,
	uuidType: `blob`,
	oneOf:    ` IN (`,
	oneOfEnd: `)`,
	position: `instr`,
	noIndex:  `+`,
	json: jsonTexts{
		value:     `COALESCE(o.doc -> ?, 'null')`,
		text:      `CAST(o.doc ->> ? AS text)`,
		number:    `CASE WHEN json_type(o.doc, ?) IN ('integer', 'real') THEN o.doc ->> ? END`,
		addresses: `json_each(o.doc, '$.fixed_ips') f`,
		member:    func(attr string) string { return `$."` + attr + `"` },
	},
	uuid:    func(id uuid.UUID) any { return id[:] },
	planned: func(args []any) []any { return args },
	// A transaction with a broken reference stays open: https://www.sqlite.org/foreignkeys.html#fk_deferred. If it is closed
	// already, that is what the error says.
	abandon: func(c *sql.Conn) { _, _ = c.ExecContext(context.Background(), "ROLLBACK") },
	retryable: func(err error) bool {
		// The low byte of an extended result code is the primary one: https://www.sqlite.org/rescode.html
		const busy, locked = 5, 6
		var e *sqlite.Error
		return errors.As(err, &e) && (e.Code()&0xff == busy || e.Code()&0xff == locked)
	},
}

var postgresDialect = dialect{
	name:      "postgres",
	goose:     goose.DialectPostgres,
	isolation: sql.LevelRepeatableRead,
	numbered:  true,
	routingRows: `
		SELECT type, top_id, bottom_id, pod_num, project, created_at, deleted_at
		FROM json_to_recordset(CAST(? AS json)) AS batch(
			type smallint, top_id uuid, bottom_id uuid, pod_num smallint, project text, created_at bigint, deleted_at bigint)`,
	textRows: `SELECT value FROM json_array_elements_text(CAST(? AS json))`,
	jobRows: `
		SELECT kind, resource, project_id, pod_num
		FROM json_to_recordset(CAST(? AS json)) AS batch(kind text, resource text, project_id text, pod_num integer)`,
	realizationRows: `
		SELECT kind, top_id, pod_num, bottom_id, revision, deleted_at, network_id, shadow, due, CAST(detail AS json) AS detail
		FROM json_to_recordset(CAST(? AS json)) AS batch(
			kind text, top_id uuid, pod_num smallint, bottom_id uuid, revision bigint, deleted_at bigint, network_id uuid,
			shadow smallint, due smallint, detail text)`,
	uuidRows: `SELECT CAST(value AS uuid) AS value FROM json_array_elements_text(CAST(? AS json))`,
	uuidType: `uuid`,
	oneOf:    ` = ANY (ARRAY(`,
	oneOfEnd: `))`,
	position: `strpos`,
	json: jsonTexts{
		value: `COALESCE(CAST(o.doc -> CAST(? AS text) AS text), 'null')`,
		text:  `(o.doc ->> CAST(? AS text)) COLLATE "C"`,
		number: `CASE WHEN json_typeof(o.doc -> CAST(? AS text)) = 'number'
			THEN CAST(o.doc ->> CAST(? AS text) AS numeric) END`,
		addresses: `json_array_elements(o.doc -> 'fixed_ips') f(value)`,
		member:    func(attr string) string { return attr },
	},
	uuid:    func(id uuid.UUID) any { return id.String() },
	planned: func(args []any) []any { return append([]any{pgx.QueryExecModeCacheDescribe}, args...) },
	abandon: func(*sql.Conn) {}, // the server has done so
	retryable: func(err error) bool {
		// What violates a constraint too: what it clashes with, or lacks, was committed after our snapshot, so the next run
		// sees it and says properly what is wrong.
		const (
			serializationFailure, deadlockDetected = "40001", "40P01"
			uniqueViolation, foreignKeyViolation   = "23505", "23503"
		)
		var e *pgconn.PgError
		return errors.As(err, &e) &&
			slices.Contains([]string{serializationFailure, deadlockDetected, uniqueViolation, foreignKeyViolation}, e.Code)
	},
}

// bind gives a statement the placeholders of the dialect. No statement of ours has a ? that is not a placeholder.
func (d *dialect) bind(text string) string {
	if !d.numbered {
		return text
	}
	var b strings.Builder
	for n := 1; ; n++ {
		before, after, found := strings.Cut(text, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString("$" + strconv.Itoa(n))
		text = after
	}
}

// connect makes the handles for a database URL. It never puts the URL into an error: it may hold a password.
func connect(rawURL string) (d *dialect, read, write *sql.DB, err error) {
	scheme, rest, _ := strings.Cut(rawURL, "://")
	switch scheme {
	case "sqlite":
		read, write, err = connectSQLite(rest)
		return &sqliteDialect, read, write, err
	case "postgres", "postgresql":
		db, err := connectPostgres(rawURL)
		return &postgresDialect, db, db, err
	default:
		return nil, nil, nil, errors.New("database URL must begin with sqlite://, postgresql:// or postgres://")
	}
}

const (
	sqliteReaders     = 8 // more do not help: a reader is bound by the processor
	postgresConns     = 32
	postgresIdleAfter = 5 * time.Minute
)

// connectSQLite makes two handles: one with the one connection that writes, so that writers queue up in Go rather than
// poll for the file lock, and one for readers, whom the write-ahead log lets go on meanwhile.
func connectSQLite(path string) (read, write *sql.DB, err error) {
	if strings.HasPrefix(path, "//") { // four slashes, as SQLAlchemy has it
		path = path[1:]
	}
	if path == "" {
		return nil, nil, errors.New("database URL sqlite:// lacks the path of a file")
	}
	if err := removeOrphanLog(path); err != nil {
		return nil, nil, err
	}
	if write, err = sql.Open("sqlite", sqliteDSN(path, "_txlock=immediate")); err != nil {
		return nil, nil, fmt.Errorf("open SQLite database %s: %w", path, err)
	}
	write.SetMaxOpenConns(1)
	if path == ":memory:" { // every connection would be a database of its own
		return write, write, nil
	}
	if read, err = sql.Open("sqlite", sqliteDSN(path, "_pragma=query_only(1)")); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open SQLite database %s: %w", path, err), write.Close())
	}
	read.SetMaxOpenConns(sqliteReaders)
	read.SetMaxIdleConns(sqliteReaders)
	return read, write, nil
}

// removeOrphanLog removes the write-ahead log of a database whose file somebody has deleted, for to SQLite it would be the log
// of the new one, and every statement fail with a disk I/O error.
func removeOrphanLog(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove what is left of a deleted database: %w", err)
		}
	}
	return nil
}

// sqliteDSN carries the pragmas, for they must hold on every connection of a pool.
func sqliteDSN(path, last string) string {
	u := url.URL{Path: path}
	return "file:" + u.EscapedPath() + "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)" +
		"&_pragma=synchronous(NORMAL)&_pragma=foreign_keys(1)&" + last
}

func connectPostgres(rawURL string) (*sql.DB, error) {
	config, err := pgx.ParseConfig(rawURL)
	if err != nil {
		return nil, fmt.Errorf("database URL: %w", err) // pgx masks the password
	}
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(postgresConns)
	db.SetMaxIdleConns(postgresConns) // by default database/sql keeps two and opens the others anew each time
	db.SetConnMaxIdleTime(postgresIdleAfter)
	return db, nil
}
