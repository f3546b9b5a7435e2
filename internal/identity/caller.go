// Package identity tells who makes a request: it validates tokens at Keystone, remembers the answers for a while, and puts
// the caller into the context.
//
// It decides nothing about what a caller may do. Of ours it imports only fault and obs.
package identity

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tricircle/tricircle/internal/obs"
)

// ErrInvalidToken is what a Validator returns for a token that is unknown, expired or revoked.
var ErrInvalidToken = errors.New("invalid token")

// Caller is who makes a request, as the token says. What its scope does not have is empty. Callers share the memory of
// their roles, so they are read only.
type Caller struct {
	UserID, UserName, UserDomainID          string
	ProjectID, ProjectName, ProjectDomainID string     // of a token scoped to a project
	DomainID                                string     // of a token scoped to a domain
	SystemScope                             string     // "all" of a token scoped to the system
	Roles                                   []string   // names
	IsAdminProject                          bool       // true also where Keystone has no admin project configured
	ExpiresAt                               time.Time  // of the token
	Token                                   obs.Secret // to go on to the pods
}

// HasRole tells whether the caller has a role. Names of roles are compared as oslo.policy does, without case
// (oslo_policy/_checks.py, RoleCheck).
func (c *Caller) HasRole(name string) bool {
	return slices.ContainsFunc(c.Roles, func(r string) bool { return strings.EqualFold(r, name) })
}

// IsAdmin tells whether the caller is what the services call context_is_admin.
func (c *Caller) IsAdmin() bool { return c.HasRole("admin") }

// Validator tells who the owner of a token is. It returns ErrInvalidToken (wrapped or not) for a token that is none; any
// other error means that it could not find out.
type Validator interface {
	Validate(ctx context.Context, token string) (*Caller, error)
}

type callerKey struct{}

// NewContext returns a context that carries the caller.
func NewContext(ctx context.Context, c *Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// FromContext is the caller of the request, or nil where no Middleware is in front.
func FromContext(ctx context.Context) *Caller {
	c, _ := ctx.Value(callerKey{}).(*Caller)
	return c
}
