package main

import (
	"bufio"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
)

// Both servers are there under the connection strings that the command says.
func TestRun(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"-insecure", "localhost:0", "-tls", "localhost:0,localhost:0", "-dir", t.TempDir()}, w)
		_ = w.Close()
	}()
	lines := bufio.NewScanner(r)
	for range 2 {
		if !lines.Scan() {
			t.Fatal(<-ended)
		}
		c, err := esdb.ParseConnectionString(lines.Text())
		if err != nil {
			t.Fatal(err)
		}
		c.Logger = esdb.NoopLogging()
		client, err := esdb.NewClient(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.AppendToStream(ctx, "s", esdb.AppendToStreamOptions{ExpectedRevision: esdb.NoStream{}},
			esdb.EventData{EventType: "tested", ContentType: esdb.ContentTypeJson, Data: []byte("{}")}); err != nil {
			t.Fatal(lines.Text(), err)
		}
		_ = client.Close()
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

func TestRefused(t *testing.T) {
	for args, want := range map[string]string{
		"":                                "nothing to run",
		"-tls localhost:0":                "needs -dir",
		"-insecure 0.0.0.0:0":             "other machines",
		"-insecure example.org:2113":      "other machines",
		"-insecure localhost":             "missing port",
		"-insecure localhost:0 and more":  "unknown argument",
		"-tls localhost:0 -dir /not/here": "no such file",
	} {
		err := run(context.Background(), strings.Fields(args), io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", args, err)
		}
	}
}
