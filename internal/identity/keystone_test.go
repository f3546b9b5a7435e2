package identity

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tricircle/tricircle/internal/obs"
)

func validate(t *testing.T, k *Keystone, token string) error {
	t.Helper()
	_, err := k.Validate(t.Context(), token)
	return err
}

func TestValidate_ProjectToken_IsItsCaller(t *testing.T) {
	d, k := newDouble(t, nil)
	ctx := obs.WithRequestID(t.Context(), "req-1", "")
	got, err := k.Validate(ctx, "good")
	if err != nil {
		t.Fatal(err)
	}
	want := &Caller{UserID: "u1", UserName: "demo", UserDomainID: "default", ProjectID: "p1", ProjectName: "demo",
		ProjectDomainID: "d2", Roles: []string{"Member", "reader"}, IsAdminProject: true, ExpiresAt: start.Add(time.Hour),
		Token: "good"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	d.with(func() {
		if diff := cmp.Diff([]string{"req-1", "req-1"}, d.sentIDs); diff != "" {
			t.Errorf("request ids sent: %s", diff)
		}
	})
}

func TestValidate_OtherScopes_AreTold(t *testing.T) {
	const head = `{"token": {"expires_at": "2026-11-22T13:00:00.000000Z", "user": {"id": "u"}, `
	for name, c := range map[string]struct {
		body string
		want Caller
	}{
		"system":   {`"system": {"all": true}, "roles": [{"name": "ADMIN"}]}}`, Caller{SystemScope: "all", Roles: []string{"ADMIN"}, IsAdminProject: true}},
		"domain":   {`"domain": {"id": "d"}}}`, Caller{DomainID: "d", IsAdminProject: true}},
		"unscoped": {`"is_admin_project": false}}`, Caller{}},
	} {
		t.Run(name, func(t *testing.T) {
			d, k := newDouble(t, nil)
			d.with(func() { d.tokens["t"] = head + c.body })
			got, err := k.Validate(t.Context(), "t")
			if err != nil {
				t.Fatal(err)
			}
			c.want.UserID, c.want.ExpiresAt, c.want.Token = "u", start.Add(time.Hour), "t"
			if diff := cmp.Diff(&c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if got.IsAdmin() != (name == "system") {
				t.Errorf("IsAdmin: %v", got.IsAdmin())
			}
		})
	}
}

func TestValidate_HundredAtOnce_IsOneCall(t *testing.T) {
	d, k := newDouble(t, nil)
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if err := validate(t, k, "good"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	d.expect(t, 1, 1)
}

func TestValidate_FirstAskerLeaves_OthersGetTheAnswer(t *testing.T) {
	d, k := newDouble(t, nil)
	hold := make(chan struct{})
	d.with(func() { d.hold = hold })
	ctx, leave := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { _, err := k.Validate(ctx, "good"); first <- err }()
	<-d.held
	go func() { second <- validate(t, k, "good") }()
	leave()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("first: %v", err)
	}
	close(hold)
	if err := <-second; err != nil {
		t.Errorf("second: %v", err)
	}
	d.expect(t, 1, 1)
}

func TestValidate_Revoked_IsInvalidAfterTheCacheTime(t *testing.T) {
	d, k := newDouble(t, nil)
	if err := validate(t, k, "good"); err != nil {
		t.Fatal(err)
	}
	d.with(func() { delete(d.tokens, "good") })
	d.advance(time.Minute - time.Second)
	if err := validate(t, k, "good"); err != nil {
		t.Errorf("within the cache time: %v", err)
	}
	d.advance(time.Second)
	if err := validate(t, k, "good"); !errors.Is(err, ErrInvalidToken) {
		t.Errorf("after it: %v", err)
	}
	d.expect(t, 1, 2)
}

func TestValidate_Expiring_IsNotBelievedLongerThanItLives(t *testing.T) {
	d, k := newDouble(t, nil)
	d.with(func() { d.tokens["good"] = demoToken(start.Add(10 * time.Second)) })
	if err := validate(t, k, "good"); err != nil {
		t.Fatal(err)
	}
	d.advance(10 * time.Second) // the double's clock is late: it would still say yes
	if err := validate(t, k, "good"); !errors.Is(err, ErrInvalidToken) {
		t.Errorf("got %v", err)
	}
	d.expect(t, 1, 2)
}

func TestValidate_Garbage_IsRememberedForTheNegativeCacheTime(t *testing.T) {
	d, k := newDouble(t, nil)
	for range 3 {
		if err := validate(t, k, "garbage"); !errors.Is(err, ErrInvalidToken) {
			t.Errorf("got %v", err)
		}
	}
	d.expect(t, 1, 1)
	d.with(func() { d.tokens["garbage"] = demoToken(start.Add(time.Hour)) })
	d.advance(10 * time.Second)
	if err := validate(t, k, "garbage"); err != nil {
		t.Errorf("valid by now: %v", err)
	}
}

func TestValidate_Implausible_IsNotSent(t *testing.T) {
	d, k := newDouble(t, nil)
	for _, token := range []string{"", "a b", "a\r\nX-Roles: admin", "ü", strings.Repeat("a", maxToken+1)} {
		if err := validate(t, k, token); !errors.Is(err, ErrInvalidToken) {
			t.Errorf("%.10q: got %v", token, err)
		}
	}
	d.expect(t, 0, 0)
}

func TestValidate_NoCacheTime_AsksEachTime(t *testing.T) {
	d, k := newDouble(t, func(o *Options) { o.CacheTime, o.NegativeCacheTime = 0, 0 })
	for range 2 {
		if err := validate(t, k, "good"); err != nil {
			t.Error(err)
		}
		if err := validate(t, k, "garbage"); !errors.Is(err, ErrInvalidToken) {
			t.Error(err)
		}
	}
	d.expect(t, 1, 4)
}

func TestValidate_KeystoneDownThenUp_IsNoVerdict(t *testing.T) {
	for _, status := range []int{500, 503, 302, 403} {
		d, k := newDouble(t, nil)
		if _, err := k.ServiceToken(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.with(func() { d.status = status })
		if err := validate(t, k, "good"); err == nil || errors.Is(err, ErrInvalidToken) {
			t.Errorf("%d: got %v", status, err)
		}
		d.with(func() { d.status = 0 })
		if err := validate(t, k, "good"); err != nil {
			t.Errorf("%d, up again: %v", status, err)
		}
	}
}

func TestValidate_KeystoneUnreachable_NamesIt(t *testing.T) {
	_, k := newDouble(t, func(o *Options) { o.AuthURL = "http://127.0.0.1:1/v3" })
	err := validate(t, k, "good")
	if err == nil || errors.Is(err, ErrInvalidToken) || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("got %v", err)
	}
}

func TestValidate_KeystoneHangs_EndsAtTheTimeout(t *testing.T) {
	d, k := newDouble(t, func(o *Options) { o.Timeout = 50 * time.Millisecond })
	if _, err := k.ServiceToken(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.with(func() { d.hold = make(chan struct{}) })
	if err := validate(t, k, "good"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	d.with(func() { d.hold = nil })
	if err := validate(t, k, "good"); err != nil {
		t.Errorf("awake again: %v", err)
	}
}

func TestValidate_NonsenseAnswer_IsNoVerdict(t *testing.T) {
	for _, body := range []string{"", "<html>", "{}", `{"token": {}}`, `{"token": {"user": {"id": "u"}}}`} {
		d, k := newDouble(t, nil)
		d.with(func() { d.tokens["good"] = body })
		if err := validate(t, k, "good"); err == nil || errors.Is(err, ErrInvalidToken) {
			t.Errorf("%q: got %v", body, err)
		}
	}
}

func TestSession_EndsEarly_IsRenewedOnce(t *testing.T) {
	d, k := newDouble(t, func(o *Options) { o.CacheTime = 0 })
	if err := validate(t, k, "good"); err != nil {
		t.Fatal(err)
	}
	d.with(func() { clear(d.sessions) })
	if err := validate(t, k, "good"); err != nil {
		t.Errorf("got %v", err)
	}
	d.expect(t, 2, 2)
}

func TestSession_Old_IsRenewedBeforeItsEnd(t *testing.T) {
	d, k := newDouble(t, nil)
	for _, c := range []struct {
		later time.Duration
		want  string
	}{{0, "session1"}, {53 * time.Minute, "session1"}, {2 * time.Minute, "session2"}} {
		d.advance(c.later)
		if got, err := k.ServiceToken(t.Context()); err != nil || got != c.want {
			t.Errorf("%v later: got %s, %v; want %s", c.later, got, err, c.want)
		}
	}
}

func TestSession_WrongPassword_IsNotSentAgainAtOnceNorBlamedOnTheUser(t *testing.T) {
	d, k := newDouble(t, func(o *Options) { o.Password = "hunter2" })
	for range 3 {
		err := validate(t, k, "good")
		if err == nil || errors.Is(err, ErrInvalidToken) || !strings.Contains(err.Error(), "service user nova") {
			t.Errorf("got %v", err)
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("leaked: %v", err)
		}
	}
	d.expect(t, 1, 0)
	d.with(func() { d.password = "hunter2" })
	d.advance(10 * time.Second)
	if err := validate(t, k, "good"); err != nil {
		t.Errorf("right by now: %v", err)
	}
}

func TestSession_RefusedWhenNew_IsNoVerdict(t *testing.T) {
	d, k := newDouble(t, nil)
	d.with(func() { d.barren = true })
	if err := validate(t, k, "good"); err == nil || errors.Is(err, ErrInvalidToken) {
		t.Errorf("got %v", err)
	}
	d.expect(t, 2, 0)
}

func TestCatalog_ReadOnceUntilRefreshed(t *testing.T) {
	d, k := newDouble(t, nil)
	d.with(func() {
		d.catalog = `{"catalog": [{"type": "volumev3", "name": "cinderv3", "endpoints": [
			{"id": "e1", "interface": "public", "region": "site2", "region_id": "site2", "url": "http://127.0.2.1:8776/v3/svc"},
			{"id": "e2", "interface": "admin", "region": "One", "region_id": "site1", "url": "http://127.0.1.1:8776/v3/"}]},
			{"type": "empty", "endpoints": []}]}`
	})
	want := []Endpoint{
		{ServiceType: "volumev3", Interface: "public", Region: "site2", RegionID: "site2", URL: "http://127.0.2.1:8776/v3"},
		{ServiceType: "volumev3", Interface: "admin", Region: "One", RegionID: "site1", URL: "http://127.0.1.1:8776/v3"},
	}
	for range 2 {
		got, err := k.Catalog(t.Context())
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%v, -want +got:\n%s", err, diff)
		}
	}
	d.with(func() {
		if d.catalogReads != 1 {
			t.Errorf("%d reads", d.catalogReads)
		}
		d.status = 500
	})
	if err := k.Refresh(t.Context()); err == nil {
		t.Error("no error")
	}
	if got, err := k.Catalog(t.Context()); len(got) != 2 || err != nil {
		t.Errorf("after a failed refresh: %v, %v", got, err)
	}
	d.with(func() { d.status, d.catalog = 0, `{"catalog": []}` })
	if err := k.Refresh(t.Context()); err != nil {
		t.Error(err)
	}
	if got, err := k.Catalog(t.Context()); len(got) != 0 || err != nil {
		t.Errorf("after a refresh: %v, %v", got, err)
	}
}
