package esdbtest

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"
)

// connect is a client of the official library.
func connect(t *testing.T, url string) *esdb.Client {
	t.Helper()
	c, err := esdb.ParseConnectionString(url)
	if err != nil {
		t.Fatal(err)
	}
	c.Logger = esdb.NoopLogging()
	client, err := esdb.NewClient(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func proposal(n int) (events []esdb.EventData) {
	for range n {
		events = append(events, esdb.EventData{
			EventID: uuid.New(), EventType: "tested", ContentType: esdb.ContentTypeJson, Data: []byte(`{"a":1}`), Metadata: []byte(`{"b":2}`),
		})
	}
	return events
}

func codeOf(t *testing.T, err error) esdb.ErrorCode {
	t.Helper()
	var e *esdb.Error
	if !errors.As(err, &e) {
		t.Fatalf("not an error of the client: %v", err)
	}
	return e.Code()
}

func TestAppendReadSubscribe(t *testing.T) {
	s := Start(t, Options{})
	client, ctx := connect(t, s.URL()), context.Background()
	sub, err := client.SubscribeToStream(ctx, "s", esdb.SubscribeToStreamOptions{From: esdb.Revision(0)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Close() }()
	events := proposal(3)
	result, err := client.AppendToStream(ctx, "s", esdb.AppendToStreamOptions{ExpectedRevision: esdb.NoStream{}}, events...)
	if err != nil {
		t.Fatal(err)
	}
	if result.NextExpectedVersion != 2 {
		t.Fatalf("revision %d", result.NextExpectedVersion)
	}
	read, err := client.ReadStream(ctx, "s", esdb.ReadStreamOptions{From: esdb.Start{}}, 10)
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	for i := range events {
		e, err := read.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if e.Event.EventID != events[i].EventID || e.Event.EventNumber != uint64(i) || string(e.Event.UserMetadata) != `{"b":2}` {
			t.Fatalf("event %d: %+v", i, e.Event)
		}
	}
	if _, err := read.Recv(); !errors.Is(err, io.EOF) {
		t.Fatalf("no end: %v", err)
	}
	var got []uint64
	for len(got) < 2 {
		e := sub.Recv()
		if e.SubscriptionDropped != nil {
			t.Fatal(e.SubscriptionDropped.Error)
		}
		if e.EventAppeared != nil {
			got = append(got, e.EventAppeared.Event.EventNumber)
		}
	}
	if got[0] != 1 || got[1] != 2 {
		t.Fatalf("after revision 0 come %v", got)
	}
	_, err = client.AppendToStream(ctx, "s", esdb.AppendToStreamOptions{ExpectedRevision: esdb.NoStream{}}, proposal(1)...)
	if codeOf(t, err) != esdb.ErrorCodeWrongExpectedVersion {
		t.Fatal(err)
	}
}
