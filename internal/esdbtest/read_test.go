package esdbtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
)

// names are the events of a read, as stream:revision.
func names(t *testing.T, r *esdb.ReadStream, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var all []string
	for {
		e, err := r.Recv()
		if errors.Is(err, io.EOF) {
			return strings.Join(all, " ")
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%s:%d", e.Event.StreamID, e.Event.EventNumber))
	}
}

func readError(r *esdb.ReadStream, err error) error {
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = r.Recv()
	return err
}

func TestReadStream(t *testing.T) {
	s := Start(t, Options{})
	client, ctx := connect(t, s.URL()), context.Background()
	mustAppend(t, client, "s", esdb.NoStream{}, proposal(5)...)
	for _, c := range []struct {
		direction esdb.Direction
		from      esdb.StreamPosition
		limit     uint64
		want      string
	}{
		{esdb.Forwards, esdb.Start{}, 10, "s:0 s:1 s:2 s:3 s:4"},
		{esdb.Forwards, esdb.Start{}, 2, "s:0 s:1"},
		{esdb.Forwards, esdb.Revision(3), 10, "s:3 s:4"},
		{esdb.Forwards, esdb.Revision(5), 10, ""},
		{esdb.Forwards, esdb.End{}, 10, ""},
		{esdb.Backwards, esdb.End{}, 10, "s:4 s:3 s:2 s:1 s:0"},
		{esdb.Backwards, esdb.End{}, 1, "s:4"},
		{esdb.Backwards, esdb.Revision(1), 10, "s:1 s:0"},
		{esdb.Backwards, esdb.Revision(99), 1, "s:4"},
		{esdb.Backwards, esdb.Start{}, 10, "s:0"},
	} {
		r, err := client.ReadStream(ctx, "s", esdb.ReadStreamOptions{Direction: c.direction, From: c.from}, c.limit)
		if got := names(t, r, err); got != c.want {
			t.Errorf("%v from %v, %d: %q, not %q", c.direction, c.from, c.limit, got, c.want)
		}
	}
	err := readError(client.ReadStream(ctx, "none", esdb.ReadStreamOptions{From: esdb.Start{}}, 1))
	if codeOf(t, err) != esdb.ErrorCodeResourceNotFound {
		t.Fatal(err)
	}
}

// $all begins with the server's own events; a read forwards has the event at its position, and a
// read backwards does not.
func TestReadAll(t *testing.T) {
	s := Start(t, Options{})
	client, ctx := connect(t, s.URL()), context.Background()
	own := len(s.Cluster().Events(""))
	mustAppend(t, client, "a", esdb.NoStream{}, proposal(2)...)
	at := mustAppend(t, client, "b", esdb.NoStream{}, proposal(1)...)
	mustAppend(t, client, "a", esdb.Revision(1), proposal(1)...)
	position := esdb.Position{Commit: at.CommitPosition, Prepare: at.PreparePosition}
	if own == 0 || at.CommitPosition == 0 {
		t.Fatalf("%d events of the server's own, and position %v", own, position)
	}
	for _, c := range []struct {
		direction esdb.Direction
		from      esdb.AllPosition
		limit     uint64
		want      string
	}{
		{esdb.Forwards, position, 10, "b:0 a:2"},
		{esdb.Backwards, position, 2, "a:1 a:0"},
		{esdb.Backwards, esdb.End{}, 3, "a:2 b:0 a:1"},
		{esdb.Forwards, esdb.End{}, 3, ""},
		{esdb.Forwards, esdb.Start{}, 1, "$users:0"},
		{esdb.Backwards, esdb.Start{}, 1, ""},
	} {
		r, err := client.ReadAll(ctx, esdb.ReadAllOptions{Direction: c.direction, From: c.from}, c.limit)
		if got := names(t, r, err); got != c.want {
			t.Errorf("%v from %v, %d: %q, not %q", c.direction, c.from, c.limit, got, c.want)
		}
	}
	r, err := client.ReadAll(ctx, esdb.ReadAllOptions{From: esdb.Start{}}, 1000)
	if got := len(strings.Fields(names(t, r, err))); got != own+4 {
		t.Fatalf("%d events, not %d", got, own+4)
	}
}

// A deleted stream is not there, and goes on where it was; a tombstone is for good.
func TestDeleteAndTombstone(t *testing.T) {
	s := Start(t, Options{})
	client, ctx := connect(t, s.URL()), context.Background()
	read := func() (*esdb.ReadStream, error) {
		return client.ReadStream(ctx, "s", esdb.ReadStreamOptions{From: esdb.Start{}}, 10)
	}
	mustAppend(t, client, "s", esdb.NoStream{}, proposal(3)...)
	if _, err := client.DeleteStream(ctx, "s", esdb.DeleteStreamOptions{ExpectedRevision: esdb.Revision(1)}); err == nil {
		t.Fatal("deleted at a wrong revision")
	}
	result, err := client.DeleteStream(ctx, "s", esdb.DeleteStreamOptions{ExpectedRevision: esdb.Revision(2)})
	if err != nil || result.Position.Commit == 0 {
		t.Fatal(result, err)
	}
	if err := readError(read()); codeOf(t, err) != esdb.ErrorCodeResourceNotFound {
		t.Fatal(err)
	}
	if _, err := appendTo(client, "s", esdb.StreamExists{}, proposal(1)...); codeOf(t, err) != esdb.ErrorCodeStreamDeleted {
		t.Fatal(err)
	}
	mustAppend(t, client, "s", esdb.NoStream{}, proposal(2)...)
	r, err := read()
	if got := names(t, r, err); got != "s:3 s:4" {
		t.Fatalf("written again: %q", got)
	}
	if _, err := client.TombstoneStream(ctx, "s", esdb.TombstoneStreamOptions{ExpectedRevision: esdb.Revision(4)}); err != nil {
		t.Fatal(err)
	}
	if err := readError(read()); codeOf(t, err) != esdb.ErrorCodeStreamDeleted {
		t.Fatal(err)
	}
	_, err = client.GetStreamMetadata(ctx, "s", esdb.ReadStreamOptions{From: esdb.Start{}})
	if err == nil || codeOf(t, err) != esdb.ErrorCodeStreamDeleted {
		t.Fatal("its metadata:", err)
	}
	for _, want := range []esdb.ExpectedRevision{esdb.NoStream{}, esdb.Any{}, esdb.Revision(4)} {
		if _, err := appendTo(client, "s", want, proposal(1)...); codeOf(t, err) != esdb.ErrorCodeStreamDeleted {
			t.Fatal(want, err)
		}
	}
}

// Metadata hide events, and leave the revisions of the others as they are.
func TestStreamMetadata(t *testing.T) {
	s := Start(t, Options{})
	client, ctx := connect(t, s.URL()), context.Background()
	mustAppend(t, client, "s", esdb.NoStream{}, proposal(5)...)
	set := func(m esdb.StreamMetadata) {
		t.Helper()
		if _, err := client.SetStreamMetadata(ctx, "s", esdb.AppendToStreamOptions{}, m); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(want string) {
		t.Helper()
		r, err := client.ReadStream(ctx, "s", esdb.ReadStreamOptions{From: esdb.Start{}}, 10)
		if got := names(t, r, err); got != want {
			t.Fatalf("%q, not %q", got, want)
		}
	}
	m := esdb.StreamMetadata{}
	m.SetMaxCount(2)
	set(m)
	expect("s:3 s:4")
	m = esdb.StreamMetadata{}
	m.SetTruncateBefore(2)
	set(m)
	expect("s:2 s:3 s:4")
	got, err := client.GetStreamMetadata(ctx, "s", esdb.ReadStreamOptions{From: esdb.Start{}})
	if err != nil || got.TruncateBefore() == nil || *got.TruncateBefore() != 2 || got.MaxCount() != nil {
		t.Fatalf("%+v, %v", got, err)
	}
	mustAppend(t, client, "s", esdb.Revision(4), proposal(1)...)
	expect("s:2 s:3 s:4 s:5")
}

// A link is followed if the reader asks for it.
func TestLinks(t *testing.T) {
	s := Start(t, Options{})
	client, ctx := connect(t, s.URL()), context.Background()
	mustAppend(t, client, "s", esdb.NoStream{}, proposal(2)...)
	s.Cluster().Write("links", Event{Type: "$>", Data: []byte("1@s")})
	r, err := client.ReadStream(ctx, "links", esdb.ReadStreamOptions{From: esdb.Start{}, ResolveLinkTos: true}, 10)
	if got := names(t, r, err); got != "s:1" {
		t.Fatalf("followed: %q", got)
	}
	r, err = client.ReadStream(ctx, "links", esdb.ReadStreamOptions{From: esdb.Start{}}, 10)
	if got := names(t, r, err); got != "links:0" {
		t.Fatalf("as it is: %q", got)
	}
}
