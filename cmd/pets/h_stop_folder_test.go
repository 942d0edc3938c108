package main

import (
	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/eventstore/storetest"
)

// foreign puts an event that this program does not know into a stream.
func (s *shell) foreign(stream string) {
	s.t.Helper()
	store, err := embedded.Open(s.store(), embedded.Options{})
	require.NoError(s.t, err)
	storetest.Must(s.t, store, stream, eventstore.NoStream, storetest.Propose(stream, 0, 1))
	require.NoError(s.t, store.Close())
}
