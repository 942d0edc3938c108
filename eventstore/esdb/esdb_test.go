package esdb

import (
	"context"
	"testing"

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

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) eventstore.Store {
		return open(t, esdbtest.Start(t, esdbtest.Options{}).URL(), Options{})
	})
}

func startOne(t testing.TB) *esdbtest.Server {
	t.Helper()
	return esdbtest.Start(t, esdbtest.Options{})
}
