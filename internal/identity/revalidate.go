package identity

import (
	"context"
	"crypto/sha256"
)

// Revalidator can ask Keystone about a token that it has an opinion of already.
type Revalidator interface {
	// Revalidate is Validate with the cached verdict thrown away.
	Revalidate(ctx context.Context, token string) (*Caller, error)
}

var _ Revalidator = (*Keystone)(nil)

// Revalidate implements Revalidator.
func (k *Keystone) Revalidate(ctx context.Context, token string) (*Caller, error) {
	k.cache.Invalidate(tokenHash(sha256.Sum256([]byte(token))))
	return k.Validate(ctx, token)
}
