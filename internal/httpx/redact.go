package httpx

import (
	"net/url"
	"strings"
)

const redacted = "***"

// secretWords mark the parameters whose values are not logged.
var secretWords = []string{
	"token", "password", "passwd", "adminpass", "secret", "signature", "auth_key", "api_key", "access_key",
}

// redactQuery keeps names, order and spelling of a query, without the values of secrets.
func redactQuery(raw string) string {
	if raw == "" {
		return ""
	}
	pairs := strings.Split(raw, "&")
	for i, pair := range pairs {
		name, _, ok := strings.Cut(pair, "=")
		if ok && isSecret(name) {
			pairs[i] = name + "=" + redacted
		}
	}
	return strings.Join(pairs, "&")
}

func isSecret(name string) bool {
	if plain, err := url.QueryUnescape(name); err == nil {
		name = plain
	}
	name = strings.ToLower(name)
	for _, word := range secretWords {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// redactPath hides the one secret that is part of a path: GET /os-console-auth-tokens/{console_token} of Nova.
func redactPath(path string) string {
	const before = "/os-console-auth-tokens/"
	if i := strings.Index(path, before); i >= 0 {
		return path[:i+len(before)] + redacted
	}
	return path
}
