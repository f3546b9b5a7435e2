package sqlstore

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tricircle/tricircle/internal/store"
	"github.com/tricircle/tricircle/internal/store/sqlstore/pgtest"
	"github.com/tricircle/tricircle/internal/store/storetest"
)

// postgres starts with the first test that needs it.
var postgres pgtest.Server

func TestMain(m *testing.M) { goleak.VerifyTestMain(postgres.Around(m)) }

// engine is a way to store. Its url is that of a new, empty database.
type engine struct {
	name string
	url  func(t testing.TB) string
}

var (
	sqliteFile = engine{"SQLite", func(t testing.TB) string {
		return "sqlite://" + filepath.Join(t.TempDir(), "odd name?#100%.db")
	}}
	sqliteMemory = engine{"SQLiteInMemory", func(testing.TB) string { return "sqlite://:memory:" }}
	postgreSQL   = engine{"PostgreSQL", func(t testing.TB) string { return postgres.NewDatabase(t) }}
)

func open(t testing.TB, url string) *Store {
	t.Helper()
	s, err := Open(t.Context(), url, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func openMigrated(t testing.TB, e engine) *Store {
	t.Helper()
	s := open(t, e.url(t))
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore_EveryEngine_Conforms(t *testing.T) {
	for _, e := range []engine{sqliteFile, sqliteMemory, postgreSQL} {
		t.Run(e.name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) store.Store { return openMigrated(t, e) })
		})
	}
}

func TestOpen_BadURL_SaysWhyWithoutPassword(t *testing.T) {
	for _, test := range []struct{ url, want string }{
		{"", "must begin with"},
		{"mysql://user:hunter2@host/db", "must begin with"},
		{"sqlite://", "lacks the path"},
		{"sqlite:///nonexistent/folder/x.db", "open sqlite database"},
		{"postgresql://user:hunter2@host:99999999/db", "database URL"},
		{"postgresql://user:hunter2@/db?host=/nonexistent", "open postgres database"},
	} {
		s, err := Open(t.Context(), test.url, time.Now)
		if err == nil {
			t.Errorf("Open(%q) succeeded: %v", test.url, s.Close())
			continue
		}
		if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Open(%q): %v; want a message with %q and without the password", test.url, err, test.want)
		}
	}
}

func TestOpen_RelativePath_IsBelowWorkingDirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	open(t, "sqlite://./x.db")
	if _, err := os.Stat("x.db"); err != nil {
		t.Error(err)
	}
}

func TestOpen_SQLitePragmas_HoldOnEveryConnection(t *testing.T) {
	s := open(t, sqliteFile.url(t))
	for range 2 { // the one that Open left idle, and, that being held, a new one
		conn, err := s.read.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for pragma, want := range map[string]string{
			"journal_mode": "wal", "synchronous": "1", "foreign_keys": "1", "busy_timeout": "10000", "query_only": "1",
		} {
			var got string
			if err := conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
				t.Errorf("%s = %q, %v; want %q", pragma, got, err, want)
			}
		}
	}
	if _, err := exec(t.Context(), s.read, "CREATE TABLE x (y)"); err == nil {
		t.Error("the handle for reading can write")
	}
}

// A reader must not wait for a writer: a list of a user goes on while a rebuild writes.
func TestSQLite_OpenWriteTransaction_DoesNotBlockReaders(t *testing.T) {
	s := openMigrated(t, sqliteFile)
	tx, err := s.write.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := exec(t.Context(), tx, s.settings.put, "name", "value"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if got, err := s.GetSetting(ctx, "name"); err != nil || got != "" {
		t.Errorf("GetSetting = %q, %v; want what was committed", got, err)
	}
}

func TestStore_Clock_StampsRows(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 123456789, time.FixedZone("", 3600))
	s, err := Open(t.Context(), "sqlite://:memory:", func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := time.Date(2026, 11, 22, 11, 0, 0, 123456000, time.UTC)
	pod, err := s.CreatePod(t.Context(), store.Pod{ID: "x", RegionName: "r", CreatedAt: now.Add(1), UpdatedAt: now.Add(1)})
	if err != nil || pod.CreatedAt != want || pod.UpdatedAt != want {
		t.Errorf("CreatePod: %+v, %v; want it stamped with %v", pod, err, want)
	}
	routing := store.Routing{Type: store.Server, TopID: "6ba7b810-9dad-41d1-80b4-00c04fd430c8", PodNum: pod.Num}
	if ok, err := s.ClaimRouting(t.Context(), routing); err != nil || !ok {
		t.Fatalf("ClaimRouting = %v, %v", ok, err)
	}
	rows, err := s.LookupRouting(t.Context(), routing.Type, routing.TopID)
	if err != nil || len(rows) != 1 || rows[0].UpdatedAt != want {
		t.Errorf("LookupRouting = %+v, %v; want it stamped with %v", rows, err, want)
	}
}

func TestOpen_FileDeletedByHand_LogIsNotTakenForTheNewOnes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "top.db")
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.WriteFile(path+suffix, []byte("left over"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(t.Context(), "sqlite://"+path, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestOpen_FourSlashes_AreAnAbsolutePathToo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "top.db")
	s, err := Open(t.Context(), "sqlite:///"+path, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}
