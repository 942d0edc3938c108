package importer

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

const (
	marketHeader   = "time,market,kind,outcomes,exclusive\n"
	setsHeader     = "time,bot,market,action,quantity,set_id,fee\n"
	movementHeader = "time,kind,wallet,asset,amount,tx,leg\n"
	fundingHeader  = "time,bot,market,outcome,amount,funding_id,kind\n"
	rain           = ",rain,outcome,YES|NO,\n"
)

// paidOut returns the settlements of whole markets.
func (b *bench) paidOut() []*domain.MarketPaidOut {
	b.t.Helper()
	var all []*domain.MarketPaidOut
	for _, rec := range records(b.t, b.store) {
		e, err := domain.Decode(rec.Type, rec.Data)
		require.NoError(b.t, err)
		if paid, ok := e.(*domain.MarketPaidOut); ok {
			all = append(all, paid)
		}
	}
	return all
}

// "Import merges rows of one registered market and time into one command": a pair that
// cost 980 and pays 1,000 trips nothing, whichever half stands first, and is one result.
func TestTheRowsOfAMarketAreOneCommand(t *testing.T) {
	for name, rows := range map[string][]string{
		"the loser first": {at(5) + ",,rain,NO,0\n", at(5) + ",,rain,YES,1\n"},
		"the winner":      {at(5) + ",,rain,YES,1\n", at(5) + ",,rain,NO,0\n"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t,
				marketHeader+at(0)+rain,
				fillHeader+at(1)+",a,rain,YES,buy,1000,0.49,0,1\n"+at(2)+",a,rain,NO,buy,1000,0.49,0,2\n",
				settleHeader+rows[0],
				fillHeader+at(5)+",a,other,YES,buy,1,0.5,0,3\n", // stands between them
				settleHeader+rows[1],
			)
			s := b.must()
			require.Equal(t, Summary{Rows: 6, Recorded: 6, Trades: 2, Events: len(records(t, b.store)), Trips: []Trip{}}, s)
			paid := b.paidOut()
			require.Len(t, paid, 1)
			require.Equal(t, map[string]domain.Decimal{"YES": domain.One, "NO": domain.Zero}, paid[0].Payouts)
			a := b.state().Bots["a"]
			require.Equal(t, []int{2, 1, 0}, []int{a.Trades, a.Wins, a.Losses}, "two trades are one result")
			require.Equal(t, "1020", b.state().Equity().String())
			requireAgain(t, b, 6)
		})
	}
}

// requireAgain runs an import again, which finds every row.
func requireAgain(t *testing.T, b *bench, rows int) {
	t.Helper()
	before := len(records(t, b.store))
	s := b.must()
	require.Equal(t, []int{rows, 0, 0, 0}, []int{s.Known + s.Ignored, s.Recorded, s.Duplicates, s.Events}, "%+v", s)
	require.Len(t, records(t, b.store), before)
}

// A row is known whatever rows stood beside it: each has its own key, and no key depends
// on the others.
func TestRowsOfAMarketAreKnownOneByOne(t *testing.T) {
	fills := fillHeader + at(1) + ",a,rain,YES,buy,10,0.5,0,1\n"
	yes, no := settleHeader+at(5)+",,rain,YES,1\n", settleHeader+at(5)+",,rain,NO,0\n"
	b := newBench(t, marketHeader+at(0)+rain, fills, yes, no)
	b.must()
	all := b.paths
	for _, some := range [][]string{all[2:3], all[3:], {all[3], all[2]}, all} {
		b.paths = some
		requireAgain(t, b, b.plan().Len())
	}
	// The other way: alone first, then together with a row of the same time.
	b = newBench(t, marketHeader+at(0)+rain, fills, no, yes)
	all = b.paths
	b.paths = all[:3]
	b.must()
	b.paths = all
	s := b.must()
	require.Equal(t, []int{3, 1}, []int{s.Known, s.Duplicates}, "NO at 0 has settled YES at 1")
	require.Len(t, b.paidOut(), 1)
}

// "In an exclusive market payouts sum to 1": rows that do not are refused, each with its
// place, and nothing of the market is settled.
func TestRowsThatDoNotSumToOne(t *testing.T) {
	for _, c := range []struct {
		no      string
		refused bool
	}{{"0.399999", true}, {"0.4", false}, {"0.400001", true}} {
		b := newBench(t, marketHeader+at(0)+rain, fillHeader+at(1)+",a,rain,YES,buy,10,0.5,0,1\n",
			settleHeader+at(5)+",,rain,YES,0.6\n"+at(5)+",,rain,NO,"+c.no+"\n")
		_, err := b.run(t.Context())
		if !c.refused {
			require.NoError(t, err)
			require.Equal(t, "1001", b.state().Equity().String())
			continue
		}
		requireRow(t, err, domain.CodePayoutsSum, "f2.csv:2:32: payout and those of the other rows of rain at this time sum to")
		b.o.SetAside = skip
		require.Equal(t, 2, b.must().SetAside, "NO alone would settle YES at the rest")
		require.Empty(t, b.paidOut())
		requireSetAsideAgain(t, b, 2)
	}
}

func requireSetAsideAgain(t *testing.T, b *bench, rows int) {
	t.Helper()
	before := len(records(t, b.store))
	require.Equal(t, rows, b.must().SetAside)
	require.Len(t, records(t, b.store), before)
}

// Rows that name some of the outcomes settle those: of more than two, an outcome that won
// settles the others, and one that lost leaves them.
func TestSomeRowsOfAMarket(t *testing.T) {
	cup := marketHeader + at(0) + ",cup,,A|B|C|D,\n"
	fills := fillHeader + at(1) + ",a,cup,A,buy,10,0.5,0,1\n" + at(1) + ",a,cup,!B,buy,10,0.5,0,2\n"
	for name, c := range map[string]struct {
		rows   string
		equity string
		pays   map[string]string
	}{
		"two that lost":            {at(5) + ",,cup,C,0\n" + at(5) + ",,cup,D,0\n", "1000", map[string]string{"C": "0", "D": "0"}},
		"one that lost":            {at(5) + ",,cup,B,0\n", "1005", map[string]string{"B": "0"}},
		"the rest later":           {at(5) + ",,cup,C,0\n" + at(6) + ",,cup,A,0\n" + at(6) + ",,cup,B,0.25\n" + at(6) + ",,cup,D,0.75\n", "997.5", map[string]string{"A": "0", "B": "0.25", "C": "0", "D": "0.75"}},
		"one that won":             {at(5) + ",,cup,A,1\n", "1010", map[string]string{"A": "1", "B": "0", "C": "0", "D": "0"}},
		"a complement":             {at(5) + ",,cup,!A,0\n" + at(5) + ",,cup,!B,1\n" + at(5) + ",,cup,C,0\n" + at(5) + ",,cup,D,0\n", "1010", map[string]string{"A": "1", "B": "0", "C": "0", "D": "0"}},
		"an outcome and its other": {at(5) + ",,cup,B,1\n" + at(5) + ",,cup,!B,0\n", "990", map[string]string{"B": "1", "A": "0"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, cup, fills, settleHeader+c.rows)
			rows := b.plan().Len()
			b.must()
			require.Equal(t, c.equity, b.state().Equity().String())
			for outcome, pays := range c.pays {
				require.Equal(t, pays, b.state().Instruments[domain.Instrument{Market: "cup", Outcome: outcome}].Payout.String(), outcome)
			}
			requireAgain(t, b, rows)
		})
	}
}

// Rows that contradict each other are never merged: the second is refused.
func TestRowsThatContradict(t *testing.T) {
	for _, header := range []string{"", marketHeader + at(0) + rain} {
		b := newBench(t, fillHeader+at(1)+",a,rain,YES,buy,10,0.5,0,1\n",
			settleHeader+at(5)+",,rain,YES,1\n"+at(5)+",,rain,YES,0\n"+at(5)+",,rain,NO,0\n")
		if header != "" {
			b.file("markets.csv", header)
		}
		_, err := b.run(t.Context())
		requireRow(t, err, domain.CodeConflict, "f1.csv:3")
	}
}

// A market that is not exclusive is settled by one command too, without a sum; of an
// unregistered one, and under the first edition, each row settles its own.
func TestMarketsThatAreNotExclusive(t *testing.T) {
	files := []string{
		fillHeader + at(1) + ",a,rain,YES,buy,10,0.5,0,1\n" + at(1) + ",b,rain,NO,buy,10,0.5,0,1\n",
		settleHeader + at(5) + ",a,rain,YES,0.9\n" + at(5) + ",a,rain,NO,0.9\n" + at(5) + ",b,rain,YES,0.9\n" + at(5) + ",b,rain,NO,0.9\n",
	}
	b := newBench(t, append([]string{marketHeader + at(0) + ",rain,outcome,YES|NO,false\n"}, files...)...)
	require.Equal(t, 7, b.must().Recorded)
	require.Len(t, b.paidOut(), 2, "one for each bot")
	require.Equal(t, "1008", b.state().Equity().String())
	requireAgain(t, b, 7)

	b = newBench(t, files...)
	b.must()
	require.Equal(t, 3, b.count(domain.MarketSettledType), "one is a finding, and one is known by then")
	require.Equal(t, "1008", b.state().Equity().String())

	b = newBench(t, append([]string{marketHeader + at(0) + rain}, files...)...)
	b.o.Policy.Rules = 1
	b.must()
	require.Equal(t, 3, b.count(domain.MarketSettledType))
	require.False(t, b.state().Policy.Second())
}

// "`exclusive:true` is refused under 1", with its place and what to do.
func TestAnExclusiveMarketNeedsTheSecondEdition(t *testing.T) {
	b := newBench(t, marketHeader+at(0)+",rain,outcome,YES|NO,true\n")
	b.o.Policy.Rules = 1
	_, err := b.run(t.Context())
	requireRow(t, err, domain.CodeInvalid, "f0.csv:2:42: exclusive takes the second edition of the rules")
}

// A market may be registered after its fills: what that changes of equity moves references
// as a flow does.
func TestAMarketIsRegisteredLate(t *testing.T) {
	b := newBench(t, fillHeader+at(1)+",a,rain,YES,buy,1000,0.30,0,1\n"+at(2)+",a,rain,NO,buy,1000,0.30,0,2\n", marketHeader+at(3)+rain)
	require.Empty(t, b.must().Trips)
	require.Equal(t, "1400", b.state().Equity().String(), "1,000 sets for 600")
	require.True(t, b.state().Markets["rain"].Exclusive)
	b.file("again.csv", marketHeader+at(4)+rain+at(4)+",rain,outcome,NO|YES,\n")
	_, err := b.run(t.Context())
	requireRow(t, err, domain.CodeConflict, "again.csv:3:22: market is already registered differently")
}

// "Split: cash −q, q of each outcome …; merge: q of each leaves at average cost for q in
// cash": neither moves equity, apart from the fee.
func TestSetsAreSplitAndMerged(t *testing.T) {
	b := newBench(t, marketHeader+at(0)+rain,
		setsHeader+at(1)+",a,rain,split,100,s1,0\n"+at(3)+",a,rain,merge,40,s2,0.25\n",
		fillHeader+at(2)+",a,rain,NO,sell,60,0.30,0,1\n")
	s := b.must()
	require.Equal(t, []int{4, 4, 0}, []int{s.Rows, s.Recorded, s.Findings})
	require.Equal(t, "957.75", b.state().Bots["a"].Cash.String(), "1000 − 100 + 18 + 40 − 0.25")
	require.Equal(t, "60", b.state().Instruments[domain.Instrument{Market: "rain", Outcome: "YES"}].Holding("a").Quantity.String())
	require.Nil(t, b.state().Instruments[domain.Instrument{Market: "rain", Outcome: "NO"}].Holding("a"))
	requireAgain(t, b, 4)
}

// "Only of what it holds (else 409 `not_held`: report the fills first)", and only of a
// market that is registered as exclusive.
func TestSetsThatAreNotHeld(t *testing.T) {
	split := setsHeader + at(1) + ",a,rain,split,100,s1,0\n"
	for _, c := range []struct {
		code  domain.Code
		place string
		files []string
	}{
		{domain.CodeNotHeld, "f2.csv:2:35: quantity is more than the 100", []string{marketHeader + at(0) + rain, split, setsHeader + at(2) + ",a,rain,merge,100.000001,s2,0\n"}},
		{domain.CodeNotHeld, "f1.csv:2:35: quantity and fee are 1000.000001", []string{marketHeader + at(0) + rain, setsHeader + at(2) + ",a,rain,split,1000,s2,0.000001\n"}},
		{domain.CodeInvalid, "f0.csv:2:24: market is not registered as exclusive", []string{split}},
		{domain.CodeConflict, "f2.csv:2:38: set_id is already recorded with different content", []string{marketHeader + at(0) + rain, split, setsHeader + at(2) + ",a,rain,split,99,s1,0\n"}},
		{domain.CodeConflict, "f2.csv:2:24: market is settled", []string{marketHeader + at(0) + rain, settleHeader + at(1) + ",,rain,YES,1\n", setsHeader + at(2) + ",a,rain,split,1,s2,0\n"}},
	} {
		b := newBench(t, c.files...)
		_, err := b.run(t.Context())
		requireRow(t, err, c.code, c.place)
		b.o.SetAside = skip
		require.Equal(t, 1, b.must().SetAside)
	}
}

// A wallet's ledger has sets too: they name no id, and the cash beyond 1 a set is the fee.
func TestSetsOfAWallet(t *testing.T) {
	b := newBench(t, marketHeader+at(0)+rain,
		walletHeader+at(1)+",split,rain,,,100,,-100,x\n"+at(2)+",split,rain,,,10,,-10.5,x\n"+at(3)+",merge,rain,,,50,,49.9,x\n"+at(4)+",redeem,rain,,,60,,60,x\n")
	b.read.Bot = "w"
	_, err := b.run(t.Context())
	requireRow(t, err, domain.CodeInvalid, "f1.csv:5:40: cash of 60 does not tell which outcome of the market won")
	b.file("won.csv", settleHeader+at(4)+",,rain,NO,1\n")
	b.paths = []string{b.paths[0], b.paths[2], b.paths[1]}
	require.Equal(t, 1, b.must().Ignored, "a redeem of what a settlement has paid")
	require.Equal(t, "999.4", b.state().Equity().String())
	requireAgain(t, b, 6)
}

// everything has rows of every kind that the second edition knows.
func everything(t *testing.T) *bench {
	t.Helper()
	b := newBench(t,
		marketHeader+at(0)+rain+at(0)+",cup,outcome,A|B|C,\n",
		"time,bot,market,outcome,side,quantity,price,fee,trade_id,kind\n"+
			at(1)+",a,rain,YES,buy,100,0.40,-0.05,1,\n"+
			at(2)+",b,rain,NO,buy,100,0.59,0.10,1,\n"+
			at(3)+",a,cup,!A,buy,10,0.70,0,2,\n"+
			at(4)+",c,BTC,perp,sell,0.01,50000,0.2,1,perp\n"+
			at(8)+",c,BTC,perp,buy,0.01,49000,0.2,2,perp\n",
		setsHeader+at(5)+",b,cup,split,50,s1,\n"+at(6)+",b,cup,merge,20,s2,0.01\n",
		fundingHeader+at(5)+",c,BTC,perp,-1.25,f1,\n"+at(9)+",c,BTC,perp,0.5,f2,perp\n",
		movementHeader+at(2)+",deposit,hot,,500,0xd,0\n"+at(7)+",withdrawal,hot,,100,0xe,1\n"+at(7)+",deposit,hot,,500,0xd,0\n",
		settleHeader+
			at(10)+",,rain,YES,1\n"+at(10)+",,rain,NO,0\n"+
			at(11)+",,cup,B,0\n"+at(12)+",,cup,A,0.5\n"+at(12)+",,cup,C,0.5\n",
	)
	b.o.BotCapital = amount("300")
	return b
}

// Rows of every kind are booked once: again, and interrupted after every append.
func TestRowsOfTheSecondEditionAreResumable(t *testing.T) {
	whole := everything(t)
	s := whole.must()
	require.Equal(t, []int{19, 18, 1, 0}, []int{s.Rows, s.Recorded, s.Duplicates, s.Findings}, "%+v", s)
	requireEverything(t, whole)
	for _, chunk := range []int{1, 4, 500} {
		for stop := range s.Rows {
			b := everything(t)
			b.o.Chunk = chunk
			ctx, cancel := context.WithCancel(t.Context())
			sent := 0
			b.o.Progress = func(int) {
				if sent++; sent > stop {
					cancel()
				}
			}
			if _, err := b.run(ctx); err != nil {
				require.ErrorIs(t, err, context.Canceled)
			}
			cancel()
			b.o.Progress = nil
			b.must()
			requireSame(t, whole, b)
		}
	}
}

// requireEverything compares the books with a computation by hand.
func requireEverything(t *testing.T, b *bench) {
	t.Helper()
	s := b.state()
	// a: 300 − 40 + 0.05 − 7 + 100, and 10 × !A at 1 − 0.5.
	require.Equal(t, "358.05", s.Bots["a"].Cash.String())
	// b: 300 − 59 − 0.10 − 50 + 20 − 0.01, and 30 × (0.5 + 0 + 0.5).
	require.Equal(t, "240.89", s.Bots["b"].Cash.String())
	// c: 300 + 10 − 0.4 − 1.25 + 0.5.
	require.Equal(t, "308.85", s.Bots["c"].Cash.String())
	require.Equal(t, "500", s.Treasury(domain.WalletHot).String(), "1,000 − 3 × 300 + 500 − 100")
	require.Equal(t, "1407.79", s.Equity().String())
	require.Len(t, b.paidOut(), 3)
}

// "`{market, void:true}` gives every holder his cost back", also those of one bot: the
// payout of such a row is void, and its outcome empty.
func TestAVoidMarket(t *testing.T) {
	fills := fillHeader + at(1) + ",a,rain,YES,buy,10,0.4,0.5,1\n" + at(2) + ",a,rain,NO,buy,5,0.7,0,2\n"
	b := newBench(t, marketHeader+at(0)+rain, fills, settleHeader+at(5)+",,rain,,void\n")
	b.must()
	require.Equal(t, "999.5", b.state().Equity().String(), "the fee stays paid")
	require.Equal(t, 1, b.state().Bots["a"].Neutral)
	requireAgain(t, b, 4)

	b = newBench(t, fills, settleHeader+at(5)+",,rain,,void\n")
	_, err := b.run(t.Context())
	requireRow(t, err, domain.CodeInvalid, "f1.csv:2:23: market is not registered with its outcomes")
}

// "No order of settlements of one market changes the final state", and no distribution of
// its rows over files.
func TestNoOrderOfTheRowsMatters(t *testing.T) {
	rows := []string{at(5) + ",,cup,A,0.25\n", at(5) + ",,cup,!B,1\n", at(5) + ",,cup,C,0.75\n", at(5) + ",,cup,B,0\n"}
	fills := fillHeader + at(1) + ",a,cup,A,buy,10,0.5,0,1\n" + at(1) + ",a,cup,!B,buy,10,0.5,0,2\n" + at(2) + ",b,cup,B,buy,20,0.2,0.1,1\n" + at(2) + ",b,cup,C,sell,5,0.5,0,2\n"
	var first []string
	for n := range 24 {
		left, files := slices.Clone(rows), []string{marketHeader + at(0) + ",cup,,A|B|C,\n", fills, settleHeader, settleHeader}
		for i, k := 0, n; len(left) > 0; i++ {
			at := k % len(left)
			k /= len(left)
			files[2+(n+i)%2] += left[at]
			left = slices.Delete(left, at, at+1)
		}
		b := newBench(t, files...)
		require.Equal(t, 9, b.must().Recorded)
		require.Len(t, b.paidOut(), 1)
		var all []string
		for _, id := range b.state().BotIDs() {
			bot := b.state().Bots[id]
			all = append(all, fmt.Sprint(id, bot.Cash, bot.Trades, bot.Wins, bot.Losses, bot.Neutral))
		}
		if first == nil {
			first = all
		}
		require.Equal(t, first, all, "order %d", n)
		requireAgain(t, b, 9)
	}
}

// "New portfolios use the new rules"; one that an earlier build imported keeps its edition.
func TestAnEarlierImportKeepsItsEdition(t *testing.T) {
	b := newBench(t, fillHeader+at(1)+",a,rain,YES,buy,10,0.5,0,1\n")
	b.o.Policy.Rules, b.o.BotCapital = 1, amount("100")
	b.must()
	b.o.Policy.Rules = 0
	b.file("more.csv", fillHeader+at(2)+",b,rain,YES,buy,10,0.6,0,1\n")
	b.must()
	require.False(t, b.state().Policy.Second())
	require.Equal(t, "1001", b.state().Equity().String(), "a fill marks for all")

	b = newBench(t, fillHeader+at(1)+",a,rain,YES,buy,10,0.5,0,1\n"+at(2)+",b,rain,YES,buy,10,0.6,0,1\n")
	b.must()
	require.True(t, b.state().Policy.Second())
	require.Equal(t, "1000", b.state().Equity().String(), "a fill marks for its bot")
}

// "A fill whose notional ÷ quantity does not [lie in 0..1] marks nothing and is flagged
// `price_off`": a wallet's cash may say so, where its price is for display.
func TestACashAboveAShareMarksNothing(t *testing.T) {
	for cash, flagged := range map[string]bool{"9.999999": false, "10": false, "10.000001": true} {
		b := newBench(t, walletHeader+at(1)+",trade,rain,YES,buy,10,0.5,-5,x\n"+at(2)+",trade,rain,YES,buy,10,0.5,-"+cash+",x\n")
		b.read.Bot = "w"
		b.must()
		price, ok := b.state().PriceOf(domain.Instrument{Market: "rain", Outcome: "YES"}, "w")
		require.True(t, ok)
		require.Equal(t, flagged, price == dec("0.5"), "%s: %s", cash, price)
	}
}
