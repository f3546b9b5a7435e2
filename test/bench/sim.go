package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/tricircle/tricircle/internal/simcloud"
)

// sim is a simulated cloud in a process of its own, as it describes itself.
type sim struct {
	AuthURL, Image     string
	AdminToken, Replay string
	Tokens             []string // of the user whose servers there are
	Pods               []simPod

	child *process
	in    io.WriteCloser
	out   *bufio.Reader
}

// simPod is one of its pods.
type simPod struct{ Region, Zone, Compute string }

// tokens is how many clients with a token of their own there are.
const tokens = 200

// simulate is the other process: it serves a cloud, describes it in a line, and obeys commands until they end.
//
//	requests           answers how many requests the pods have had
//	latency MIN MAX    lets the pods wait before they answer, each for its own time between the two
func simulate(ctx context.Context, args []string, in io.Reader, out io.Writer) (err error) {
	flags := flag.NewFlagSet("sim", flag.ContinueOnError)
	pods, servers := flags.Int("pods", 1, ""), flags.Int("servers", 0, "of all pods together")
	if err := flags.Parse(args); err != nil {
		return err
	}
	cloud, err := simcloud.Start(simcloud.Options{Pods: *pods, Servers: *servers / *pods})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cloud.Close()) }()
	s := describe(cloud, *pods)
	if s.Replay, err = replay(ctx, s.Pods[0].Compute); err != nil {
		return err
	}
	if err := json.NewEncoder(out).Encode(s); err != nil {
		return err
	}
	for lines := bufio.NewScanner(in); lines.Scan(); {
		words := strings.Fields(lines.Text())
		switch {
		case len(words) == 1 && words[0] == "requests":
			var sum int64
			for i := range *pods {
				sum += cloud.Pod(i).RequestCount()
			}
			_, err = fmt.Fprintln(out, sum)
		case len(words) == 3 && words[0] == "latency":
			_, err = fmt.Fprintln(out, setLatency(cloud, *pods, words[1], words[2]))
		default:
			err = fmt.Errorf("no such command: %q", words)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func describe(cloud *simcloud.Cloud, pods int) *sim {
	s := &sim{AuthURL: cloud.AuthURL(), AdminToken: cloud.Token("admin", "admin", time.Hour)}
	for range tokens {
		s.Tokens = append(s.Tokens, cloud.Token("demo", "demo", time.Hour))
	}
	var images struct{ Images []struct{ ID string } }
	body, err := ask(strings.TrimPrefix(cloud.ImageURL(), "http://"), request("GET", "/v2/images", s.AdminToken, ""), 200)
	if err == nil && json.Unmarshal(body, &images) == nil && len(images.Images) > 0 {
		s.Image = images.Images[0].ID
	}
	for i := range pods {
		p := cloud.Pod(i)
		s.Pods = append(s.Pods, simPod{p.Region, p.Zone, strings.TrimPrefix(p.ComputeURL, "http://")})
	}
	return s
}

// setLatency spreads the pods between two times. It returns the number of pods that wait.
func setLatency(cloud *simcloud.Cloud, pods int, least, most string) (waiting int) {
	from, err1 := time.ParseDuration(least)
	to, err2 := time.ParseDuration(most)
	if err1 != nil || err2 != nil {
		return 0
	}
	for i := range pods {
		d := from + (to-from)*time.Duration(i)/time.Duration(max(1, pods-1))
		cloud.Pod(i).SetFault(simcloud.Fault{Latency: d, PathContains: "/servers"})
		if d > 0 {
			waiting++
		}
	}
	return waiting
}

// startSim starts the other process.
func (b *bench) startSim(ctx context.Context, cpus string, pods, servers int) (*sim, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &sim{}
	if s.child, err = b.prepare(ctx, cpus, self, "sim", "-pods", strconv.Itoa(pods), "-servers", strconv.Itoa(servers)); err != nil {
		return nil, err
	}
	cmd := s.child.cmd
	if s.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.out = bufio.NewReaderSize(out, 1<<20)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := s.out.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, s)
	}
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("simulated pods: %w: %s", err, s.child.complaint())
	}
	return s, nil
}

func (s *sim) stop() { s.child.stop() }

// tell gives a command, and returns the answer.
func (s *sim) tell(command string) (int, error) {
	if _, err := io.WriteString(s.in, command+"\n"); err != nil {
		return 0, err
	}
	line, err := s.out.ReadBytes('\n')
	return number(bytes.TrimSpace(line)), err
}

// keystone makes a call to the identity service as its administrator.
func (s *sim) keystone(method, path, body string, want int) ([]byte, error) {
	address, prefix, _ := strings.Cut(strings.TrimPrefix(s.AuthURL, "http://"), "/")
	return ask(address, request(method, "/"+prefix+path, s.AdminToken, body), want)
}

// useReplay puts the replay into the catalog, in the place of the first pod's compute service.
func (s *sim) useReplay() error {
	body, err := s.keystone("GET", "/endpoints", "", 200)
	if err != nil {
		return err
	}
	var list struct{ Endpoints []struct{ ID, URL string } }
	if err := json.Unmarshal(body, &list); err != nil {
		return err
	}
	for _, e := range list.Endpoints {
		if url := strings.Replace(e.URL, s.Pods[0].Compute, s.Replay, 1); url != e.URL {
			if _, err := s.keystone("PATCH", "/endpoints/"+e.ID, fmt.Sprintf(`{"endpoint": {"url": %q}}`, url), 200); err != nil {
				return err
			}
		}
	}
	return nil
}

// servers lists the ids of n servers of each pod, the newest, from the pods themselves.
func (s *sim) servers(n int) (ids []string, err error) {
	for _, p := range s.Pods {
		var list struct{ Servers []struct{ ID string } }
		marker := ""
		for got := 0; got < n; got += len(list.Servers) {
			body, err := ask(p.Compute, request("GET", fmt.Sprintf("/v2.1/servers?limit=%d%s", min(n-got, 1000), marker), s.Tokens[0], ""), 200)
			if err != nil {
				return nil, err
			}
			list.Servers = nil
			if err := json.Unmarshal(body, &list); err != nil {
				return nil, err
			}
			if len(list.Servers) == 0 {
				break
			}
			for _, server := range list.Servers {
				ids = append(ids, server.ID)
			}
			marker = "&marker=" + ids[len(ids)-1]
		}
	}
	return ids, nil
}
