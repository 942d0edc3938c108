package esdb

import (
	"os"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/storetest"
	"pets/internal/testenv"
)

// realDatabase names the variable with the connection string of a running EventStoreDB.
const realDatabase = "PETS_TEST_ESDB"

// TestRealDatabase is the suite against a running EventStoreDB. Each test has streams under a
// random prefix, which stay there: use a database that can be thrown away. It runs without the
// source tree:
//
//	go test -c -o esdb.test ./eventstore/esdb
//	PETS_TEST_ESDB='esdb://localhost:2113?tls=false' ./esdb.test -test.run RealDatabase -test.v
func TestRealDatabase(t *testing.T) {
	url := os.Getenv(realDatabase)
	if url == "" {
		t.Skipf("%s is not set to the connection string of an EventStoreDB", realDatabase)
	}
	storetest.Run(t, func(t *testing.T) eventstore.Store { return shared(t, url) })
}

// shared opens a store that sees only streams under a prefix of its own.
func shared(t *testing.T, url string) *Store {
	o := patient()
	o.prefix = "pets-test-" + uuid.NewString() + "-"
	return open(t, url, o)
}

// Under a prefix, a store sees nothing of the others in the same database, which is what
// TestRealDatabase needs. This runs always.
func TestPrefixesAreSeparate(t *testing.T) {
	server := startOne(t)
	one, two, whole := shared(t, server.URL()), shared(t, server.URL()), open(t, server.URL(), Options{})
	require.NotEqual(t, one.UUID(), two.UUID())
	storetest.Must(t, one, "s", eventstore.NoStream, storetest.Propose("a", 0, 3))
	storetest.Must(t, two, "s", eventstore.NoStream, storetest.Propose("b", 0, 2))
	requireOnce(t, one, "s", storetest.Propose("a", 0, 3))
	requireOnce(t, two, "s", storetest.Propose("b", 0, 2))
	require.Len(t, storetest.All(t, one.ReadAll(t.Context(), eventstore.Position{})), 3)
	names, err := two.Streams(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"s"}, names)
	names, err = whole.Streams(t.Context())
	require.NoError(t, err)
	require.Len(t, names, 4, "their streams, and their identities, under other names")
}

// The whole suite on one database that all tests share, as it would be with a real one.
func TestStoreOnASharedDatabase(t *testing.T) {
	if testenv.Race {
		t.Skip("TestStore is the same with a database for each test; here each test reads what all have written")
	}
	server := startOne(t)
	storetest.Run(t, func(t *testing.T) eventstore.Store { return shared(t, server.URL()) })
}
