package petstest

import (
	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/storetest"
	"pets/internal/open"
)

// Foreign appends an event of an unknown type to a stream.
func (s *Shell) Foreign(stream string) {
	s.T.Helper()
	store, engine, err := open.FreshEngine(s.Store())
	require.NoError(s.T, err)
	engine.Close()
	storetest.Must(s.T, store, stream, eventstore.NoStream, storetest.Propose(stream, 0, 1))
	require.NoError(s.T, store.Close())
}
