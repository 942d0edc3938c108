package httpapi

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain/portfolio"
)

// The body of a request is part of its hash: what an override carries is written as builds
// before the table of kinds wrote it, in any order that it comes.
func TestWhatAnOverrideCarriesIsWrittenAsBefore(t *testing.T) {
	want := map[string][2]string{
		"limits":          {`{"loss_dust":"0.5","max_daily_loss_pct":"0.08"}`, `{"max_daily_loss_pct":"0.08","loss_dust":"0.5"}`},
		"treasury_policy": {`{"max_transfer_fee":"1","hot_wallet_percentage":"0.15"}`, `{"hot_wallet_percentage":"0.15","max_transfer_fee":"1"}`},
		"transfer": {
			`{"fee":"0","block":7,"tx_hash":"0xab","outcome":"failed","transfer":"x7"}`,
			`{"transfer":"x7","outcome":"failed","tx_hash":"0xab","block":7,"fee":"0"}`,
		},
		"market_tokens": {`{"tokens":{"YES":"4","NO":"3"},"market":"m1"}`, `{"market":"m1","tokens":{"NO":"3","YES":"4"}}`},
		"payouts":       {`{"payouts":{"YES":"0.5","NO":"0.4"},"market":"m1"}`, `{"market":"m1","payouts":{"NO":"0.4","YES":"0.5"}}`},
		"settlement":    {`{"rebase":true,"payouts":{"YES":"1","NO":"0"},"market":"m1"}`, `{"market":"m1","payouts":{"NO":"0","YES":"1"},"rebase":true}`},
		"adjustment":    {`{"amount":"-1","account":"hot:treasury"}`, `{"account":"hot:treasury","amount":"-1"}`},
	}
	for _, k := range portfolio.OverrideKinds() {
		if k.Content == nil {
			continue
		}
		require.Contains(t, want, k.Name)
		got, err := canonicalContent(&k, json.RawMessage(want[k.Name][0]))
		require.NoError(t, err, k.Name)
		require.Equal(t, want[k.Name][1], string(got), k.Name)
		_, err = canonicalContent(&k, json.RawMessage(`{"world_peace":true}`))
		require.Error(t, err, k.Name)
	}
}
