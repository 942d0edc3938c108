package esdbtest

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

func dial(t *testing.T, s *Server) *grpc.ClientConn {
	t.Helper()
	c, err := grpc.NewClient(s.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// states are the members of a cluster as one of them tells, in order.
func states(t *testing.T, s *Server) string {
	t.Helper()
	info, err := gossip.NewGossipClient(dial(t, s)).Read(context.Background(), &shared.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, m := range info.GetMembers() {
		word := m.GetState().String()
		if !m.GetIsAlive() {
			word = "dead " + word
		}
		all = append(all, word)
	}
	return strings.Join(all, ", ")
}

func TestLeaderMoves(t *testing.T) {
	c := StartCluster(t, 3, Options{})
	client := connect(t, c.URL()+"&nodePreference=leader")
	mustAppend(t, client, "s", esdb.NoStream{}, proposal(1)...)
	if c.Server(0).Calls(CallAppend) != 1 {
		t.Fatal("the client did not ask the leader")
	}
	if got := states(t, c.Server(2)); got != "Leader, Follower, Follower" {
		t.Fatal(got)
	}
	c.StartElection()
	if got := states(t, c.Server(2)); got != "Unknown, Unknown, Unknown" {
		t.Fatal(got)
	}
	if _, err := appendTo(client, "s", esdb.Revision(0), proposal(1)...); codeOf(t, err) != esdb.ErrorUnavailable {
		t.Fatal(err)
	}
	c.MoveLeader(1)
	c.Server(0).Stop()
	if got := states(t, c.Server(2)); got != "dead Follower, Leader, Follower" {
		t.Fatal(got)
	}
	mustAppend(t, client, "s", esdb.Revision(0), proposal(1)...)
	if c.Server(1).Calls(CallAppend) != 1 {
		t.Fatal("the client did not ask the new leader")
	}
	// One of three commits nothing: the leader answers that it took too long.
	c.Server(2).Stop()
	if _, err := appendTo(client, "s", esdb.Revision(1), proposal(1)...); codeOf(t, err) != esdb.ErrorAborted {
		t.Fatal(err)
	}
	if err := c.Server(0).Restart(); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, client, "s", esdb.Revision(1), proposal(1)...)
}

// A follower passes writes on to the leader, unless the client requires one: then it says where
// the leader is.
func TestFollower(t *testing.T) {
	c := StartCluster(t, 3, Options{})
	mustAppend(t, connect(t, c.Server(1).URL()), "s", esdb.NoStream{}, proposal(1)...)
	ctx := metadata.AppendToOutgoingContext(context.Background(), "requires-leader", "true")
	var trailer metadata.MD
	_, err := streams.NewStreamsClient(dial(t, c.Server(1))).Delete(ctx, &streams.DeleteReq{Options: &streams.DeleteReq_Options{
		StreamIdentifier:       &shared.StreamIdentifier{StreamName: []byte("s")},
		ExpectedStreamRevision: &streams.DeleteReq_Options_Any{Any: &shared.Empty{}},
	}}, grpc.Trailer(&trailer))
	host, port := c.nodes[0].endpoint()
	if status.Code(err) != codes.NotFound || trailer.Get("exception")[0] != "not-leader" ||
		trailer.Get("leader-endpoint-host")[0] != host || trailer.Get("leader-endpoint-port")[0] != strconv.Itoa(port) {
		t.Fatal(err, trailer)
	}
}

// A follower that lags behind does not know what was written, and its subscribers neither.
func TestFollowerLags(t *testing.T) {
	c := StartCluster(t, 3, Options{})
	leader, follower := connect(t, c.Server(0).URL()), connect(t, c.Server(2).URL())
	ctx := context.Background()
	mustAppend(t, leader, "s", esdb.NoStream{}, proposal(1)...)
	c.Server(2).HoldReplication()
	mustAppend(t, leader, "s", esdb.Revision(0), proposal(1)...)
	read := func(client *esdb.Client) string {
		r, err := client.ReadStream(ctx, "s", esdb.ReadStreamOptions{From: esdb.Start{}}, 10)
		return names(t, r, err)
	}
	if got := read(leader); got != "s:0 s:1" {
		t.Fatalf("the leader has %q", got)
	}
	if got := read(follower); got != "s:0" {
		t.Fatalf("the follower has %q", got)
	}
	sub, err := follower.SubscribeToStream(ctx, "s", esdb.SubscribeToStreamOptions{From: esdb.Start{}})
	if err != nil {
		t.Fatal(err)
	}
	expectNext(t, sub, "s:0", "caught up")
	c.Server(2).ReleaseReplication()
	expectNext(t, sub, "s:1")
}

func TestSecurity(t *testing.T) {
	s := Start(t, Options{TLS: true, User: "bot", Password: "secret"})
	mustAppend(t, connect(t, s.URL()), "s", esdb.NoStream{}, proposal(1)...)
	for name, c := range map[string]struct {
		url  string
		want esdb.ErrorCode
	}{
		"wrong password": {strings.Replace(s.URL(), "secret", "guess", 1), esdb.ErrorCodeUnauthenticated},
		"nobody":         {strings.Replace(s.URL(), "bot:secret@", "", 1), esdb.ErrorCodeAccessDenied},
		"no TLS":         {"esdb://" + s.Addr() + "?tls=false&maxDiscoverAttempts=1", esdb.ErrorUnavailable},
		"not trusted":    {"esdb://" + s.Addr() + "?maxDiscoverAttempts=1", esdb.ErrorUnavailable},
	} {
		// An append that is refused before it has ended may be no more than EOF to the client.
		if _, err := appendTo(connect(t, c.url), "s", esdb.Revision(0), proposal(1)...); err == nil {
			t.Errorf("%s: written", name)
		}
		err := readError(connect(t, c.url).ReadStream(context.Background(), "s", esdb.ReadStreamOptions{From: esdb.Start{}}, 1))
		if err == nil || codeOf(t, err) != c.want {
			t.Errorf("%s, read: %v", name, err)
		}
	}
	if n := len(s.Cluster().Events("s")); n != 1 {
		t.Fatalf("%d events", n)
	}
}

func TestOptionsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		servers int
		options Options
	}{
		"credentials without TLS": {1, Options{User: "bot"}},
		"no server":               {0, Options{}},
		"addresses missing":       {3, Options{Addresses: []string{"localhost:0"}}},
		"no address":              {1, Options{Addresses: []string{"localhost:none"}}},
	} {
		if made, err := New(t.TempDir(), c.servers, c.options); err == nil {
			made.Close()
			t.Errorf("%s: no error", name)
		}
	}
}
