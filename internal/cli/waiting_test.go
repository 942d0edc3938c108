package cli_test

import (
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pets/internal/cli"
	"pets/internal/pets"
	"pets/internal/pets/petstest"
)

// everywhereElse runs every command that goes to a server against one address, all at the same time,
// each with a time limit.
func everywhereElse(t *testing.T, url string, bound time.Duration, check func(command string, r petstest.Ran)) {
	t.Helper()
	var all sync.WaitGroup
	for _, row := range petstest.Reached {
		if row.How == petstest.AtHome || row.How == petstest.Seated {
			continue
		}
		s := petstest.New(t)
		args := s.Line(row.Command, row.More)
		if row.Command == "import" {
			s.SmallFiles()
		}
		s.Env = append(s.Env, "PETS_SERVER="+url, "PETS_KEY="+petstest.SomeKey)
		all.Go(func() {
			check(row.Command, s.RunWith(func(a *cli.App) { a.Patience, a.Within = bound, bound }, args...))
		})
	}
	all.Wait()
}

// "Every command that waits says after one second what it waits for", and in the end that
// there was no answer: of a stop, that it may have been recorded, and of what can be sent
// again safely, how.
func TestNoCommandWaitsInSilence(t *testing.T) {
	t.Parallel()
	frozen, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, frozen.Close()) }()
	url := "http://" + frozen.Addr().String()
	root := pets.Root(&cli.App{})
	keyed, under := 0, map[string]bool{}
	for _, row := range petstest.Reached {
		c, _, err := root.Find(strings.Fields(row.Command))
		require.NoError(t, err)
		readsFirst := []string{"override confirm", "approve", "approver vouch", "approver add", "limits adopt", "correct"}
		under[row.Command] = c.Flags().Lookup("key") != nil && !slices.Contains(readsFirst, row.Command)
	}
	everywhereElse(t, url, 1500*time.Millisecond, func(command string, r petstest.Ran) {
		assert.Equal(t, 1, r.Code, "%s: %s%s", command, r.Out, r.Err)
		assert.Contains(t, r.Err, "pets: waiting for server "+url, command)
		assert.Contains(t, r.Err, "no answer within ", command)
		if command == "stop" {
			assert.Contains(t, r.Err, "it may have been recorded", command)
		}
		if under[command] { // "a process that ends without a word has said the key before"
			assert.Contains(t, r.Err, "stops waiting; it was sent under --key ", command)
		}
	})
	for _, row := range petstest.Reached {
		if !under[row.Command] { // it lets trading go on, or reads first what is signed, whom it is for, or what it changes: nothing is sent before
			continue
		}
		keyed++
		s := petstest.New(t)
		s.Env = append(s.Env, "PETS_SERVER="+url, "PETS_KEY="+petstest.SomeKey)
		r := s.RunWith(func(a *cli.App) { a.Patience, a.Within = 20*time.Millisecond, 20*time.Millisecond }, s.Line(row.Command, row.More)...)
		require.Contains(t, r.Err, "it may have been recorded; to send it again safely, add --key ", row.Command)
	}
	require.Greater(t, keyed, 20)
}

// "What is permanent is not retried": where nobody listens every command says so soon, and
// none waits for as long as it would for a server that is there.
func TestNoCommandWaitsForNobody(t *testing.T) {
	t.Parallel()
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, nobody.Close())
	url := "http://" + nobody.Addr().String()
	everywhereElse(t, url, 5*time.Minute, func(command string, r petstest.Ran) {
		assert.Equal(t, 1, r.Code, "%s: %s%s", command, r.Out, r.Err)
		assert.Contains(t, r.Err, "no server listens there", command)
	})
}
