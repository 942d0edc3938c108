package esdbtest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pets/internal/testenv"
)

// npm runs the script with the JavaScript client, and returns the steps that it took.
func npm(t *testing.T, s *Server, part string) (steps int) {
	t.Helper()
	node := testenv.Need(t, "node")
	folder := filepath.Join("testdata", "npm")
	if _, err := os.Stat(filepath.Join(folder, "node_modules", "@eventstore", "db-client")); err != nil {
		testenv.Lacks(t, "internal/esdbtest/testdata/npm has no node_modules: run npm ci there")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute) // it hangs
	defer cancel()
	c := exec.CommandContext(ctx, node, "client.js", s.URL(), part)
	c.Dir = folder
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return strings.Count(string(out), "step ")
}

// The server is what a client takes it for that was written by others, for the real one: by both
// ways to append that it has, and with TLS.
func TestJavaScriptClient(t *testing.T) {
	for name, o := range map[string]Options{
		"batches":    {},
		"no batches": {NoBatchAppend: true},
		"TLS":        {TLS: true, User: "admin", Password: "changeit"},
	} {
		t.Run(name, func(t *testing.T) {
			s := Start(t, o)
			if steps := npm(t, s, "all"); steps != 6 {
				t.Fatalf("%d steps", steps)
			}
			if batches := s.node.batches.Load(); s.Calls(CallAppend) == 0 || (batches == 0) != o.NoBatchAppend {
				t.Fatalf("%d appends, and %d calls of BatchAppend", s.Calls(CallAppend), batches)
			}
		})
	}
}

func TestJavaScriptClientIsToldTheLeader(t *testing.T) {
	for name, o := range map[string]Options{"batches": {}, "no batches": {NoBatchAppend: true}} {
		t.Run(name, func(t *testing.T) {
			c := StartCluster(t, 3, o)
			i := c.Server(1).Inject(Fault{Kind: NotLeader})
			if npm(t, c.Server(1), "notLeader") != 1 || i.Hits() != 1 {
				t.Fatalf("%d hits", i.Hits())
			}
			if len(c.Events("n")) != 1 {
				t.Fatal("the event is not there once")
			}
		})
	}
}
