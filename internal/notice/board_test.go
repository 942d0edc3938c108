package notice

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// "The sender of a recurring problem settles it; any other notice stays for an hour."
func TestWhatStands(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	b := NewBoard(func() time.Time { return now })
	texts := func(portfolio string) (out []string) {
		for _, s := range b.Of(portfolio) {
			out = append(out, s.What+"|"+s.Cause)
		}
		return out
	}
	down := domain.Errorf(domain.CodeUnavailable, "no node answers")
	b.Post(stuck("x1", down))
	require.Equal(t, []string{"a transfer does not progress: x1|" + down.Error()}, texts("main"), "at once")
	require.Empty(t, texts("other"))
	since := now
	now = now.Add(2 * keptFor)
	fee := domain.Errorf(domain.CodeConflict, "the fee is refused")
	b.Settle(TransferStuck, "main", []Notice{stuck("x1", fee), stuck("x2", down)})
	require.Equal(t, []string{"a transfer does not progress: x1|" + fee.Error(), "a transfer does not progress: x2|" + down.Error()}, texts("main"), "the cause of now")
	require.Equal(t, since, b.Of("main")[0].Since)
	b.Settle(TransferStuck, "other", nil)
	b.Settle(ChainUnread, "main", nil)
	require.Len(t, b.Of("main"), 2, "of another portfolio or kind")
	b.Settle(TransferStuck, "main", []Notice{stuck("x2", down)})
	require.Equal(t, []string{"a transfer does not progress: x2|" + down.Error()}, texts("main"))
	b.Settle(TransferStuck, "main", nil)
	require.Empty(t, texts("main"))

	for _, kind := range []Kind{BalanceDiffers, SecurityBreach, HotTooLong} { // status has these from the record
		b.Post(Notice{Kind: kind, Portfolio: "main"})
	}
	require.Empty(t, texts("main"))
	b.Post(Notice{Kind: TransferFailed, Portfolio: "main", Subject: "x3", Detail: "reverted"})
	b.Post(Notice{Kind: KeystoreUnread, Err: down})
	require.Len(t, b.Of("main"), 2)
	require.Equal(t, []string{"the keystore cannot be examined|" + down.Error()}, texts("other"), "it is of all")
	now = now.Add(keptFor)
	require.Empty(t, texts("main"))
}
