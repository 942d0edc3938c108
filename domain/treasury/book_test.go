package treasury

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// "The address book takes … a look-alike address (same first and last four)": capitals make
// no difference, and an address does not look like itself.
func TestLookAlike(t *testing.T) {
	const real = "0xAbCd1111111111111111111111111111111189eF"
	require.True(t, LookAlike(real, "0xabcd2222222222222222222222222222222289ef"))
	require.False(t, LookAlike(real, "0xabcd1111111111111111111111111111111189ef"), "itself")
	require.False(t, LookAlike(real, "0xabce2222222222222222222222222222222289ef"))
	require.False(t, LookAlike(real, "0xabcd2222222222222222222222222222222289ee"))
}

// "… mixed-script names": in one word; names in one script, any of them, are fine.
func TestLabelsOfTwoScripts(t *testing.T) {
	for _, fine := range []string{"exchange", "Börse 2", "биржа", "Kraken (биржа)", "取引所トレード", "α", "exchange-1", "Zoë’s"} {
		require.NoError(t, CheckLabel("label", fine), fine)
	}
	for _, wrong := range []string{"exchаnge", "еxchange", "Krаken 2", "my βinance", "", "---"} {
		require.Equal(t, domain.CodeInvalid, domain.CodeOf(CheckLabel("label", wrong)), wrong)
	}
}

// "… a duplicate label": also one that only looks the same.
func TestLabelsThatReadTheSame(t *testing.T) {
	for _, same := range []string{"Exchange", "  ex-change ", "EXCHANGE", "ｅｘｃｈａｎｇｅ", "exchange."} {
		require.Equal(t, Readable("exchange"), Readable(same), same)
	}
	require.Equal(t, Readable("coop"), Readable("соор"), "wholly Cyrillic")
	require.Equal(t, Readable("pool 1"), Readable("pool l"))
	require.NotEqual(t, Readable("exchange"), Readable("exchange 2"))
}

// "To a new address money goes within its first 24 h only with two approvers": a nanosecond
// before the 24 h are over it is new.
func TestNewAddress(t *testing.T) {
	added := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := &Contact{At: added}
	require.True(t, c.New(added))
	require.True(t, c.New(added.Add(24*time.Hour-1)))
	require.False(t, c.New(added.Add(24*time.Hour)))
}
