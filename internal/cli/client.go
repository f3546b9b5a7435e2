package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/spf13/cobra"
)

const (
	envEndpoint     = "TRICIRCLE_ENDPOINT"
	defaultEndpoint = "http://127.0.0.1:19999"
	// adminType is what the Admin API is called in catalogs: the official name (OpenStack's service types authority), and
	// its alias, under which Tricircle registered itself.
	adminType      = "multi-region-network-automation"
	adminTypeAlias = "tricircle"
)

// operator are the flags of all commands that speak to the Admin API.
type operator struct {
	cloud    string
	endpoint string
	format   format
}

func (o *operator) flags(group *cobra.Command) *cobra.Command {
	group.PersistentFlags().StringVar(&o.cloud, "os-cloud", "", "cloud of clouds.yaml (default $OS_CLOUD)")
	group.PersistentFlags().StringVar(&o.endpoint, "endpoint", "",
		"address of the Admin API (default $"+envEndpoint+", or what the catalog says, or "+defaultEndpoint+")")
	formatFlag(group, &o.format)
	return group
}

// client speaks to the Admin API.
type client struct {
	http  *http.Client
	base  string // with the version
	token string
	hint  string // what to do if nobody answers at base
}

// connect logs in, unless there are both a token and an address already, and finds the API.
func (o *operator) connect(ctx context.Context) (*client, error) {
	c, err := readCredentials(o.cloud)
	if err != nil {
		return nil, err
	}
	address := cmp.Or(o.endpoint, os.Getenv(envEndpoint))
	api := &client{http: c.client(), token: c.auth.TokenID, hint: "is tricircle serve running there?"}
	if address == "" || api.token == "" {
		provider, catalog, err := c.login(ctx)
		if err != nil {
			return nil, err
		}
		api.token = provider.Token()
		address = cmp.Or(address, c.endpoint(catalog, adminType, adminTypeAlias))
	}
	if address == "" {
		address = defaultEndpoint
		api.hint = "no Admin API is in the catalog of region " + cmp.Or(c.at.Region, "any") +
			"; tell its address by --endpoint or " + envEndpoint
	}
	api.base = strings.TrimSuffix(strings.TrimRight(address, "/"), "/v1.0") + "/v1.0"
	return api, nil
}

// call makes one request with an optional body, and decodes the answer.
func (c *client) call(ctx context.Context, method, path string, body, into any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("X-Auth-Token", c.token)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%w (%s)", err, c.hint)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("the answer of %s broke off: %w", c.base, err)
	}
	if res.StatusCode != http.StatusOK {
		return refused("the Admin API", res.StatusCode, answer)
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("%s does not answer as the Admin API does (check its address)", c.base)
	}
	return nil
}

// refused puts an answer that is no success into words, with the next step where there is one for all such answers.
func refused(who string, status int, body []byte) error {
	text := message(body)
	if text == "" {
		text = fmt.Sprintf("%s answered %d %s", who, status, http.StatusText(status))
	}
	text = strings.TrimSuffix(text, ".") // what follows belongs to it
	switch status {
	case http.StatusUnauthorized:
		text += " (check the credentials in OS_CLOUD or the OS_ variables)"
	case http.StatusForbidden:
		text += " (use the credentials of an administrator)"
	}
	return errors.New(text)
}

// message takes the text out of an error body, whose form all services share: {"what": {"message": text, ...}}.
func message(body []byte) string {
	var doc map[string]struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(body, &doc) != nil {
		return ""
	}
	for _, inner := range doc {
		if inner.Message != "" {
			return inner.Message
		}
	}
	return ""
}

// explain puts an error of gophercloud into the words of the service that refused.
func explain(who string, err error) error {
	if e, ok := errors.AsType[gophercloud.ErrUnexpectedResponseCode](err); ok {
		return fmt.Errorf("%s: %w", who, refused(who, e.Actual, e.Body))
	}
	if _, ok := errors.AsType[*url.Error](err); ok {
		return fmt.Errorf("%w (does OS_AUTH_URL or clouds.yaml name the right address?)", err)
	}
	return fmt.Errorf("%s: %w", who, err)
}
