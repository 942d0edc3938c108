package commands

import (
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// "Answers of /fills carry the flags": the first one, that of a repeat under another key,
// and that of a reported trade. Other answers have none.
func TestAnswersCarryTheFlags(t *testing.T) {
	r := newRig(t).opened("a")
	first := fill("a", "f1", "buy", "100", "0.5")
	require.Equal(t, []string{domain.FlagNoPermit}, r.must(botCaller("a"), first).Flags)
	again := r.must(botCaller("a"), first)
	require.Equal(t, []string{domain.CommandNotedType}, types(again))
	require.Equal(t, []string{domain.FlagNoPermit}, again.Flags)
	require.Empty(t, r.must(olga, RecordDeposit{Wallet: "hot", Amount: dec("1")}).Flags)
	r.must(olga, StopBot{Bot: "a"})
	trade := RecordTrade{Bot: "a", Market: "x", PnL: dec("1"), TradeID: "t1"}
	require.Equal(t, []string{domain.FlagHalted}, r.must(botCaller("a"), trade).Flags)
	require.Equal(t, []string{domain.FlagHalted}, r.must(botCaller("a"), trade).Flags)
	early := r.must(botCaller("a"), VoidFill{FillID: domain.FillID{Bot: "a", TradeID: "early"}})
	require.Empty(t, early.Flags)
	require.Equal(t, []string{domain.FlagVoided}, r.must(botCaller("a"), fill("a", "early", "buy", "1", "0.5")).Flags)
	r.check()
}
