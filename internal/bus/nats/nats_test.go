package nats

import (
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/goleak"

	"github.com/tricircle/tricircle/internal/bus"
	"github.com/tricircle/tricircle/internal/bus/bustest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func embed(t *testing.T, name string, peers ...string) *Embedded {
	t.Helper()
	e, err := Embed(EmbeddedOptions{Name: name, Listen: "127.0.0.1:0", Peers: peers, Password: "secret", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func TestEmbedded_IsABus(t *testing.T) {
	bustest.Run(t, func(t *testing.T) (a, b bus.Bus) {
		e := embed(t, "one")
		return e, e
	})
}

// TestConnect_Server_IsABus has two processes at a server that somebody else runs.
func TestConnect_Server_IsABus(t *testing.T) {
	bustest.Run(t, func(t *testing.T) (a, b bus.Bus) {
		s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true})
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(s.WaitForShutdown)
		t.Cleanup(s.Shutdown)
		return client(t, s.ClientURL()), client(t, s.ClientURL())
	})
}

func client(t *testing.T, url string) *Bus {
	t.Helper()
	b, err := Connect(Options{Servers: url, Name: t.Name(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// TestEmbedded_TwoProcesses_AreOneBus lets the second server find the first, and messages go both ways as soon as it has.
func TestEmbedded_TwoProcesses_AreOneBus(t *testing.T) {
	one := embed(t, "one")
	two := embed(t, "two", one.ClusterAddr())
	for _, way := range []struct{ from, to *Embedded }{{one, two}, {two, one}} {
		in := make(chan string, 1000)
		cancel := way.to.Subscribe("jobs.due", func(m string) { in <- m })
		expectWithin(t, in, func() { way.from.Publish("jobs.due", "1") })
		cancel()
	}
}

func TestEmbedded_WrongPassword_IsKeptOut(t *testing.T) {
	one := embed(t, "one")
	in := make(chan string, 1000)
	one.Subscribe("jobs.due", func(m string) { in <- m })
	stranger, err := Embed(EmbeddedOptions{Name: "stranger", Listen: "127.0.0.1:0", Peers: []string{one.ClusterAddr()}, Password: "guess",
		Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stranger.Close)
	friend := embed(t, "friend", one.ClusterAddr())
	expectWithin(t, in, func() {
		stranger.Publish("jobs.due", "stranger")
		friend.Publish("jobs.due", "1")
	})
}

// TestConnect_NoServer_StartsAndLosesHints: things start in an order that nobody controls.
func TestConnect_NoServer_StartsAndLosesHints(t *testing.T) {
	b := client(t, "nats://127.0.0.1:1")
	defer b.Subscribe("jobs.due", func(string) { t.Error("received what nobody carried") })()
	b.Publish("jobs.due", "1")
}

// expectWithin publishes until the message "1" is received: who is on the bus is known to its servers a moment later.
func expectWithin(t *testing.T, in <-chan string, publish func()) {
	t.Helper()
	again, late := time.NewTicker(20*time.Millisecond), time.After(10*time.Second)
	defer again.Stop()
	for {
		publish()
		select {
		case got := <-in:
			if got != "1" {
				t.Errorf("received %q", got)
			}
			return
		case <-again.C:
		case <-late:
			t.Fatal("nothing was received")
		}
	}
}
