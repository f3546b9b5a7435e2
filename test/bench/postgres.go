package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	osuser "os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// errNoPostgres says that there are no programs of PostgreSQL.
var errNoPostgres = errors.New("PostgreSQL is not installed")

// startPostgres runs a PostgreSQL server with its own settings on a socket in a folder of its own, and returns the URL of a database.
// It does not run as root: then it is the user postgres.
func (b *bench) startPostgres(ctx context.Context) (_ *process, database string, err error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(found) == 0 {
		return nil, "", errors.Join(errNoPostgres, err)
	}
	bin := found[len(found)-1]
	dir, err := os.MkdirTemp("", "tricircle-bench-pg") // where others may look for the socket
	if err != nil {
		return nil, "", err
	}
	account, err := unprivileged(dir)
	if err != nil {
		return nil, "", err
	}
	as := func(cmd *exec.Cmd) *exec.Cmd {
		cmd.Dir, cmd.SysProcAttr = dir, &syscall.SysProcAttr{Credential: account}
		return cmd
	}
	data := filepath.Join(dir, "data")
	initdb := as(exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "--pgdata="+data, "--auth=trust", "--username=tricircle", "--encoding=UTF8", "--no-locale"))
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, "", fmt.Errorf("initdb: %w: %s", err, out)
	}
	p, err := b.prepare(ctx, "", filepath.Join(bin, "postgres"), "-D", data, "-k", dir, "-c", "listen_addresses=")
	if err != nil {
		return nil, "", err
	}
	p.folder = dir
	if err := as(p.cmd).Start(); err != nil {
		return nil, "", err
	}
	err = await(ctx, 30*time.Second, func() error {
		return as(exec.CommandContext(ctx, filepath.Join(bin, "createdb"), "-h", dir, "-U", "tricircle", "tricircle")).Run()
	})
	if err != nil {
		p.stop()
		return nil, "", fmt.Errorf("PostgreSQL does not start: %w: %s", err, p.complaint())
	}
	u := url.URL{Scheme: "postgresql", User: url.User("tricircle"), Path: "/tricircle", RawQuery: url.Values{"host": {dir}}.Encode()}
	return p, u.String(), nil
}

// unprivileged gives a folder to the user postgres, if this process is root's, and returns the user.
func unprivileged(dir string) (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	account, err := osuser.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, uidErr := strconv.ParseUint(account.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(account.Gid, 10, 32)
	if err := errors.Join(uidErr, gidErr); err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chown(dir, int(uid), int(gid))
}
