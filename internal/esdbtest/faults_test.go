package esdbtest

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
)

// cancelled is what the client makes of a call that its caller gave up.
const cancelled = esdb.ErrorCodeUnknown

// Each fault of a write, as the client sees it, and whether the write is in the log. The next
// append goes through: the client has found its way back.
func TestFaultsOfWrites(t *testing.T) {
	for name, c := range map[string]struct {
		fault   Fault
		code    esdb.ErrorCode
		written int
	}{
		"not leader":           {Fault{Kind: NotLeader}, esdb.ErrorCodeNotLeader, 0},
		"not ready":            {Fault{Kind: NotReady}, esdb.ErrorUnavailable, 0},
		"killed before":        {Fault{Kind: Kill}, esdb.ErrorUnavailable, 0},
		"killed after":         {Fault{Kind: KillAfterWrite}, esdb.ErrorUnavailable, 1},
		"conflict":             {Fault{Kind: Conflict}, esdb.ErrorCodeWrongExpectedVersion, 0},
		"timeout before":       {Fault{Kind: TimeoutBeforeWrite}, esdb.ErrorAborted, 0},
		"timeout after":        {Fault{Kind: TimeoutAfterWrite}, esdb.ErrorAborted, 1},
		"hangs":                {Fault{Kind: Hang}, cancelled, 0},
		"hangs, written":       {Fault{Kind: HangAfterWrite}, cancelled, 1},
		"hangs, written later": {Fault{Kind: LateWrite}, cancelled, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := Start(t, Options{})
			client := connect(t, s.URL())
			mustAppend(t, client, "before", esdb.NoStream{}, proposal(1)...)
			c.fault.Stream = "s"
			injected := s.Inject(c.fault)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			if c.code == cancelled {
				go func() {
					<-injected.Hit()
					for len(s.Cluster().Events("s")) < c.written {
						runtime.Gosched()
					}
					cancel()
				}()
			}
			events, hour := proposal(1), time.Hour
			_, err := client.AppendToStream(ctx, "s", esdb.AppendToStreamOptions{ExpectedRevision: esdb.NoStream{}, Deadline: &hour}, events...)
			if err == nil || codeOf(t, err) != c.code {
				t.Fatal(err)
			}
			if injected.Hits() != 1 {
				t.Fatalf("%d hits", injected.Hits())
			}
			if n := len(s.Cluster().Events("s")); n != c.written {
				t.Fatalf("%d events", n)
			}
			if c.fault.Kind == LateWrite {
				injected.Release()
				<-injected.Done()
			}
			mustAppend(t, client, "s", esdb.NoStream{}, events...)
			if n := len(s.Cluster().Events("s")); n != 1 {
				t.Fatalf("%d events in the end", n)
			}
		})
	}
}

// What is slow is done in the end, and a hook runs before the write.
func TestDelaysAndHooks(t *testing.T) {
	s := Start(t, Options{})
	client := connect(t, s.URL())
	for _, kind := range []Kind{Slow, SlowAnswer} {
		i := s.Inject(Fault{Kind: kind, Delay: time.Hour})
		go func() {
			<-i.Hit()
			i.Release()
		}()
		mustAppend(t, client, "s", esdb.Any{}, proposal(1)...)
	}
	s.Inject(Fault{Kind: Slow, Delay: time.Millisecond})
	mustAppend(t, client, "s", esdb.Any{}, proposal(1)...)
	s.Inject(Fault{Kind: Hook, Do: func() { s.Cluster().Write("s", Event{Type: "of another"}) }})
	if _, err := appendTo(client, "s", esdb.Revision(2), proposal(1)...); codeOf(t, err) != esdb.ErrorCodeWrongExpectedVersion {
		t.Fatal(err)
	}
	if events := s.Cluster().Events("s"); len(events) != 4 || events[3].Type != "of another" {
		t.Fatal(events)
	}
}

func TestSkipTimesRemove(t *testing.T) {
	s := Start(t, Options{})
	client := connect(t, s.URL())
	i := s.Inject(Fault{Kind: Conflict, Skip: 1, Times: 2})
	always := s.Inject(Fault{Kind: Conflict, Stream: "t", Times: -1})
	for n, fails := range []bool{false, true, true, false} {
		if _, err := appendTo(client, "s", esdb.Any{}, proposal(1)...); (err != nil) != fails {
			t.Fatalf("append %d: %v", n, err)
		}
	}
	for range 3 {
		if _, err := appendTo(client, "t", esdb.Any{}, proposal(1)...); err == nil {
			t.Fatal("no conflict")
		}
	}
	always.Remove()
	mustAppend(t, client, "t", esdb.Any{}, proposal(1)...)
	if i.Hits() != 2 || always.Hits() != 3 {
		t.Fatalf("%d and %d hits", i.Hits(), always.Hits())
	}
}

// A read and a subscription that are cut off in the middle have what came before, and an error.
func TestCutInTheMiddle(t *testing.T) {
	s := Start(t, Options{})
	client, ctx := connect(t, s.URL()), context.Background()
	mustAppend(t, client, "s", esdb.NoStream{}, proposal(5)...)
	s.Inject(Fault{Kind: KillAfterEvents, Call: CallRead, Events: 2})
	r, err := client.ReadStream(ctx, "s", esdb.ReadStreamOptions{From: esdb.Start{}}, 10)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	// What was sent may be lost with the connection, and nothing of it comes twice.
	for revision := uint64(0); ; revision++ {
		e, err := r.Recv()
		if err != nil {
			if codeOf(t, err) != esdb.ErrorUnavailable {
				t.Fatal(err)
			}
			break
		}
		if revision >= 2 || e.Event.EventNumber != revision {
			t.Fatalf("event %d at %d", e.Event.EventNumber, revision)
		}
	}
	s.Inject(Fault{Kind: KillAfterEvents, Call: CallSubscribe, Events: 5})
	sub, err := client.SubscribeToStream(ctx, "s", esdb.SubscribeToStreamOptions{From: esdb.Start{}})
	if err != nil {
		t.Fatal(err)
	}
	expectNext(t, sub, "s:0", "s:1", "s:2", "s:3", "s:4", "caught up")
	s.Cluster().Write("s", Event{Type: "one more"})
	expectNext(t, sub, "dropped")
}

func TestDownAndUp(t *testing.T) {
	s := Start(t, Options{})
	client := connect(t, s.URL()+"&discoveryInterval=1&maxDiscoverAttempts=2000000000")
	mustAppend(t, client, "s", esdb.NoStream{}, proposal(1)...)
	sub, err := client.SubscribeToStream(context.Background(), "s", esdb.SubscribeToStreamOptions{From: esdb.End{}})
	if err != nil {
		t.Fatal(err)
	}
	address := s.Addr()
	s.Stop()
	for next(sub) != "dropped" { // it may have caught up first
	}
	if _, err := appendTo(client, "s", esdb.Revision(0), proposal(1)...); codeOf(t, err) != esdb.ErrorUnavailable {
		t.Fatal(err)
	}
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	if s.Addr() != address {
		t.Fatalf("%s was %s", s.Addr(), address)
	}
	mustAppend(t, client, "s", esdb.Revision(0), proposal(1)...)
}

// A paused server does nothing and loses nothing: what was sent to it is done when it goes on.
func TestPause(t *testing.T) {
	s := Start(t, Options{})
	client := connect(t, s.URL())
	mustAppend(t, client, "s", esdb.NoStream{}, proposal(1)...)
	s.Pause()
	d := 200 * time.Millisecond
	_, err := client.AppendToStream(context.Background(), "s", esdb.AppendToStreamOptions{ExpectedRevision: esdb.Revision(0), Deadline: &d}, proposal(1)...)
	if err == nil || codeOf(t, err) != esdb.ErrorCodeDeadlineExceeded {
		t.Fatal(err)
	}
	answered := make(chan error)
	go func() {
		_, err := appendTo(client, "t", esdb.NoStream{}, proposal(1)...)
		answered <- err
	}()
	select {
	case err := <-answered:
		t.Fatalf("a paused server answered: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	if n := len(s.Cluster().Events("t")); n != 0 {
		t.Fatalf("a paused server wrote %d events", n)
	}
	s.Resume()
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
}

// A fault of the first question on a connection is one of the connection: the client tries again.
func TestFaultsOfConnecting(t *testing.T) {
	c := StartCluster(t, 3, Options{})
	gossip := c.Server(0).Inject(Fault{Kind: Kill, Call: CallGossip, Times: -1})
	features := c.Server(0).Inject(Fault{Kind: NotReady, Call: CallFeatures})
	client := connect(t, c.URL()+"&nodePreference=leader&discoveryInterval=1&maxDiscoverAttempts=100")
	mustAppend(t, client, "s", esdb.NoStream{}, proposal(1)...)
	if features.Hits() != 1 {
		t.Fatalf("%d and %d hits", gossip.Hits(), features.Hits())
	}
}

// A paused server can stop, and what waited for it fails.
func TestStopWhilePaused(t *testing.T) {
	s := Start(t, Options{})
	client := connect(t, s.URL())
	mustAppend(t, client, "s", esdb.NoStream{}, proposal(1)...)
	s.Pause()
	s.Stop()
	if _, err := appendTo(client, "s", esdb.Revision(0), proposal(1)...); err == nil || codeOf(t, err) != esdb.ErrorUnavailable {
		t.Fatal(err)
	}
}

// Other calls fail as they are told, too.
func TestFaultsOfOtherCalls(t *testing.T) {
	s := Start(t, Options{})
	client, ctx := connect(t, s.URL()), context.Background()
	mustAppend(t, client, "s", esdb.NoStream{}, proposal(1)...)
	read := func() error {
		return readError(client.ReadStream(ctx, "s", esdb.ReadStreamOptions{From: esdb.Start{}}, 1))
	}
	subscribe := func() error {
		sub, err := client.SubscribeToAll(ctx, esdb.SubscribeToAllOptions{From: esdb.End{}})
		if err == nil {
			_ = sub.Close()
		}
		return err
	}
	remove := func() error {
		_, err := client.DeleteStream(ctx, "s", esdb.DeleteStreamOptions{ExpectedRevision: esdb.Revision(0)})
		return err
	}
	for _, c := range []struct {
		fault Fault
		do    func() error
		code  esdb.ErrorCode
	}{
		{Fault{Kind: NotReady, Call: CallRead}, read, esdb.ErrorUnavailable},
		{Fault{Kind: Kill, Call: CallRead}, read, esdb.ErrorUnavailable},
		{Fault{Kind: NotLeader, Call: CallRead}, read, esdb.ErrorCodeNotLeader},
		{Fault{Kind: Kill, Call: CallSubscribe}, subscribe, esdb.ErrorUnavailable},
		{Fault{Kind: NotReady, Call: CallSubscribe}, subscribe, esdb.ErrorUnavailable},
		{Fault{Kind: TimeoutBeforeWrite, Call: CallDelete}, remove, esdb.ErrorAborted},
		{Fault{Kind: NotLeader, Call: CallDelete}, remove, esdb.ErrorCodeNotLeader},
	} {
		i := s.Inject(c.fault)
		if err := c.do(); err == nil || codeOf(t, err) != c.code || i.Hits() != 1 {
			t.Fatalf("%+v: %v", c.fault, err)
		}
	}
	for _, do := range []func() error{read, subscribe, remove} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
}
