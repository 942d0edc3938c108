package money

import (
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain/treasury"
	"pets/projections"
)

// A replacement that is not signed yet has no hash: what is on its way is the one before it.
func TestTheStatusNamesTheLatestSignedTransaction(t *testing.T) {
	x := &projections.Transfer{Status: treasury.Broadcast}
	require.Equal(t, "broadcast: on its way", statusLine(x))
	x.Attempts = []projections.Attempt{{TxHash: "0x1"}, {}}
	require.Equal(t, "broadcast: on its way, 0x1", statusLine(x))
}
