package identity

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"

	"github.com/tricircle/tricircle/internal/obs"
)

// maxToken is the size in bytes above which no token is sent to Keystone: Fernet tokens have some 200, signed ones (JWS)
// less than 1000.
const maxToken = 8 << 10

// Options is what a Keystone needs. All but CacheSize, CacheTime and NegativeCacheTime must be set.
type Options struct {
	AuthURL           string // with /v3
	Username          string // of the service user, who may validate tokens
	Password          obs.Secret
	UserDomainName    string
	ProjectName       string // of the service user
	ProjectDomainName string

	Transport         http.RoundTripper
	Timeout           time.Duration // of one operation, authentication of the service user included
	CacheTime         time.Duration // how long a caller is believed to be what Keystone said; not at all if 0
	NegativeCacheTime time.Duration // the same for refusals, also of the service user
	CacheSize         int           // tokens; 100000 if 0
	Now               func() time.Time
}

// Keystone validates tokens online, as roles are not in them, and reads the catalog. One call is under way at a time for
// each token, whoever waits for it; what it answers is cached. Failures to answer are not.
type Keystone struct {
	options Options
	client  *http.Client
	flights singleflight.Group
	cache   *otter.Cache[tokenHash, verdict]
	catalog atomic.Pointer[[]Endpoint]

	mu      sync.Mutex
	session session
}

var _ Validator = (*Keystone)(nil)

// tokenHash stands for a token: a dump of the memory of the cache gives none away.
type tokenHash [sha256.Size]byte

// verdict is what Keystone said of a token. A nil caller is a refusal.
type verdict struct {
	caller *Caller
	until  time.Time
}

// NewKeystone makes a client. It calls Keystone when it is asked something, not before.
func NewKeystone(o Options) *Keystone {
	if o.CacheSize == 0 {
		o.CacheSize = 100_000
	}
	return &Keystone{
		options: o,
		client: &http.Client{
			Transport: o.Transport,
			// net/http would send our token along to wherever a redirect points.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		cache: otter.Must(&otter.Options[tokenHash, verdict]{
			MaximumSize: o.CacheSize,
			Clock:       clock(o.Now),
			ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[tokenHash, verdict]) time.Duration {
				return e.Value.until.Sub(o.Now())
			}),
		}),
	}
}

// clock gives the cache our time. It has no ticks: room is made by writes.
type clock func() time.Time

func (c clock) NowNano() int64                      { return c().UnixNano() }
func (c clock) Tick(time.Duration) <-chan time.Time { return nil }

// Validate implements Validator.
func (k *Keystone) Validate(ctx context.Context, token string) (*Caller, error) {
	if !plausible(token) {
		return nil, ErrInvalidToken
	}
	hash := tokenHash(sha256.Sum256([]byte(token)))
	v, ok := k.cache.GetIfPresent(hash)
	if !ok {
		var err error
		v, err = share(ctx, k, "token "+string(hash[:]), func(ctx context.Context) (verdict, error) {
			return k.judge(ctx, hash, token)
		})
		if err != nil {
			return nil, fmt.Errorf("keystone: validate token: %w", err)
		}
	}
	if v.caller == nil {
		return nil, ErrInvalidToken
	}
	caller := *v.caller
	caller.Token = obs.Secret(token)
	return &caller, nil
}

// plausible tells whether token can stand in a header and is not absurdly long.
func plausible(token string) bool {
	for i := range len(token) {
		if token[i] <= ' ' || token[i] > '~' {
			return false
		}
	}
	return token != "" && len(token) <= maxToken
}

// judge asks Keystone and remembers what it said.
func (k *Keystone) judge(ctx context.Context, hash tokenHash, token string) (verdict, error) {
	// A flight that landed since the caller looked has left its verdict here.
	if v, ok := k.cache.GetIfPresent(hash); ok {
		return v, nil
	}
	caller, err := k.fetchCaller(ctx, token)
	now := k.options.Now()
	var v verdict
	switch {
	case errors.Is(err, ErrInvalidToken), err == nil && !caller.ExpiresAt.After(now):
		v.until = now.Add(k.options.NegativeCacheTime)
	case err != nil:
		return v, err
	default:
		v.caller, v.until = caller, now.Add(k.options.CacheTime)
		if caller.ExpiresAt.Before(v.until) {
			v.until = caller.ExpiresAt
		}
	}
	if v.until.After(now) {
		k.cache.Set(hash, v)
	}
	return v, nil
}

// fetchCaller asks without the header OpenStack-Identity-Access-Rules: so Keystone refuses application credentials that are
// restricted to certain calls, whose rules only a middleware that knows them may accept.
func (k *Keystone) fetchCaller(ctx context.Context, token string) (*Caller, error) {
	var answer struct {
		Token *tokenBody `json:"token"`
	}
	err := k.get(ctx, "/auth/tokens?nocatalog", http.Header{"X-Subject-Token": {token}}, &answer)
	if status, ok := errors.AsType[*statusError](err); ok && status.code == http.StatusNotFound {
		return nil, ErrInvalidToken
	}
	if err != nil {
		return nil, err
	}
	if answer.Token == nil || answer.Token.User.ID == "" || answer.Token.ExpiresAt.IsZero() {
		return nil, errors.New("the answer of Keystone describes no token")
	}
	return answer.Token.caller(), nil
}

// tokenBody is the token of Keystone's answers to POST and GET /v3/auth/tokens.
type tokenBody struct {
	ExpiresAt time.Time `json:"expires_at"`
	User      named     `json:"user"`
	Project   named     `json:"project"`
	Domain    named     `json:"domain"`
	System    struct {
		All bool `json:"all"`
	} `json:"system"`
	Roles          []named `json:"roles"`
	IsAdminProject *bool   `json:"is_admin_project"`
}

type named struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Domain struct {
		ID string `json:"id"`
	} `json:"domain"`
}

func (t *tokenBody) caller() *Caller {
	c := &Caller{
		UserID: t.User.ID, UserName: t.User.Name, UserDomainID: t.User.Domain.ID,
		ProjectID: t.Project.ID, ProjectName: t.Project.Name, ProjectDomainID: t.Project.Domain.ID,
		DomainID: t.Domain.ID, ExpiresAt: t.ExpiresAt,
		IsAdminProject: t.IsAdminProject == nil || *t.IsAdminProject,
	}
	if t.System.All {
		c.SystemScope = "all"
	}
	for _, r := range t.Roles {
		c.Roles = append(c.Roles, r.Name)
	}
	return c
}

// share runs do once for all who ask for key meanwhile. It has a deadline of its own, because it is done for all of them:
// the one who came first may leave.
func share[T any](ctx context.Context, k *Keystone, key string, do func(context.Context) (T, error)) (T, error) {
	landed := k.flights.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), k.options.Timeout)
		defer cancel()
		return do(ctx)
	})
	select {
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	case r := <-landed:
		v, _ := r.Val.(T)
		return v, r.Err
	}
}
