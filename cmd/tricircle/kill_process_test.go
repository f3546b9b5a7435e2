package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tricircle/tricircle/internal/simcloud"
)

// process is one that serves roles of the top: this test binary, as the command that it is.
type process struct {
	name  string
	args  []string
	ready string // URL
	log   string // file

	mu     sync.Mutex
	cmd    *exec.Cmd
	exited chan struct{}
}

func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	log, err := os.OpenFile(p.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	p.cmd = exec.Command("tricircle", append([]string{"serve"}, p.args...)...) // which TestMain has put into PATH
	p.cmd.Stderr = log
	if err := p.cmd.Start(); err != nil {
		return err
	}
	cmd, exited := p.cmd, make(chan struct{})
	p.exited = exited
	go func() {
		_ = cmd.Wait() // it was killed
		close(exited)
	}()
	return nil
}

// kill ends the process, and returns when it is gone.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// dead tells whether the process has to be started again.
func (p *process) dead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

func (p *process) lastWords() string {
	text, _ := os.ReadFile(p.log)
	return string(text[max(0, len(text)-2000):])
}

// errorsLogged are the lines of all logs that say that the top failed.
func (r *round) errorsLogged() string {
	var lines []string
	for _, p := range r.processes {
		log, _ := os.ReadFile(p.log)
		for line := range strings.Lines(string(log)) {
			if strings.Contains(line, "level=ERROR") {
				lines = append(lines, p.name+": "+line)
			}
		}
	}
	return strings.Join(lines, "")
}

// address is one for a process to listen at whenever it lives: at an IP address of the round's own, so that nobody else gets the port
// while the process is dead.
func (r *round) address() string {
	r.t.Helper()
	for {
		l, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", 16+r.seed>>16&63, r.seed>>8&255, 1+r.seed%254))
		if err != nil {
			r.t.Fatal(err)
		}
		_ = l.Close() // then it may be given out again
		if a := l.Addr().String(); !slices.Contains(r.addresses, a) {
			r.addresses = append(r.addresses, a)
			return a
		}
	}
}

// send makes a call and decodes the answer.
func send(ctx context.Context, method, url, body, token string) (status int, doc map[string]any, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Auth-Token", token)
	req.Header.Set("OpenStack-API-Version", "compute 2.60")
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err == nil && len(text) > 0 {
		_ = json.Unmarshal(text, &doc) // a list of versions, or nothing: the status says it
	}
	return res.StatusCode, doc, err
}

// neverSent tells whether a call certainly did not arrive.
func neverSent(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// killer kills processes of the top, and makes pods ill.
type killer struct {
	*round
	rand  *rand.Rand
	kills int
}

// work goes on until over is closed. Then all processes run, and all pods are well.
func (k *killer) work(over <-chan struct{}) {
	for live := true; live; {
		switch pod := k.sim.Pod(k.rand.IntN(killPods)); k.rand.IntN(4) {
		case 0:
			k.strike(k.any())
			k.pause(over, 200)
		case 1, 2:
			k.trap(over, pod)
		default:
			pod.SetFault(k.sickness())
			k.pause(over, 600)
			if k.rand.IntN(2) == 0 {
				k.strike(k.any())
			}
			k.pause(over, 600)
			pod.SetFault(simcloud.Fault{})
		}
		k.revive()
		live = k.pause(over, 200)
	}
	k.revive()
	k.t.Logf("seed %d: %d kills", k.seed, k.kills)
}

func (k *killer) any() *process { return k.processes[k.rand.IntN(len(k.processes))] }

func (k *killer) strike(p *process) {
	p.kill()
	k.kills++
}

// revive starts what is dead.
func (k *killer) revive() {
	for _, p := range k.processes {
		if p.dead() {
			if err := p.start(); err != nil {
				k.t.Errorf("seed %d: %s: %v", k.seed, p.name, err)
			}
		}
	}
}

// trap kills a process at the moment when a pod has got one of the top's requests, which the pod carries out, or does not.
func (k *killer) trap(over <-chan struct{}, pod *simcloud.Pod) {
	victim, sprung := k.any(), make(chan struct{})
	var once sync.Once
	f := simcloud.Fault{Service: []string{"network", "network", "compute"}[k.rand.IntN(3)], After: k.rand.IntN(6), Count: 1,
		Methods: [][]string{{"POST"}, {"PUT", "DELETE"}, {"GET"}}[k.rand.IntN(3)],
		Before:  func() { once.Do(func() { victim.kill(); close(sprung) }) }}
	if f.Executed = k.rand.IntN(3) > 0; !f.Executed {
		f.Reset = true
	}
	pod.SetFault(f)
	select {
	case <-sprung:
		k.kills++
	case <-over:
	case <-time.After(time.Duration(k.rand.IntN(1000)) * time.Millisecond):
	}
	once.Do(func() { close(sprung) }) // too late
	pod.SetFault(simcloud.Fault{})
	k.pause(over, 200)
}

// sickness is something that a pod may have: its Neutron or all of it is down, hangs, or refuses, or its answers are lost.
func (k *killer) sickness() simcloud.Fault {
	f := []simcloud.Fault{{Reset: true}, {Hang: true}, {Status: http.StatusServiceUnavailable}, {LostReply: true}, {Latency: 300 * time.Millisecond},
		{Executed: true, Hang: true}}[k.rand.IntN(6)]
	f.Service = []string{"", "network", "network"}[k.rand.IntN(3)]
	return f
}

// pause waits up to so many milliseconds. It returns false when all is over.
func (k *killer) pause(over <-chan struct{}, most int) bool {
	select {
	case <-over:
		return false
	case <-time.After(time.Duration(k.rand.IntN(most)) * time.Millisecond):
		return true
	}
}
