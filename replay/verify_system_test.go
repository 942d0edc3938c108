package replay

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/eventstore"
	"pets/eventstore/memory"
)

// The system stream is checked like a portfolio: what does not fit is named.
func TestVerifySystem(t *testing.T) {
	store := memory.New()
	empty, err := VerifySystem(t.Context(), store)
	require.NoError(t, err)
	require.Empty(t, empty.Problems)

	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	put := func(n int, at time.Time, e domain.Event) {
		t.Helper()
		data, err := domain.Encode(e)
		require.NoError(t, err)
		_, err = store.Append(t.Context(), "system", eventstore.Expected(n-1), []eventstore.Proposed{
			{ID: uuid.New(), Type: e.EventType(), Time: at, Metadata: []byte("{}"), Data: data},
		})
		require.NoError(t, err)
	}
	put(0, noon, &domain.APIKeyIssued{Key: "k0", User: "anna", Role: domain.RoleAdmin, Hash: "0"})
	put(1, noon, &domain.APIKeyIssued{Key: "k1", User: "olga", Role: domain.RoleOperator, Hash: "1"})
	put(2, noon, &domain.APIKeyRevoked{Key: "k1"})
	put(3, noon, &domain.AccessDenied{Source: "127.0.0.1", Code: "denied", Count: 1, From: noon, To: noon})
	found, err := VerifySystem(t.Context(), store)
	require.NoError(t, err)
	require.Equal(t, VerifiedSystem{Events: 4, Keys: 2, Live: 1, Problems: []Problem{}}, found)

	put(4, noon.Add(-time.Second), &domain.APIKeyIssued{Key: "k9", Hash: "9"})
	put(5, noon, &domain.APIKeyRevoked{Key: "k1"})
	put(6, noon, &domain.DepositRecorded{Wallet: "hot"})
	found, err = VerifySystem(t.Context(), store)
	require.NoError(t, err)
	require.Len(t, found.Problems, 4)
	for i, revision := range []uint64{4, 4, 5, 6} {
		require.Equal(t, revision, found.Problems[i].Revision)
	}
	_, err = store.Append(t.Context(), "system", 6, []eventstore.Proposed{{ID: uuid.New(), Type: "of.tomorrow.v1", Time: noon, Metadata: []byte("{}"), Data: []byte("{}")}})
	require.NoError(t, err)
	_, err = VerifySystem(t.Context(), store)
	require.Error(t, err, "an unknown type stops it")
}

// A key that takes the place of one that is not there, or not any more, is named.
func TestVerifySystemChecksReplacements(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	late := noon.Add(time.Hour)
	for former, ok := range map[string]bool{"k0": true, "k1": false, "k2": false, "k9": false} {
		store := memory.New()
		for n, e := range []domain.Event{
			&domain.APIKeyIssued{Key: "k0", User: "anna", Role: domain.RoleAdmin, Hash: "0"},
			&domain.APIKeyIssued{Key: "k1", User: "olga", Role: domain.RoleOperator, Hash: "1"},
			&domain.APIKeyIssued{Key: "k2", User: "bob", Role: domain.RoleApprover, Hash: "2"},
			&domain.APIKeyRevoked{Key: "k1"},
			&domain.APIKeyIssued{Key: "k4", User: "bob", Role: domain.RoleApprover, Hash: "4", Replaces: "k2", FormerUntil: &late},
			&domain.APIKeyIssued{Key: "k5", User: "anna", Role: domain.RoleAdmin, Hash: "5", Replaces: former, FormerUntil: &late, ExpiresAt: &late},
		} {
			data, err := domain.Encode(e)
			require.NoError(t, err)
			_, err = store.Append(t.Context(), "system", eventstore.Expected(n-1), []eventstore.Proposed{{ID: uuid.New(), Type: e.EventType(), Time: noon, Metadata: []byte("{}"), Data: data}})
			require.NoError(t, err)
			require.NotEmpty(t, Describe(e))
		}
		found, err := VerifySystem(t.Context(), store)
		require.NoError(t, err)
		require.Equal(t, ok, len(found.Problems) == 0, "%s: %v", former, found.Problems)
	}
}
