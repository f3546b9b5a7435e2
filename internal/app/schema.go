package app

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/tricircle/tricircle/internal/config"
)

// Migrate brings the database of cfg to the schema of this program, and says what it did.
func Migrate(ctx context.Context, cfg *config.Config, out io.Writer) (err error) {
	s, err := open(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	n, err := s.Migrate(ctx)
	if err != nil {
		return err
	}
	current, _, err := s.Version(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%d migrations applied; the schema is at version %d\n", n, current)
	return err
}

// SchemaVersion returns the schema version of the database of cfg, and the one that this program needs.
func SchemaVersion(ctx context.Context, cfg *config.Config) (current, latest int64, err error) {
	s, err := open(ctx, cfg)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return s.Version(ctx)
}
