package look_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore/embedded"
	"pets/internal/pets/petstest"
	"pets/projections"
)

// "Exit status: 0 fine, 1 failed, 2 usage."
func TestUsageErrors(t *testing.T) {
	t.Parallel()
	s := petstest.Small(t)
	for _, c := range []struct {
		args  string
		words []string
	}{
		{"stat", []string{`pets has no such command: did you mean`, "did you mean start or state or stats or status or stop?", "pets --help"}},
		{"frobnicate", []string{`pets has no such command; see pets --help`, "pets --help"}},
		{"state --foo", []string{"unknown flag: --foo", "pets state --help"}},
		{"deposit 1 2", []string{"accepts 1 arg(s), received 2"}}, // and no word about an argument of its own
		{"state extra", []string{"pets state takes no argument, and has 1", "pets state --help"}},
		{"state --at yesterday", []string{"--at must be a revision such as 42 or a time such as"}},
		{"state --at -1", []string{"--at must be"}},
		{"state --at 1.5", []string{"--at must be"}},
		{"state --at 2026-03-01", []string{"--at must be"}},
		{"events --at bogus", []string{"--at must be"}},
		{"events --limit -1", []string{"--limit must not be negative"}},
		{"events --limit many", []string{"--limit"}},
		{"events --after -2", []string{"--after must be a revision"}},
		{"equity --from noon", []string{"--from must be a time such as"}},
		{"equity --to noon", []string{"--to must be a time such as"}},
		{"equity --points -1", []string{"--points must be 0 (all) or at least 3"}},
		{"equity --points 2", []string{"--points must be 0 (all) or at least 3"}},
		{"stats --limit MAX_DAILY_LOSS_PCT=5", []string{"did you mean 0.05?"}},
		{"stats --limit max_bot_drawdown_pct=25", []string{"did you mean 0.25?"}},
		{"stats --limit MAX_DAILY_LOSS_PCT=0", []string{"above 0"}},
		{"stats --limit MAX_DAILY_LOSS_PCT=5%", []string{"not a plain decimal number"}},
		{"stats --limit MAX_DAILY_LOSS=5", []string{"knows MAX_CONSECUTIVE_LOSSES, MAX_DAILY_LOSS_PCT, MAX_BOT_DAILY_LOSS_PCT, MAX_ROLLING_LOSS_PCT and MAX_BOT_DRAWDOWN_PCT"}},
		{"stats --limit 0.05", []string{"NAME=VALUE"}},
		{"stats --limit MAX_CONSECUTIVE_LOSSES=0", []string{"whole number"}},
		{"stats --limit MAX_CONSECUTIVE_LOSSES=2.5", []string{"whole number"}},
		{"stats --limit MAX_DAILY_LOSS_PCT=0.1 --limit max_daily_loss_pct=0.2", []string{"is given twice"}},
		{"import", []string{"name at least one file", "pets import --help"}},
		{"import --capital 1e3 fills.csv", []string{"--capital", "not a plain decimal number"}},
		{"import --capital -5 fills.csv", []string{"--capital must not be negative"}},
		{"import --bot-capital ten fills.csv", []string{"--bot-capital"}},
		{"state --portfolio ../x", []string{"--portfolio may hold only letters, digits"}},
		{"state --store sqlite:x", []string{"must be embedded:DIR"}},
		{"state --store esdb://admin:secret@host:2113", []string{"--store holds credentials"}},
		{"version now", []string{"pets version --help"}},
	} {
		s.Fails(2, c.words, strings.Fields(c.args)...)
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	s := petstest.Small(t)
	missing := filepath.Join(s.Dir, "none.csv")
	foreign := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(foreign, "letter.txt"), nil, 0o600))
	for _, c := range []struct {
		args  []string
		words []string
	}{
		{[]string{"state", "--at", "999"}, []string{"revision 999 lies beyond the end", "last revision is 19"}},
		{[]string{"stats", "--at", "20"}, []string{"last revision is 19"}},
		{[]string{"events", "--at", "20"}, []string{"last revision is 19"}},
		{[]string{"state", "--at", "2026-03-01T09:59:59.999999999Z"}, []string{"portfolio main did not exist yet at that time"}},
		{[]string{"state", "-p", "nope"}, []string{"there is no portfolio nope", "it has main"}},
		{[]string{"state", "-p", "nope", "--at", "3"}, []string{"there is no portfolio nope", "it has main"}},
		{[]string{"state", "-p", "nope", "--at", "2026-03-01T10:00:00Z"}, []string{"there is no portfolio nope", "it has main"}},
		{[]string{"events", "-p", "nope"}, []string{"there is no portfolio nope", "it has main"}},
		{[]string{"events", "-p", "nope", "--follow"}, []string{"there is no portfolio nope"}},
		{[]string{"trades", "--bot", "gamma"}, []string{"no bot gamma", "alpha, beta"}},
		{[]string{"import", "--capital", "5", missing}, []string{"none.csv", "no such file"}},
		{[]string{"import", "--capital", "5", s.Dir}, []string{"is a directory"}},
		{[]string{"state", "--store", "embedded:" + filepath.Join(s.Dir, "elsewhere")}, []string{"there is no store at", "name the server with --server or PETS_SERVER, or the folder with --store"}},
		{[]string{"verify", "--store", "embedded:" + s.Dir}, []string{"there is no store at", "but one lies in " + s.Store()}},
		{[]string{"verify", "--store", "embedded:" + foreign}, []string{"is not an event store"}},
	} {
		s.Fails(1, c.words, c.args...)
	}
	for _, command := range []string{"state", "stats", "balances", "positions", "trades", "equity", "events"} {
		s.Fails(1, []string{"it has main"}, command, "-p", "nope")
		s.Fails(1, []string{"there is no store at"}, command, "--store", "embedded:"+filepath.Join(s.Dir, "elsewhere"))
	}
	_, err := os.Stat(filepath.Join(s.Dir, "elsewhere"))
	require.ErrorIs(t, err, os.ErrNotExist, "a reading command makes nothing")
}

// "import without --capital": refused before a folder is created.
func TestImportNeedsCapital(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	files := s.SmallFiles()
	s.Fails(2, []string{"--capital is needed to open portfolio main"}, "import", files[0])
	_, err := os.Stat(s.Store())
	require.ErrorIs(t, err, os.ErrNotExist)
	s.Ok("import", "--capital", "100", files[0], files[1])
	s.Fails(2, []string{"--capital is needed to open portfolio other"}, "import", "-p", "other", files[0])
	s.Fails(1, []string{"--capital is 50, but portfolio main was opened with 100"}, "import", "--capital", "50", files[0])
}

// "PETS_STORE …; flags of the same names win"; a .env in the working folder is read.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	files := s.SmallFiles()
	s.Env = []string{"MAX_DAILY_LOSS_PCT=0.02"}
	s.File(".env", "PETS_STORE=embedded:"+filepath.Join(s.Dir, "from-file"), "PETS_PORTFOLIO=filed", "MAX_DAILY_LOSS_PCT=0.01", "MAX_BOT_DRAWDOWN_PCT=0.2")
	s.Ok("import", "--capital", "100", files[0])
	var v struct {
		Portfolio string
		Policy    map[string]any
	}
	s.JSON(&v, "state")
	require.Equal(t, "filed", v.Portfolio)
	require.Equal(t, "0.02", v.Policy["max_daily_loss_pct"], "the environment wins over .env")
	require.Equal(t, "0.2", v.Policy["max_bot_drawdown_pct"])
	s.Ok("import", "--capital", "100", "-p", "flagged", files[0])
	s.JSON(&v, "state", "--portfolio", "flagged")
	require.Equal(t, "flagged", v.Portfolio)
	s.Fails(1, []string{"there is no store"}, "state", "--store", "embedded:"+filepath.Join(s.Dir, "none"))

	s.Env = []string{"PETS_STORE=esdb://admin:secret@127.0.0.1:1?tls=false"}
	r := s.Run("state")
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Err, "PETS_STORE credentials need TLS")
	require.NotContains(t, r.Err, "secret")
	s.Env = []string{"MAX_DAILY_LOSS_PCT=5"}
	s.Fails(1, []string{"MAX_DAILY_LOSS_PCT", "did you mean 0.05?"}, "state")
	require.Equal(t, 0, s.Run("version").Code, "a broken configuration does not keep a binary from saying what it is")
	s.Env = []string{"PETS_STROE=embedded:x"}
	require.Contains(t, s.Run("state").Err, "did you mean PETS_STORE?")
}

// keys lists the keys of an object, with those of nested objects and of the first element of
// nested lists after a dot.
func keys(v any) []string {
	var out []string
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			out = append(out, k)
			for _, sub := range keys(inner) {
				out = append(out, k+"."+sub)
			}
		}
	case []any:
		if len(v) > 0 {
			return keys(v[0])
		}
	}
	slices.Sort(out)
	return out
}

func words(text string) []string {
	out := strings.Fields(text)
	slices.Sort(out)
	return out
}

func without(all []string, prefix string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(k string) bool { return strings.HasPrefix(k, prefix) })
}

// "state has at least: portfolio, revision, time, mode, clock, equity, …"; beside
// these only base_asset, policy, overrides and the trade of a position.
func TestStateShape(t *testing.T) {
	t.Parallel()
	s := petstest.Small(t)
	var v map[string]any
	s.JSON(&v, "state")
	require.Equal(t, words(`portfolio revision time mode clock equity realised_equity peak lifetime_peak drawdown overrides
		day day.date day.open day.loss emergency_stop emergency_stop.engaged emergency_stop.kind emergency_stop.reason emergency_stop.since
		bots bots.bot bots.status bots.cash bots.equity bots.peak bots.drawdown bots.consecutive_losses bots.trades bots.wins bots.losses
		bots.neutral bots.realised_pnl bots.fees breakers breakers.breaker breakers.bot breakers.status breakers.value breakers.limit breakers.revision
		positions positions.bot positions.market positions.outcome positions.quantity positions.cost positions.mark positions.unrealised_pnl positions.oversold
		base_asset policy positions.trade`), without(keys(v), "policy."))
	require.Equal(t, "paper", v["mode"])
	require.Equal(t, "imported", v["clock"])
	stop, _ := v["emergency_stop"].(map[string]any)
	require.Equal(t, map[string]any{"engaged": false, "kind": nil, "reason": nil, "since": nil}, stop)

	// "bot:null for the portfolio's", a streak in numbers, ratios in decimals.
	breakers, _ := v["breakers"].([]any)
	require.Len(t, breakers, 6)
	for _, each := range breakers {
		b, _ := each.(map[string]any)
		name, _ := b["breaker"].(string)
		if name == "daily_loss" || name == "portfolio_drawdown" {
			require.Nil(t, b["bot"], name)
		} else {
			require.IsType(t, "", b["bot"], name)
		}
		if name == "consecutive_losses" {
			require.IsType(t, json.Number("0"), b["value"])
			require.Equal(t, json.Number("3"), b["limit"])
		} else {
			require.IsType(t, "", b["value"], name)
			require.IsType(t, "", b["limit"], name)
		}
		require.Contains(t, []any{"ok", "warned", "tripped"}, b["status"])
		require.Equal(t, b["status"] == "ok", b["revision"] == nil)
	}
}

const scopeKeys = `trades results wins losses neutral win_rate profit_factor net_pnl gross_profit gross_loss fees longest_loss_streak
	max_drawdown max_drawdown.abs max_drawdown.ratio max_drawdown.peak max_drawdown.trough
	longest_loss_streak_end longest_loss_streak_end.trade longest_loss_streak_end.time loss_streaks_at_limit best_day best_day.date best_day.pnl worst_day worst_day.date worst_day.pnl
	max_drawdown_abs max_drawdown_abs.abs max_drawdown_abs.ratio max_drawdown_abs.peak max_drawdown_abs.trough
	max_drawdown_abs.peak_trade max_drawdown_abs.peak_time max_drawdown_abs.trough_trade max_drawdown_abs.trough_time
	max_drawdown_marked max_drawdown_marked.abs max_drawdown_marked.ratio max_drawdown_marked.peak max_drawdown_marked.trough closed_breakers judged_by judged_by.breaker judged_by.limit`

// "stats has at least, under portfolio and per bot under bots[]: …"
func TestStatsShape(t *testing.T) {
	t.Parallel()
	s := petstest.Small(t)
	var v map[string]any
	s.JSON(&v, "stats", "--limit", "MAX_CONSECUTIVE_LOSSES=1")
	require.Equal(t, []string{"bots", "portfolio"}, slices.Sorted(maps.Keys(v)))
	more := " realised_pnl opening_capital final_equity max_drawdown.peak_trade max_drawdown.peak_time max_drawdown.trough_trade max_drawdown.trough_time"
	require.Equal(t, words(scopeKeys+more+" closed_breakers.breaker closed_breakers.trade closed_breakers.time closed_breakers.value closed_breakers.limit"), keys(v["portfolio"]))
	bots, _ := v["bots"].([]any)
	require.Len(t, bots, 2)
	require.Equal(t, words("bot "+scopeKeys+more), keys(bots))
	beta, _ := bots[1].(map[string]any)
	require.Nil(t, beta["profit_factor"], "null without losses")
	require.Equal(t, []any{}, beta["closed_breakers"])
}

// flat is a text without its line breaks.
func flat(text string) string { return strings.Join(strings.Fields(text), " ") }

// Statistics "say where the longest streak ended, worst and best day, how many streaks reached the
// limit, the largest absolute drawdown beside the largest ratio", and by which limits: those in
// force "unless --limit says otherwise, and shows the limit".
func TestStatsText(t *testing.T) {
	t.Parallel()
	s := petstest.Small(t)
	out := flat(s.Ok("stats"))
	for _, says := range []string{
		"longest loss streak 1, ended with trade 1 at 2026-03-01 11:00:00; 0 reached the limit of 3",
		"days best 2026-03-02 4, worst 2026-03-01 -1.02",
		"max drawdown 1.02 (1.02 %), from 100 at the opening to 98.98 after trade 1",
		"no breaker would have tripped on the closed trades alone (limits: consecutive_losses 3, daily_loss 5.00 %, bot_drawdown 25.00 %)",
	} {
		require.Contains(t, out, says)
	}
	require.NotContains(t, out, "largest amount", "it is the one with the largest ratio")
	out = flat(s.Ok("stats", "--limit", "MAX_CONSECUTIVE_LOSSES=1"))
	require.Contains(t, out, "; 2 reached the limit of 1 ")
	require.Contains(t, out, "consecutive_losses portfolio 1 2026-03-01 11:00:00 1 1")

	// 40 of 100, then 50 of 1,060: the larger ratio is the smaller amount.
	s = petstest.New(t)
	file := filepath.Join(t.TempDir(), "trades.csv")
	require.NoError(t, os.WriteFile(file, []byte("time,bot,market,outcome,side,quantity,price,fee,trade_id\n"+
		"2026-03-01T10:00:00Z,a,m,YES,buy,100,0.50,0,1\n2026-03-01T11:00:00Z,a,m,YES,sell,100,0.10,0,2\n"+
		"2026-03-02T10:00:00Z,a,n,YES,buy,1600,0.03,0,3\n2026-03-02T11:00:00Z,a,n,YES,sell,1600,0.655,0,4\n"+
		"2026-03-03T10:00:00Z,a,o,YES,buy,100,0.60,0,5\n2026-03-03T11:00:00Z,a,o,YES,sell,100,0.10,0,6\n"), 0o600))
	s.Ok("import", "--capital", "100", file)
	require.Contains(t, flat(s.Ok("stats")), "largest amount 50 (4.71 %), from 1060 after trade 2 to 1010 after trade 3")
}

// "pets events --json: one object a line: revision, time, type, user, data, metadata"
func TestEventsShape(t *testing.T) {
	t.Parallel()
	s := petstest.Small(t)
	lines := strings.Split(strings.TrimSuffix(s.Ok("events", "--json"), "\n"), "\n")
	require.Len(t, lines, 20)
	for i, line := range lines {
		var e map[string]json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		require.Equal(t, words("revision time type user data metadata"), slices.Sorted(maps.Keys(e)))
		require.Equal(t, strconv.Itoa(i), string(e["revision"]))
		require.True(t, strings.HasPrefix(string(e["user"]), `"os:`), string(e["user"]))
	}
	require.Len(t, s.Events("--type", "fill,trade.closed"), 8)
	require.Len(t, s.Events("--type", "trade.closed.v1"), 3)
	require.Empty(t, s.Events("--type", "permit"))
	require.Len(t, s.Events("--after", "17"), 2)
	require.Len(t, s.Events("--after", "3", "--limit", "2"), 2)
	require.Equal(t, 4, s.Events("--after", "3", "--limit", "2")[0].Revision)
	require.Empty(t, s.Events("--after", "9223372036854775807"))
	require.Len(t, s.Events("--at", "4"), 5)
	require.Len(t, s.Events("--at", "2026-03-01T23:00:00Z"), 12)
}

func TestOtherShapes(t *testing.T) {
	t.Parallel()
	s := petstest.Small(t)
	var imported, verified any
	s.JSON(&imported, append([]string{"import"}, s.SmallFiles()...)...)
	require.Equal(t, words(`rows recorded known duplicates ignored findings set_aside events trades oversold trips bad_rows seconds events_per_second
		files files.path files.format files.rows files.bad`), keys(imported))
	s.JSON(&verified, "verify")
	require.Equal(t, words(`ok system system.events system.keys system.live system.problems store store.segments store.frames store.records store.streams store.bytes store.torn_bytes
		portfolios portfolios.portfolio portfolios.events portfolios.from portfolios.to portfolios.trades portfolios.state_hash portfolios.problems
		witness witness.dir witness.written witness.streams witness.problems index index.dir index.entries index.bytes index.amplification`), keys(verified))
	shapes := map[string]string{
		"trades":    "number trade bot market outcome direction closed_by opened_at closed_at revision quantity entry_notional exit_notional fee pnl result trade_id revised",
		"positions": "bot market outcome quantity cost mark unrealised_pnl oversold trade",
		"balances":  "accounts accounts.asset accounts.account accounts.balance sums sums.USDC",
		"equity":    "revision time equity realised_equity drawdown flow",
		"version":   "version go platform",
	}
	for command, want := range shapes {
		var v any
		s.JSON(&v, command)
		require.Equal(t, words(want), keys(v), command)
	}
	for _, empty := range [][]string{{"trades", "--at", "0"}, {"positions", "--at", "0"}, {"equity", "--at", "0"}} {
		require.Equal(t, "[]\n", s.Ok(append(empty, "--json")...), "an empty list is [], never null: %v", empty)
	}
	var v map[string]any
	s.JSON(&v, "state", "--at", "0")
	for _, list := range []string{"bots", "positions"} {
		require.Equal(t, []any{}, v[list], list)
	}
	s.JSON(&v, "stats", "--at", "0")
	p, _ := v["portfolio"].(map[string]any)
	require.Nil(t, p["win_rate"])
	require.Nil(t, p["profit_factor"])
	require.Equal(t, []any{}, p["closed_breakers"])
}

// "state at --at equals a fresh fold": at every revision, from a snapshot or not,
// and at every time: a record exactly at it counts.
func TestAtEqualsAFreshFold(t *testing.T) {
	t.Parallel()
	s := petstest.Small(t)
	events := s.Events()
	store, err := embedded.OpenReadOnly(s.Store(), embedded.Options{})
	require.NoError(t, err)
	defer store.Close()
	fresh := portfolio.New()
	for rec, err := range store.ReadStream(t.Context(), commands.Stream("main"), 0) {
		require.NoError(t, err)
		e, err := domain.Decode(rec.Type, rec.Data)
		require.NoError(t, err)
		fresh.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
		want, err := json.MarshalIndent(projections.StateOf(fresh), "", "  ")
		require.NoError(t, err)
		require.Equal(t, string(want)+"\n", s.Ok("state", "--json", "--at", strconv.FormatUint(rec.Revision, 10)))
		if int(rec.Revision)+1 == len(events) || events[rec.Revision+1].Time != events[rec.Revision].Time {
			require.Equal(t, string(want)+"\n", s.Ok("state", "--json", "--at", events[rec.Revision].Time), "exactly at a record")
		}
	}
	now := s.Ok("state", "--json")
	require.Equal(t, now, s.Ok("state", "--json", "--at", "19"), "the end")
	require.Equal(t, now, s.Ok("state", "--json", "--at", "2031-01-01T00:00:00Z"), "later than the end nothing more is known")
	require.Equal(t, now, s.Ok("state", "--json", "--at", "2026-03-02T13:00:00.5+01:00"), "a time in another zone")
	require.Equal(t, s.Ok("state", "--json", "--at", "2026-03-02T11:00:00Z"), s.Ok("state", "--json", "--at", "2026-03-02T12:00:00.499999999Z"))
}

// As of a moment, every command answers what it would have answered then.
func TestEveryCommandTakesAt(t *testing.T) {
	t.Parallel()
	then := petstest.New(t)
	files := then.SmallFiles()
	then.Ok("import", "--capital", "100", "--bot-capital", "50", files[0])
	s := petstest.New(t)
	files = s.SmallFiles()
	s.Ok("import", "--capital", "100", "--bot-capital", "50", files[0])
	s.File("later.csv", "time,bot,market,pnl,fee,trade_id", "2026-03-05T00:00:00Z,alpha,x,-9,0.5,t1", "2026-03-05T00:00:01Z,beta,x,-3,0,t2")
	s.File("fill.csv", "time,bot,market,outcome,side,quantity,price,fee,trade_id", "2026-03-05T00:00:02Z,beta,m9,YES,buy,1,0.5,0,b9")
	s.Ok("import", filepath.Join(s.Dir, "later.csv"), filepath.Join(s.Dir, "fill.csv"))
	last := strconv.Itoa(len(then.Events()) - 1)
	for _, command := range []string{"state", "stats", "balances", "positions", "trades", "equity"} {
		require.NotEqual(t, then.Ok(command, "--json"), s.Ok(command, "--json"), command)
		require.Equal(t, then.Ok(command, "--json"), s.Ok(command, "--json", "--at", last), command)
		require.Equal(t, then.Ok(command, "--json"), s.Ok(command, "--json", "--at", "2026-03-04T00:00:00Z"), command)
		require.Equal(t, then.Ok(command), s.Ok(command, "--at", last), command)
	}
}

func TestHelpAndVersion(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	for _, args := range [][]string{{}, {"help"}, {"--help"}, {"help", "state"}, {"import", "--help"}} {
		require.Contains(t, s.Ok(args...), "Usage:", "%v", args)
	}
	require.Regexp(t, `^pets \S+ \(go1\.\S+, \S+/\S+\)\n$`, s.Ok("version"))
}
