//go:build unix

package pgtest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestServer_Databases_AreSeparateAndGoneAfterwards(t *testing.T) {
	var s Server
	var first string
	t.Run("tests", func(t *testing.T) {
		first = s.NewDatabase(t)
		for _, url := range []string{first, s.NewDatabase(t)} {
			conn, err := pgx.Connect(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Exec(t.Context(), "CREATE TABLE x (y int)"); err != nil {
				t.Errorf("database is not empty: %v", err)
			}
			if err := conn.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
	if s.command == nil {
		t.Skip("PostgreSQL is not installed")
	}
	if _, err := pgx.Connect(t.Context(), first); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("connecting after the test: %v, want the database gone", err)
	}
	dir := s.dir
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there after Stop", dir)
	}
}

func TestServer_Unused_StopsWithoutStarting(t *testing.T) {
	var s Server
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
}

// A server that dies at once must say why, not hang.
func TestServer_ServerFails_ReportsItsLog(t *testing.T) {
	s := Server{dir: t.TempDir()}
	command := s.as(nil, "/bin/sh", "-c", guardian, "sh", filepath.Join(s.dir, "x"), "/bin/sh", "-c", "echo no luck >&2")
	if err := s.serve(command); err == nil || !strings.Contains(err.Error(), "no luck") {
		t.Errorf("serve = %v, want the last words of the server", err)
	}
}
