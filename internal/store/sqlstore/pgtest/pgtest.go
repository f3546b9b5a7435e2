//go:build unix

// Package pgtest runs a private PostgreSQL server for tests: in a temporary directory, on a Unix socket, gone with the
// test process. It is for tests only, and must not know what is stored.
package pgtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Server is a PostgreSQL server that starts when the first test asks for a database. The zero value is ready; keep one per
// test binary and have it stopped by Around in TestMain.
type Server struct {
	once     sync.Once
	startErr error

	mu        sync.Mutex
	databases int

	dir     string         // of data and socket
	command *exec.Cmd      // nil while not running
	alive   io.WriteCloser // the server runs as long as this is open
	drained chan struct{}  // closed when the server has closed its log
}

var errNoBinaries = errors.New(
	"PostgreSQL is not installed: initdb is neither in PATH nor in /usr/lib/postgresql/*/bin")

// NewDatabase creates an empty database that lives as long as the test, and returns its URL. Without PostgreSQL on the
// machine the test is skipped, or, where the environment says CI=true, fails.
func (s *Server) NewDatabase(t testing.TB) string {
	t.Helper()
	s.once.Do(func() { s.startErr = s.start() })
	if errors.Is(s.startErr, errNoBinaries) && os.Getenv("CI") != "true" {
		t.Skip(s.startErr)
	}
	if s.startErr != nil {
		t.Fatal(s.startErr)
	}
	s.mu.Lock()
	s.databases++
	name := "test" + strconv.Itoa(s.databases)
	s.mu.Unlock()
	if err := s.run("CREATE DATABASE " + name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.run("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return s.url(name)
}

// Installed tells whether PostgreSQL is on the machine, for tests that can do without.
func (s *Server) Installed() bool {
	_, err := findBinaries()
	return err == nil
}

// Around is m, after which the server is stopped: before whoever runs it, such as goleak, looks for what the tests have left.
func (s *Server) Around(m *testing.M) Tests { return around{m, s} }

// Tests are those of a test binary, as goleak and others run them.
type Tests interface{ Run() (exitCode int) }

type around struct {
	*testing.M
	server *Server
}

// Run implements Tests.
func (a around) Run() int {
	code := a.M.Run()
	if err := a.server.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stop PostgreSQL:", err)
		return 1
	}
	return code
}

// Stop ends the server, if it ever ran, and removes its files.
func (s *Server) Stop() error {
	if s.command == nil {
		return nil
	}
	err := s.alive.Close()
	<-s.drained
	return errors.Join(err, s.command.Wait())
}

func (s *Server) url(database string) string {
	u := url.URL{Scheme: "postgresql", User: url.User("tricircle"), Path: "/" + database,
		RawQuery: url.Values{"host": {s.dir}}.Encode()}
	return u.String()
}

func (s *Server) run(statement string) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}

// guardian runs the server ("$@") and ends it when standard input closes: on Stop, and also when the test process dies in
// any other way, so that no server is left behind. It lets go of the log, so that the log ends with the server. QUIT stops
// without a checkpoint; the data is thrown away anyhow.
const guardian = `dir=$1; shift
"$@" & server=$!
exec 2>/dev/null
cat >/dev/null
kill -QUIT $server
wait $server
rm -rf "$dir"`

func (s *Server) start() (err error) {
	bin, err := findBinaries()
	if err != nil {
		return err
	}
	account, err := unprivileged()
	if err != nil {
		return err
	}
	if s.dir, err = os.MkdirTemp("", "pgtest"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("start PostgreSQL: %w", err), os.RemoveAll(s.dir))
		}
	}()
	if account != nil {
		if err := os.Chown(s.dir, int(account.Uid), int(account.Gid)); err != nil {
			return err
		}
	}
	data := filepath.Join(s.dir, "data")
	initdb := s.as(account, filepath.Join(bin, "initdb"), "--pgdata="+data, "--auth=trust", "--username=tricircle",
		"--encoding=UTF8", "--no-locale", "--no-sync")
	if output, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, output)
	}
	return s.serve(s.as(account, "/bin/sh", "-c", guardian, "sh", s.dir, filepath.Join(bin, "postgres"), "-D", data,
		"-k", s.dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "synchronous_commit=off",
		"-c", "full_page_writes=off", "-c", "shared_buffers=64MB",
		"-c", "max_connections=500")) // tests in parallel, of several processes each
}

// serve starts the server and waits until it says that it is ready.
func (s *Server) serve(command *exec.Cmd) error {
	// A pipe of our own, since Cmd.StderrPipe is closed by Wait before all is read.
	log, logWriter, err := os.Pipe()
	if err != nil {
		return err
	}
	command.Stderr = logWriter
	alive, err := command.StdinPipe()
	if err != nil {
		return errors.Join(err, log.Close(), logWriter.Close())
	}
	err = command.Start()
	err = errors.Join(err, logWriter.Close()) // ours; the server has its own
	if err != nil {
		return errors.Join(err, log.Close())
	}
	ready, drained := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(drained)
		defer log.Close()
		follow(log, ready)
	}()
	if said := <-ready; said != "" {
		err := errors.New(said)
		return errors.Join(err, alive.Close(), command.Wait())
	}
	s.command, s.alive, s.drained = command, alive, drained
	return nil
}

// follow reads the server's log to its end. It sends "" to ready when the server accepts connections, or all that was said
// if it ends before.
func follow(log io.Reader, ready chan<- string) {
	var said strings.Builder
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		said.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), "database system is ready to accept connections") {
			ready <- ""
			_, _ = io.Copy(io.Discard, log) // an error is the end too
			return
		}
	}
	ready <- said.String() + "the server ended"
}

// as makes a command that runs as the account, or as ourselves if there is none.
func (s *Server) as(account *syscall.Credential, name string, args ...string) *exec.Cmd {
	c := exec.Command(name, args...)
	c.Dir = s.dir
	// Messages in English, and no PG* variables.
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	// A process group of its own: Ctrl-C is for the tests.
	c.SysProcAttr = &syscall.SysProcAttr{Credential: account, Setpgid: true}
	return c
}

// unprivileged returns whom to run the server as: PostgreSQL refuses to run as root. It is nil when we are not root.
func unprivileged() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		account, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("uid of %s: %w", account.Username, err)
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("gid of %s: %w", account.Username, err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// findBinaries returns the folder of the server's programs. Debian keeps them out of PATH, in one folder per release.
func findBinaries() (string, error) {
	if initdb, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(initdb), nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", errNoBinaries
	}
	return filepath.Dir(found[len(found)-1]), nil
}
