package esdbtest

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var conformance = flag.Bool("esdb.conformance", false, "build the test suite of the Kurrent client and run it, on the ports 2114 and 2115")

// The module whose tests are run. It is none of this module's own: two clients that register the
// same protocol cannot be in one program, so its tests are a program of their own.
const kurrent = "github.com/kurrent-io/KurrentDB-Client-Go@v1.1.0"

// suites are the parts of it that ask for nothing but what this server has: no projections, no
// persistent subscriptions and no appends to several streams. Not among them is
// TestSubscriptionToStreamCaughtUp, which wants the time in that message, as servers from 25.0 on
// send it and this protocol does not have it.
var suites = []struct {
	run, methods string
	passes       int
}{
	{"TestAppendEventsSuite", "", 3},
	{"TestReadStreamSuite", "", 6},
	{"TestReadAllSuite", "", 5},
	{"TestSubscriptionSuite", "TestStreamSubscription|TestAllSubscription|TestSubscribeToAllFilter|TestConnectionClosing|TestSubscriptionToAllWithCredentialsOverride", 5},
	{"TestDeleteSuite", "", 3},
	{"TestConnectionSuite", "", 1},
	{"TestTypes", "", 6},
}

// TestConformance runs the test suite of another client, whose authors have the real server. It
// needs the Go module proxy, and ports of its own: make esdb-conformance.
func TestConformance(t *testing.T) {
	if !*conformance {
		t.Skip("it takes fixed ports, and minutes to build: make esdb-conformance")
	}
	// The suite looks for ../certs/ca/ca.crt.
	dir := t.TempDir()
	work, certs := filepath.Join(dir, "test"), filepath.Join(dir, "certs", "ca")
	for _, d := range []string{work, certs} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	binary := buildSuite(t, dir)
	for _, o := range []Options{
		{Addresses: []string{"localhost:2114"}},
		{Addresses: []string{"localhost:2115"}, TLS: true, User: "admin", Password: "changeit"},
	} {
		c, err := New(certs, 1, o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
	}
	for _, s := range suites {
		t.Run(s.run, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
			defer cancel()
			c := exec.CommandContext(ctx, binary, "-test.v", "-test.run", "^"+s.run+"$", "-testify.m", s.methods)
			c.Dir = work
			out, err := c.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if passes := strings.Count(string(out), "    --- PASS: "); passes != s.passes {
				t.Fatalf("%d tests passed, not %d\n%s", passes, s.passes, out)
			}
		})
	}
}

// buildSuite builds the tests of the other client in their own module, and returns the program.
func buildSuite(t *testing.T, dir string) string {
	t.Helper()
	out, err := exec.Command("go", "mod", "download", "-json", kurrent).Output()
	var module struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(out, &module); err != nil || jsonErr != nil {
		t.Fatalf("%s: %v %s", kurrent, err, module.Error)
	}
	binary := filepath.Join(dir, "suite")
	c := exec.Command("go", "test", "-c", "-o", binary, "./test")
	c.Dir = module.Dir
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}
