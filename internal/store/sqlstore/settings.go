package sqlstore

import (
	"context"
	"fmt"
)

type settingStatements struct{ get, put string }

func newSettingStatements(d *dialect) settingStatements {
	return settingStatements{
		get: d.bind(`SELECT value FROM setting WHERE name = ?`),
		put: d.bind(`
			INSERT INTO setting (name, value) VALUES (?, ?)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`),
	}
}

// GetSetting implements store.Settings.
func (s *Store) GetSetting(ctx context.Context, name string) (string, error) {
	values, err := query(ctx, s.read, scalar[string], s.settings.get, name)
	if err != nil {
		return "", fmt.Errorf("get setting %s: %w", name, err)
	}
	if len(values) == 0 {
		return "", nil
	}
	return values[0], nil
}

// PutSetting implements store.Settings.
func (s *Store) PutSetting(ctx context.Context, name, value string) error {
	if _, err := exec(ctx, s.write, s.settings.put, name, value); err != nil {
		return fmt.Errorf("put setting %s: %w", name, err)
	}
	return nil
}
