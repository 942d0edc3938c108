package esdbtest

import (
	"context"
	"fmt"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
)

// next returns what a subscription tells next: an event as stream:revision, or the word for it.
func next(sub *esdb.Subscription) string {
	switch e := sub.Recv(); {
	case e.EventAppeared != nil:
		return fmt.Sprintf("%s:%d", e.EventAppeared.Event.StreamID, e.EventAppeared.Event.EventNumber)
	case e.CaughtUp != nil:
		return "caught up"
	case e.CheckPointReached != nil:
		return "checkpoint"
	case e.SubscriptionDropped != nil:
		return "dropped"
	}
	return "something else"
}

func expectNext(t *testing.T, sub *esdb.Subscription, want ...string) {
	t.Helper()
	for _, w := range want {
		if got := next(sub); got != w {
			t.Fatalf("%s, not %s", got, w)
		}
	}
}

// A subscription begins after its start, catches up, says so, and goes on with what comes.
func TestSubscribe(t *testing.T) {
	s := Start(t, Options{NoSystemEvents: true})
	client, ctx := connect(t, s.URL()), context.Background()
	mustAppend(t, client, "a", esdb.NoStream{}, proposal(1)...)
	at := mustAppend(t, client, "b", esdb.NoStream{}, proposal(1)...)
	mustAppend(t, client, "a", esdb.Revision(0), proposal(2)...)
	stream := func(from esdb.StreamPosition) *esdb.Subscription {
		sub, err := client.SubscribeToStream(ctx, "a", esdb.SubscribeToStreamOptions{From: from})
		if err != nil {
			t.Fatal(err)
		}
		return sub
	}
	all := func(from esdb.AllPosition) *esdb.Subscription {
		sub, err := client.SubscribeToAll(ctx, esdb.SubscribeToAllOptions{From: from})
		if err != nil {
			t.Fatal(err)
		}
		return sub
	}
	subs := map[*esdb.Subscription][]string{
		stream(esdb.Start{}):                              {"a:0", "a:1", "a:2", "caught up", "a:3"},
		stream(esdb.Revision(1)):                          {"a:2", "caught up", "a:3"},
		stream(esdb.End{}):                                {"caught up", "a:3"},
		all(esdb.Start{}):                                 {"a:0", "b:0", "a:1", "a:2", "caught up", "a:3", "b:1"},
		all(esdb.Position{Commit: at.CommitPosition}):     {"a:1", "a:2", "caught up", "a:3", "b:1"},
		all(esdb.Position{Commit: at.CommitPosition + 1}): {"a:1", "a:2", "caught up", "a:3", "b:1"},
		all(esdb.End{}):                                   {"caught up", "a:3", "b:1"},
	}
	mustAppend(t, client, "a", esdb.Revision(2), proposal(1)...)
	mustAppend(t, client, "b", esdb.Revision(0), proposal(1)...)
	for sub, want := range subs {
		// What came before the server looked at the subscription is caught up with.
		live := []string{}
		for range want {
			live = append(live, next(sub))
		}
		if got, want := without(live, "caught up"), without(want, "caught up"); got != want {
			t.Errorf("%s, not %s", got, want)
		}
		_ = sub.Close()
	}
}

func without(list []string, word string) (rest string) {
	for _, w := range list {
		if w != word {
			rest += w + " "
		}
	}
	return rest
}

// A subscription to what does not exist waits for it, one that the server drops is told so, and
// a tombstone ends it.
func TestSubscriptionEnds(t *testing.T) {
	s := Start(t, Options{})
	client, ctx := connect(t, s.URL()), context.Background()
	subscribe := func(stream string) *esdb.Subscription {
		sub, err := client.SubscribeToStream(ctx, stream, esdb.SubscribeToStreamOptions{From: esdb.Start{}})
		if err != nil {
			t.Fatal(err)
		}
		expectNext(t, sub, "caught up")
		return sub
	}
	sub := subscribe("s")
	mustAppend(t, client, "s", esdb.NoStream{}, proposal(1)...)
	expectNext(t, sub, "s:0")
	if n := s.DropSubscriptions(); n != 1 {
		t.Fatalf("%d subscriptions dropped", n)
	}
	expectNext(t, sub, "dropped")
	mustAppend(t, client, "s", esdb.Revision(0), proposal(1)...) // the connection is as it was

	sub = subscribe("t")
	mustAppend(t, client, "t", esdb.NoStream{}, proposal(1)...)
	expectNext(t, sub, "t:0")
	if _, err := client.TombstoneStream(ctx, "t", esdb.TombstoneStreamOptions{ExpectedRevision: esdb.Any{}}); err != nil {
		t.Fatal(err)
	}
	expectNext(t, sub, "dropped")
}

// A filter hides events, and tells the position now and then.
func TestFilter(t *testing.T) {
	s := Start(t, Options{})
	client, ctx := connect(t, s.URL()), context.Background()
	mustAppend(t, client, "other", esdb.NoStream{}, proposal(4)...)
	mustAppend(t, client, "mine", esdb.NoStream{}, proposal(1)...)
	own := len(s.Cluster().Events("")) - 5
	for name, f := range map[string]*esdb.SubscriptionFilter{
		"prefix": {Type: esdb.StreamFilterType, Prefixes: []string{"mi"}},
		"regex":  {Type: esdb.StreamFilterType, Regex: "^mine$"},
	} {
		sub, err := client.SubscribeToAll(ctx, esdb.SubscribeToAllOptions{
			From: esdb.Start{}, Filter: f, MaxSearchWindow: own + 4, CheckpointInterval: 1,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Log(name)
		expectNext(t, sub, "checkpoint", "mine:0", "caught up")
		_ = sub.Close()
	}
}
