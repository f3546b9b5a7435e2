package obs

import "log/slog"

// redacted stands for a secret wherever it would be shown.
const redacted = "***"

// Secret is a password, a token or a URL that holds one. Loggers, fmt and encoders show it as ***, and an empty one as
// empty, because "not set" is what an operator wants to see. Only the conversion string(s) gives the value.
type Secret string

// String implements fmt.Stringer.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return `obs.Secret("` + s.String() + `")` }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements encoding.TextMarshaler, and so json.Marshal.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
