package esdb

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/storetest"
	"pets/internal/esdbtest"
)

// open opens a store for one test.
func open(t testing.TB, url string, o Options) *Store {
	t.Helper()
	a, err := Parse(url)
	require.NoError(t, err)
	s, err := Open(context.Background(), a, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// patient are options of a machine that is busy with other things.
func patient() Options { return Options{Timeout: time.Minute, Patience: 5 * time.Minute} }

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) eventstore.Store {
		return open(t, startOne(t).URL(), patient())
	})
}

func startOne(t testing.TB) *esdbtest.Server {
	t.Helper()
	return esdbtest.Start(t, esdbtest.Options{})
}
