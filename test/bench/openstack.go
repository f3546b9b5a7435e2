package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// account is a project of a real OpenStack that exists as long as a measurement.
type account struct {
	keystone, token string // of the administrator, who is a member of the project
	project         string // its id
	projectToken    string
	neutron         string // address of the region's
}

// call makes a call to Keystone and decodes the answer, unless into is nil. It returns the token that the answer has, if any.
func (a *account) call(method, path, body string, into any) (token string, err error) {
	address, prefix, _ := strings.Cut(strings.TrimPrefix(a.keystone, "http://"), "/")
	c := conn{address: address}
	defer c.close()
	got, err := c.do(request(method, "/"+prefix+path, a.token, body), true)
	if err == nil && (got.status < 200 || got.status > 299) {
		err = fmt.Errorf("%s %s: %d %.300s", method, path, got.status, got.body)
	}
	if err == nil && into != nil {
		err = json.Unmarshal(got.body, into)
	}
	return got.token, err
}

// scoped asks for a token of the administrator in a project.
func (a *account) scoped(project string, into any) (string, error) {
	return a.call("POST", "/auth/tokens", `{"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "admin", "password": "secret",
		"domain": {"name": "Default"}}}}, "scope": {"project": {`+project+`}}}}`, into)
}

// newAccount makes a project, in which the administrator may do everything.
func newAccount(keystone, region string) (_ *account, err error) {
	a := &account{keystone: keystone}
	if a.token, err = a.scoped(`"name": "admin", "domain": {"name": "Default"}`, nil); err != nil {
		return nil, err
	}
	var made struct{ Project struct{ ID string } }
	name := fmt.Sprintf("tricircle-bench-%d", time.Now().UnixNano())
	if _, err := a.call("POST", "/projects", `{"project": {"name": "`+name+`"}}`, &made); err != nil {
		return nil, err
	}
	a.project = made.Project.ID
	if err := a.prepare(region); err != nil {
		return nil, errors.Join(err, a.forget())
	}
	return a, nil
}

// prepare makes the administrator a member of the project, and lifts its quotas in the region.
func (a *account) prepare(region string) (err error) {
	var self struct {
		Token struct{ User struct{ ID string } }
	}
	var roles struct{ Roles []struct{ ID string } }
	for _, name := range []string{"member", "admin"} {
		if _, err = a.scoped(`"name": "admin", "domain": {"name": "Default"}`, &self); err == nil {
			_, err = a.call("GET", "/roles?name="+name, "", &roles)
		}
		if err == nil {
			_, err = a.call("PUT", "/projects/"+a.project+"/users/"+self.Token.User.ID+"/roles/"+roles.Roles[0].ID, "", nil)
		}
		if err != nil {
			return err
		}
	}
	var catalog struct {
		Token struct {
			Catalog []struct {
				Type      string
				Endpoints []struct{ Region, Interface, URL string }
			}
		}
	}
	if a.projectToken, err = a.scoped(`"id": "`+a.project+`"`, &catalog); err != nil {
		return err
	}
	for _, service := range catalog.Token.Catalog {
		for _, e := range service.Endpoints {
			if service.Type == "network" && e.Region == region && e.Interface == "public" {
				a.neutron, _, _ = strings.Cut(strings.TrimPrefix(e.URL, "http://"), "/")
			}
		}
	}
	if a.neutron == "" {
		return fmt.Errorf("region %s has no networking service over plain HTTP", region)
	}
	_, err = ask(a.neutron, request("PUT", "/v2.0/quotas/"+a.project, a.projectToken, `{"quota": {"network": -1, "subnet": -1, "port": -1}}`), 200)
	return err
}

// forget removes the project, and what Neutron knows of it.
func (a *account) forget() error {
	var quota error
	if a.neutron != "" {
		_, quota = ask(a.neutron, request("DELETE", "/v2.0/quotas/"+a.project, a.projectToken, ""), 204)
	}
	_, err := a.call("DELETE", "/projects/"+a.project, "", nil)
	return errors.Join(quota, err)
}
