package main

import (
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// everywhereElse runs every command that goes to a server against one address, all at the
// same time, each bounded by a moment.
func everywhereElse(t *testing.T, url string, bound time.Duration, check func(command string, how reach, r ran)) {
	t.Helper()
	var all sync.WaitGroup
	for _, row := range reached {
		if row.how == atHome || row.how == seated {
			continue
		}
		s := newShell(t)
		args := s.line(row.command, row.more)
		if row.command == "import" {
			s.smallFiles()
		}
		s.env = append(s.env, "PETS_SERVER="+url, "PETS_KEY="+someKey)
		all.Go(func() {
			check(row.command, row.how, s.runWith(func(a *app) { a.patience, a.within = bound, bound }, args...))
		})
	}
	all.Wait()
}

// "Every command that waits says after one second what it waits for", and in the end that
// there was no answer: of a stop, that it may have been recorded, and of what can be sent
// again safely, how.
func TestNoCommandWaitsInSilence(t *testing.T) {
	frozen, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, frozen.Close()) }()
	url := "http://" + frozen.Addr().String()
	root := (&app{}).root()
	keyed := 0
	everywhereElse(t, url, 1500*time.Millisecond, func(command string, _ reach, r ran) {
		assert.Equal(t, 1, r.code, "%s: %s%s", command, r.out, r.err)
		assert.Contains(t, r.err, "pets: waiting for server "+url, command)
		assert.Contains(t, r.err, "no answer within ", command)
		if command == "stop" {
			assert.Contains(t, r.err, "it may have been recorded all the same", command)
		}
	})
	for _, row := range reached {
		c, _, err := root.Find(strings.Fields(row.command))
		require.NoError(t, err)
		if c.Flags().Lookup("key") == nil || row.command == "override confirm" { // that lets trading go on
			continue
		}
		keyed++
		s := newShell(t)
		s.env = append(s.env, "PETS_SERVER="+url, "PETS_KEY="+someKey)
		r := s.runWith(func(a *app) { a.patience, a.within = 20*time.Millisecond, 20*time.Millisecond }, s.line(row.command, row.more)...)
		require.Contains(t, r.err, "it may have been recorded all the same; sent again with --key ", row.command)
	}
	require.Greater(t, keyed, 20)
}

// "What is permanent is not retried": where nobody listens every command says so soon, and
// none waits for as long as it would for a server that is there.
func TestNoCommandWaitsForNobody(t *testing.T) {
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, nobody.Close())
	url := "http://" + nobody.Addr().String()
	everywhereElse(t, url, 5*time.Minute, func(command string, _ reach, r ran) {
		assert.Equal(t, 1, r.code, "%s: %s%s", command, r.out, r.err)
		assert.Contains(t, r.err, "no server listens there", command)
	})
}
