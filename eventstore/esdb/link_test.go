package esdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pets/eventstore"
	"pets/eventstore/storetest"
	"pets/internal/esdbtest"
	"pets/internal/testenv"
)

// impatient are options under which an operation is given up soon.
func impatient() Options {
	return Options{Timeout: 200 * time.Millisecond, Patience: 300 * time.Millisecond}
}

// "After discovery fails the client is dead for good, even when the server returns": the store
// has another client by then.
func TestADatabaseThatComesBack(t *testing.T) {
	server := esdbtest.Start(t, esdbtest.Options{})
	s := open(t, server.URL(), quick())
	storetest.Must(t, s, "s", eventstore.NoStream, storetest.Propose("a", 0, 1))
	require.True(t, s.Health().Ready)
	slowDown := hasten(s)
	server.Stop()
	// A client gives up after discoverAttempts, which takes half a second: more than one has to.
	for range 5 {
		_, err := s.Head(t.Context(), "s")
		var unavailable *eventstore.Unavailable
		require.ErrorAs(t, err, &unavailable)
		require.False(t, unavailable.Poisoned)
	}
	h := s.Health()
	require.False(t, h.Ready)
	require.NotEmpty(t, h.Reason)
	require.NoError(t, server.Restart())
	slowDown()
	storetest.Must(t, s, "s", eventstore.At(0), storetest.Propose("a", 1, 1))
	h = s.Health()
	require.True(t, h.Ready)
	require.Empty(t, h.Reason)
	require.Positive(t, h.Reconnects)
	requireOnce(t, s, "s", storetest.Propose("a", 0, 2))
}

// "64 appends during an outage: some calls hang past their ctx"; "ctx is ignored during
// discovery": each ends with its context.
func TestCallsEndWithTheirContextDuringAnOutage(t *testing.T) {
	server := esdbtest.Start(t, esdbtest.Options{})
	s := open(t, server.URL(), Options{Timeout: time.Hour, Patience: time.Hour})
	server.Stop()
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for i := range 64 {
		group.Go(func() {
			_, err := s.Append(ctx, fmt.Sprint("s", i), eventstore.NoStream, storetest.Propose("a", 0, 1))
			if !errors.Is(err, context.Canceled) {
				t.Errorf("append %d: %v", i, err)
			}
		})
		group.Go(func() {
			if _, err := s.Head(ctx, "s"); !errors.Is(err, context.Canceled) {
				t.Errorf("head %d: %v", i, err)
			}
		})
		group.Go(func() {
			for _, err := range s.SubscribeStream(ctx, "s", 0) {
				if !errors.Is(err, context.Canceled) {
					t.Errorf("subscription %d: %v", i, err)
				}
			}
		})
	}
	cancel()
	group.Wait() // it hangs if one of them does
}

// A node that never answers, not even while it is looked for.
func TestOpenEndsWithItsContext(t *testing.T) {
	mute, err := net.Listen("tcp", "127.0.0.1:0") // no connection is accepted
	require.NoError(t, err)
	defer mute.Close()
	a, err := Parse("esdb://" + mute.Addr().String() + "?tls=false")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Open(ctx, a, Options{})
	require.ErrorIs(t, err, context.Canceled)
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = Open(ctx, a, Options{})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = Open(t.Context(), a, impatient())
	var unavailable *eventstore.Unavailable
	require.ErrorAs(t, err, &unavailable)
}

// "requires-leader is never sent": without it, a node that was the leader goes on answering with
// what it has.
func TestOnlyTheLeaderAnswers(t *testing.T) {
	cluster := esdbtest.StartCluster(t, 3, esdbtest.Options{})
	s, other := open(t, cluster.URL(), quick()), open(t, cluster.URL(), quick())
	expected := eventstore.NoStream
	for n := range 9 {
		leader := n % 3
		cluster.MoveLeader(leader)
		cluster.Server((leader + 1) % 3).HoldReplication()
		cluster.Server((leader + 2) % 3).HoldReplication()
		got := storetest.Must(t, s, "s", expected, storetest.Propose("a", n, 1))
		expected = eventstore.At(got.Last)
		for _, reader := range []*Store{s, other} {
			head, err := reader.Head(t.Context(), "s")
			require.NoError(t, err)
			require.Equal(t, uint64(n), head, "as of the leader")
			require.Len(t, storetest.All(t, reader.ReadStream(t.Context(), "s", 0)), n+1)
			require.Len(t, storetest.All(t, reader.ReadAll(t.Context(), eventstore.Position{})), n+1)
		}
		for i := range 3 {
			cluster.Server(i).ReleaseReplication()
		}
	}
	requireOnce(t, s, "s", storetest.Propose("a", 0, 9))
}

// A cluster in which a node is lost, and later an election goes on.
func TestACluster(t *testing.T) {
	cluster := esdbtest.StartCluster(t, 3, esdbtest.Options{})
	s := open(t, cluster.URL(), quick())
	storetest.Must(t, s, "s", eventstore.NoStream, storetest.Propose("a", 0, 1))
	cluster.Server(0).Stop()
	cluster.MoveLeader(1)
	storetest.Must(t, s, "s", eventstore.At(0), storetest.Propose("a", 1, 1))
	cluster.StartElection()
	done := make(chan error, 1)
	go func() {
		_, err := s.Append(context.Background(), "s", eventstore.At(1), storetest.Propose("a", 2, 1))
		done <- err
	}()
	cluster.MoveLeader(2)
	require.NoError(t, <-done)
	requireOnce(t, s, "s", storetest.Propose("a", 0, 3))
}

// "send on closed channel panic on concurrent append errors": connections are cut again and
// again under 32 appenders and the clients replaced; nothing panics, and nothing is lost or doubled.
func TestClientsAreReplacedUnderLoad(t *testing.T) {
	server := esdbtest.Start(t, esdbtest.Options{})
	s := open(t, server.URL(), Options{Timeout: 10 * time.Second, Patience: 5 * time.Minute})
	var group sync.WaitGroup
	var acknowledged atomic.Int32
	const appenders, each = 32, 6
	for i := range appenders {
		group.Go(func() {
			name := fmt.Sprint("s", i)
			for n := range each {
				_, err := s.Append(t.Context(), name, eventstore.Expected(n-1), storetest.Propose(name, n, 1))
				if err != nil {
					t.Errorf("%s/%d: %v", name, n, err)
					return
				}
				if acknowledged.Add(1)%9 == 0 {
					server.CutConnections()
				}
			}
		})
	}
	group.Wait()
	for i := range appenders {
		requireOnce(t, s, fmt.Sprint("s", i), storetest.Propose(fmt.Sprint("s", i), 0, each))
	}
	require.Positive(t, s.Health().Reconnects)
}

// A panic of the client is an error of the call, and the client is replaced: "send on closed
// channel", and Recv on messages that it does not know.
func TestAPanicOfTheClient(t *testing.T) {
	s := open(t, esdbtest.Start(t, esdbtest.Options{}).URL(), Options{})
	_, sent, err := call(t.Context(), s.link, func(context.Context, *esdb.Client) (int, error) { panic("unreachable code") })
	require.True(t, sent, "it may have sent something")
	require.True(t, is(err, lost))
	f := s.flow(t.Context(), func(context.Context, *esdb.Client) (source, error) {
		return source{func() (*esdb.RecordedEvent, error) { panic("unreachable code") }, func() {}}, nil
	})
	defer f.cancel()
	_, err = f.next(t.Context(), time.Minute, false)
	require.True(t, is(err, lost))
	storetest.Must(t, s, "s", eventstore.NoStream, storetest.Propose("a", 0, 1))
	require.Positive(t, s.Health().Reconnects)

	// The real one: a call that reports an error to a client that was closed meanwhile.
	dead := raw(t, esdbtest.Start(t, esdbtest.Options{}))
	require.NoError(t, dead.Close())
	_, err = dead.AppendToStream(t.Context(), "s", esdb.AppendToStreamOptions{ExpectedRevision: esdb.NoStream{}})
	require.True(t, problemOf(err).broken)
}

// Closing during an outage leaves nothing behind: the client's search for a node ends.
func TestCloseDuringAnOutageEndsEverything(t *testing.T) {
	server := esdbtest.Start(t, esdbtest.Options{})
	s := open(t, server.URL(), quick())
	hasten(s)
	server.Stop()
	var unavailable *eventstore.Unavailable
	for range 3 {
		_, err := s.Head(t.Context(), "s")
		require.ErrorAs(t, err, &unavailable)
	}
	require.NoError(t, s.Close())
	for { // it hangs if something is left
		stacks := make([]byte, 1<<22)
		stacks = stacks[:runtime.Stack(stacks, true)]
		if !bytes.Contains(stacks, []byte("connectionStateMachine")) && !bytes.Contains(stacks, []byte("esdb.(*link)")) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Append waits for the answer when the store is closed meanwhile.
func TestCloseWaitsForAppends(t *testing.T) {
	server := esdbtest.Start(t, esdbtest.Options{})
	s := open(t, server.URL(), Options{})
	slow := server.Inject(esdbtest.Fault{Kind: esdbtest.Slow, Delay: 200 * time.Millisecond})
	done := make(chan error, 1)
	go func() {
		_, err := s.Append(context.Background(), "s", eventstore.NoStream, storetest.Propose("a", 0, 2))
		done <- err
	}()
	<-slow.Hit()
	require.NoError(t, s.Close())
	require.NoError(t, <-done)
	requireOnce(t, open(t, server.URL(), Options{}), "s", storetest.Propose("a", 0, 2))
}

// Close gives up an append that is never answered, and says that its outcome is unknown.
func TestCloseGivesUpAnAppendWithoutAnAnswer(t *testing.T) {
	server := esdbtest.Start(t, esdbtest.Options{})
	s := open(t, server.URL(), Options{Timeout: 300 * time.Millisecond, Patience: time.Hour})
	hang := server.Inject(esdbtest.Fault{Kind: esdbtest.Hang, Times: -1})
	done := make(chan error, 1)
	go func() {
		_, err := s.Append(context.Background(), "s", eventstore.NoStream, storetest.Propose("a", 0, 2))
		done <- err
	}()
	<-hang.Hit()
	require.NoError(t, s.Close())
	var ambiguous *eventstore.Ambiguous
	err := <-done
	require.ErrorAs(t, err, &ambiguous)
	require.ErrorIs(t, err, eventstore.ErrClosed)
}

// With TLS and credentials; and neither hosts nor credentials in an error, a log line, a metric
// or the store itself, whatever goes wrong.
func TestNothingSecretIsShown(t *testing.T) {
	cluster := esdbtest.StartCluster(t, 1, esdbtest.Options{TLS: true, User: "olga", Password: "s3cr3t"})
	server := cluster.Server(0)
	host, port, err := net.SplitHostPort(server.Addr())
	require.NoError(t, err)
	var seen bytes.Buffer
	var mu sync.Mutex
	locked := writerFunc(func(b []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return seen.Write(b)
	})
	// The client logs to the standard logger, if it is left to itself.
	o := Options{Timeout: 2 * time.Second, Patience: time.Second}
	o.Log = slog.New(slog.NewTextHandler(locked, &slog.HandlerOptions{Level: slog.LevelDebug}))
	show := func(v any) { fmt.Fprintf(locked, "%v %+v %#v\n", v, v, v) }

	s := open(t, server.URL(), Options{Log: o.Log})
	storetest.Must(t, s, "s", eventstore.NoStream, storetest.Propose("a", 0, 2))
	requireOnce(t, s, "s", storetest.Propose("a", 0, 2))
	for _, url := range []string{
		strings.Replace(server.URL(), "s3cr3t", "hunter2", 1), // a wrong password
		strings.Replace(server.URL(), "olga:s3cr3t@", "", 1),  // none
		strings.Split(server.URL(), "?")[0],                   // an unknown authority
		"esdb://" + server.Addr() + "?tls=false",
		"esdb://olga:s3cr3t@ledger.internal:2117",
	} {
		a, err := Parse(url)
		require.NoError(t, err)
		_, err = Open(t.Context(), a, o)
		require.Error(t, err)
		show(err)
		for ; err != nil; err = errors.Unwrap(err) {
			show(err)
			fmt.Fprint(locked, dumped(err))
		}
	}
	hasten(s)
	server.Stop()
	_, err = s.Append(t.Context(), "s", eventstore.At(1), storetest.Propose("a", 2, 1))
	require.Error(t, err)
	show(err)
	show(s)
	show(s.Health())
	o.Log.Info("a store", "store", s, "health", s.Health())
	if !testenv.Race { // it looks at what goroutines of the client change
		fmt.Fprint(locked, dumped(s))
	}
	require.NoError(t, s.Close())
	mu.Lock()
	defer mu.Unlock()
	text := seen.String()
	require.Contains(t, text, "the credentials were refused")
	require.Contains(t, text, "name it by tlsCAFile")
	requireNoSecret(t, text, host, port)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// What an operator reads of the text of an error is ours.
func TestReasons(t *testing.T) {
	for text, want := range map[string]string{
		"tls: failed to verify certificate: x509: certificate signed by unknown authority": "tlsCAFile",
		"x509: certificate is valid for localhost, not ledger.internal":                    "not valid for the host",
		"dial tcp: lookup ledger.internal: no such host":                                   "unknown",
		"dial tcp 10.0.0.1:2117: connect: connection refused":                              "connection refused",
		"error reading server preface: EOF":                                                "may want TLS",
		"rpc error: code = Unknown desc = something about olga":                            "no usable answer",
	} {
		p := problemOf(errors.New(text))
		require.Contains(t, p.Error(), want)
		require.NotEmpty(t, p.Trouble().Advice)
		requireNoSecret(t, p.Error())
	}
	// As gRPC has them, where the client passes them on.
	for code, want := range map[codes.Code]*problem{
		codes.Unavailable:      {class: lost, broken: true},
		codes.DeadlineExceeded: {class: late}, codes.Unauthenticated: {class: denied},
		codes.PermissionDenied: {class: denied}, codes.Internal: {class: lost},
	} {
		p := problemOf(fmt.Errorf("failed: %w", status.Error(code, "olga at ledger.internal:2117")))
		require.Equal(t, want.class, p.class, code)
		require.Equal(t, want.broken, p.broken, code)
		requireNoSecret(t, p.Error())
	}
	require.Equal(t, ended, problemOf(io.EOF).class)
	require.Equal(t, late, problemOf(fmt.Errorf("x: %w", context.DeadlineExceeded)).class)
}

// "Importing this client and the newer Kurrent client in one binary panics at init."
func TestTheSuccessorOfTheClientIsNotLinked(t *testing.T) {
	info, ok := debug.ReadBuildInfo()
	require.True(t, ok)
	for _, m := range info.Deps {
		require.NotContains(t, strings.ToLower(m.Path), "kurrent")
	}
}
