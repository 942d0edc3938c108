package operate_test

import (
	"regexp"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/internal/pets/petstest"
)

// Requests about different markets stand side by side, and the answer to a request names what it
// replaces: nothing that waits is dropped in silence.
func TestARequestNamesWhatItReplaces(t *testing.T) {
	t.Parallel()
	s, _ := second(t)
	for _, market := range []string{"snow", "hail", "fog"} {
		s.Ok("market", "add", market, "--outcomes", "YES,NO")
	}
	s.Ok("settle", "rain", "--payouts", "YES=1,NO=0")
	s.Ok("settle", "snow", "--payouts", "YES=1,NO=0")
	asks := func(kind, market, yes, no string) (id, said string) {
		said = squeezed(s.Ok("override", "request", kind, "market="+market, "YES="+yes, "NO="+no, "--reason", "the venue changed its answer"))
		return overrideID.FindString(said), said
	}
	var open []string
	for _, two := range []struct{ kind, one, other, yes, no string }{{"settlement", "rain", "snow", "0.2", "0.8"}, {"payouts", "hail", "fog", "0.5", "0.4"}} {
		first, said := asks(two.kind, two.one, two.yes, two.no)
		require.NotContains(t, said, "REPLACES")
		second, said := asks(two.kind, two.other, two.yes, two.no)
		require.NotContains(t, said, "REPLACES", "another market")
		third, said := asks(two.kind, two.one, two.no, two.yes)
		require.Contains(t, said, third+": override "+two.kind+" is asked for; it waits for 24 h. It REPLACES what waited: "+first+" (revision ")
		open = append(open, second, third)
	}
	waits := s.Ok("approvals")
	require.Equal(t, open, slices.Compact(overrideID.FindAllString(waits, -1)), waits)
	var answer struct{ Replaces []string }
	s.JSON(&answer, "override", "request", "payouts", "market=fog", "YES=0.1", "NO=0.1", "--reason", "x")
	require.Equal(t, open[2:3], answer.Replaces)
}

// A reset, or the clearing of the emergency stop, does not say to start bots that cannot be
// started, because something else is still tripped or engaged.
func TestWhatIsLeftIsSaidAfterAReset(t *testing.T) {
	t.Parallel()
	s, p := second(t)
	const start = "start the bots one by one"
	s.Ok("fee", "600", "--kind", "gas", "--bot", "alpha") // bot_drawdown and daily_loss
	s.Ok("stop", "--emergency", "--reason", "drill")
	reset := func(args ...string) string {
		return squeezed(s.Ok(append([]string{"reset", "--rebase", "--reason", "looked at it"}, args...)...))
	}
	out := reset("daily_loss")
	require.Contains(t, out, "daily_loss is reset; still to be reset or cleared before bots start: bot_drawdown of alpha, the emergency stop (pets state -p main)")
	require.NotContains(t, out, start)

	key := func(user, role string) string {
		return petstest.SecretPattern.FindString(s.Ok("apikey", "issue", "--user", user, "--role", role))
	}
	r := p.Pets(s.Store(), key("olga", "operator"), "clear", "--reason", "over")
	require.Equal(t, 0, r.Code, r.Err)
	r = p.Pets(s.Store(), key("bob", "approver"), "clear", "--confirm", regexp.MustCompile(`\bc\d+\b`).FindString(r.Out))
	require.Equal(t, 0, r.Code, r.Err)
	require.Contains(t, squeezed(r.Out), "the emergency stop is cleared; still to be reset or cleared before bots start: bot_drawdown of alpha (pets state -p main")
	require.NotContains(t, squeezed(r.Out), start)

	require.Contains(t, reset("bot_drawdown", "--bot", "alpha"), "bot_drawdown is reset; "+start)
	s.Ok("start", "alpha")
}

// "An adjustment with flow:true names the record of the deposit or withdrawal it corrects": what is
// wrong with that names the flag, as it was typed.
func TestWhatIsWrongOfAFlowNamesTheFlag(t *testing.T) {
	t.Parallel()
	s, _ := second(t)
	for _, revision := range []string{"2", "999"} {
		s.Fails(1, []string{"--of is no deposit or withdrawal whose effect on the references is still known"},
			"adjust", "hot:treasury", "--take", "1", "--flow", "--of", revision, "--reason", "typed wrong")
	}
}

// "Deposits and withdrawals with a tx are booked once …: the same again is noted": it is said that
// nothing has changed, also where the note is the first record of a day.
func TestANoteOfANewDayIsNoDeposit(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	var ahead atomic.Int64
	address := s.ServedBy(func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) })
	s.Env = append(s.Env, "PETS_SERVER="+address, "PETS_KEY="+petstest.AdminKey)
	s.Ok("portfolio", "open", "main")
	require.Contains(t, s.Ok("deposit", "7", "--tx", "0xab"), "7 came into the hot wallet")
	for _, at := range []time.Duration{0, 25 * time.Hour} {
		ahead.Store(int64(at))
		require.Contains(t, s.Ok("deposit", "7", "--tx", "0xab"), "nothing has changed (duplicate)", at)
	}
	ahead.Store(int64(50 * time.Hour))
	require.Contains(t, s.Ok("batch", s.File("batch.json", `{"commands":[{"command":"record_deposit","body":{"wallet":"hot","amount":"7","tx":"0xab"}}]}`)), "1 of them changed nothing")
	require.Len(t, s.EventsOf("day.opened"), 2)
}
