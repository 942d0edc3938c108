package esdbtest

import (
	"bytes"
	"context"
	"math"
	"strings"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
)

func appendTo(client *esdb.Client, stream string, want esdb.ExpectedRevision, events ...esdb.EventData) (*esdb.WriteResult, error) {
	return client.AppendToStream(context.Background(), stream, esdb.AppendToStreamOptions{ExpectedRevision: want}, events...)
}

func mustAppend(t *testing.T, client *esdb.Client, stream string, want esdb.ExpectedRevision, events ...esdb.EventData) *esdb.WriteResult {
	t.Helper()
	result, err := appendTo(client, stream, want, events...)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestExpectedRevisions(t *testing.T) {
	s := Start(t, Options{})
	client := connect(t, s.URL())
	for name, c := range map[string]struct {
		events   int // in the stream before
		want     esdb.ExpectedRevision
		conflict string // what the client says, or empty if it is written
	}{
		"new, no stream":        {0, esdb.NoStream{}, ""},
		"new, any":              {0, esdb.Any{}, ""},
		"new, stream exists":    {0, esdb.StreamExists{}, "expecting 'stream_exists' but got 'no_stream'"},
		"new, revision":         {0, esdb.Revision(0), "expecting '0' but got 'no_stream'"},
		"old, no stream":        {3, esdb.NoStream{}, "expecting 'no_stream' but got '2'"},
		"old, any":              {3, esdb.Any{}, ""},
		"old, stream exists":    {3, esdb.StreamExists{}, ""},
		"old, revision":         {3, esdb.Revision(2), ""},
		"old, earlier revision": {3, esdb.Revision(1), "expecting '1' but got '2'"},
		"old, later revision":   {3, esdb.Revision(3), "expecting '3' but got '2'"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.events > 0 {
				mustAppend(t, client, name, esdb.NoStream{}, proposal(c.events)...)
			}
			result, err := appendTo(client, name, c.want, proposal(2)...)
			if c.conflict == "" {
				if err != nil || result.NextExpectedVersion != uint64(c.events+1) {
					t.Fatalf("%+v, %v", result, err)
				}
				return
			}
			if err == nil || codeOf(t, err) != esdb.ErrorCodeWrongExpectedVersion || !strings.Contains(err.Error(), c.conflict) {
				t.Fatalf("not %q: %v", c.conflict, err)
			}
			if n := len(s.Cluster().Events(name)); n != c.events {
				t.Fatalf("%d events after a conflict", n)
			}
		})
	}
}

// A revision that no stream can have is refused, and not taken for a word such as "no stream".
func TestRevisionOutOfRange(t *testing.T) {
	s := Start(t, Options{})
	if _, err := appendTo(connect(t, s.URL()), "s", esdb.Revision(math.MaxUint64), proposal(1)...); err == nil {
		t.Fatal("written")
	}
	if n := len(s.Cluster().Events("s")); n != 0 {
		t.Fatalf("%d events", n)
	}
}

// The same ids at the same explicit revision were written already; some of them are a conflict;
// and at the stream's own revision nothing is compared.
func TestIdempotence(t *testing.T) {
	s := Start(t, Options{})
	client := connect(t, s.URL())
	count := func(want int) {
		t.Helper()
		if n := len(s.Cluster().Events("s")); n != want {
			t.Fatalf("%d events, not %d", n, want)
		}
	}
	mustAppend(t, client, "s", esdb.NoStream{}, proposal(1)...)
	events := proposal(3)
	first := mustAppend(t, client, "s", esdb.Revision(0), events...)
	mustAppend(t, client, "s", esdb.Revision(3), proposal(1)...)
	if again := mustAppend(t, client, "s", esdb.Revision(0), events...); *again != *first {
		t.Fatalf("first %+v, again %+v", first, again)
	}
	count(5)
	if again := mustAppend(t, client, "s", esdb.Revision(0), events[:2]...); again.NextExpectedVersion != 2 {
		t.Fatalf("the first two of three: %+v", again)
	}
	for name, mixed := range map[string][]esdb.EventData{
		"the last is another":  {events[0], events[1], proposal(1)[0]},
		"the first is another": {proposal(1)[0], events[1], events[2]},
		"beyond the end":       append(append([]esdb.EventData{}, events...), proposal(2)...),
	} {
		if _, err := appendTo(client, "s", esdb.Revision(0), mixed...); err == nil || codeOf(t, err) != esdb.ErrorCodeWrongExpectedVersion {
			t.Errorf("%s: %v", name, err)
		}
	}
	count(5)
	if again := mustAppend(t, client, "s", esdb.Any{}, events...); *again != *first {
		t.Fatalf("any: first %+v, again %+v", first, again)
	}
	count(5)
	if twice := mustAppend(t, client, "s", esdb.Revision(4), events...); twice.NextExpectedVersion != 7 {
		t.Fatalf("at the stream's own revision: %+v", twice)
	}
	count(8)
}

// 1 MiB of data, metadata and names is taken, and a byte more is not. The client has no code for
// that: it says 0, and sometimes EOF instead of the server's words.
func TestTooLarge(t *testing.T) {
	s := Start(t, Options{})
	client := connect(t, s.URL())
	e := proposal(1)[0]
	e.ContentType, e.EventType, e.Metadata = esdb.ContentTypeBinary, "12345678", []byte("1234")
	e.Data = bytes.Repeat([]byte{1}, DefaultMaxAppendSize-2*8-4)
	mustAppend(t, client, "s", esdb.NoStream{}, e)
	e.Data = append(e.Data, 1)
	_, err := appendTo(client, "s", esdb.Revision(0), e)
	if err == nil || codeOf(t, err) != esdb.ErrorCodeUnknown {
		t.Fatal(err)
	}
	if n := len(s.Cluster().Events("s")); n != 1 {
		t.Fatalf("%d events", n)
	}
}
