package setup_test

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/internal/pets/petstest"
	"pets/internal/shareddata"
)

// "a bad row stops with file, line, column and reason before anything of that row
// is written"
func TestImportStopsAtABadRow(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	for _, c := range []struct {
		row   string
		words string
	}{
		{"2026-03-01T10:00:01Z,alpha,m1,YES,buy,ten,0.4,0,a2", "bad.csv:3:39: quantity: "},
		{"2026-03-01T10:00:01Z,alpha,m1,YES,hold,10,0.4,0,a2", "bad.csv:3:35: side: "},
		{"2026-03-01T10:00:01Z,alpha,m1,YES,buy,10,1.4,0,a2", "bad.csv:3:42: price: "},
		{"yesterday,alpha,m1,YES,buy,10,0.4,0,a2", "bad.csv:3:1: time: "},
		{"2026-03-01T10:00:01Z,alpha,m1,YES,buy,10,0.4,0", "bad.csv:3:"},
		{"2026-03-01T10:00:01Z,alpha,m1,YES,buy,10,0.4,none,a2", "bad.csv:3:46: fee: "},
	} {
		bad := s.File("bad.csv", petstest.FillsHeader, "2026-03-01T10:00:00Z,alpha,m1,YES,buy,10,0.4,0,a1", c.row)
		s.Fails(1, []string{c.words, "--skip-bad"}, "import", "--capital", "100", bad)
	}
	_, err := os.Stat(s.Store())
	require.ErrorIs(t, err, os.ErrNotExist, "files are read before anything is written")
}

// A row that the domain refuses stops the import, with the rows before it booked.
func TestImportStopsAtARefusedRow(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	file := s.File("f.csv", petstest.FillsHeader,
		"2026-03-01T10:00:00Z,alpha,m1,YES,buy,10,0.4,0,a1",
		"2026-03-01T10:00:01Z,alpha,m1,YES,buy,11,0.4,0,a1", // different content under a1
		"2026-03-01T10:00:02Z,alpha,m1,YES,buy,1,0.4,0,a3")
	s.Fails(1, []string{"f.csv:3:48: trade_id is already recorded with different content", "stopped after 1 of 3 rows"}, "import", "--capital", "100", file)
	require.Len(t, s.Events("--type", "fill"), 1)
	s.Ok("verify")

	// "--skip-bad FILE sets bad rows aside and says how many", and goes on.
	aside := filepath.Join(s.Dir, "aside.csv")
	var v petstest.SummaryJSON
	s.JSON(&v, "import", "--skip-bad", aside, file)
	require.Equal(t, []int{1, 1, 1}, []int{v.Known, v.Recorded, v.SetAside})
	rows := petstest.ReadCSV(t, aside)
	require.Equal(t, []map[string]string{{
		"file": file, "line": "3", "reason": "trade_id is already recorded with different content",
		"row": "2026-03-01T10:00:01Z,alpha,m1,YES,buy,11,0.4,0,a1",
	}}, rows)
	before, err := os.ReadFile(aside)
	require.NoError(t, err)
	s.JSON(&v, "import", "--skip-bad", aside, file)
	require.Equal(t, []int{2, 0, 1}, []int{v.Known, v.Recorded, v.SetAside})
	after, err := os.ReadFile(aside)
	require.NoError(t, err)
	require.Equal(t, string(before), string(after), "set aside again, and written once")
}

func TestSkipBadKeepsWhatItSetsAside(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	file := s.File("f.csv", petstest.FillsHeader,
		"2026-03-01T10:00:00Z,alpha,\"m,1\",YES,buy,10,0.4,0,a1",
		"2026-03-01T10:00:01Z,alpha,\"m,1\",YES,buy,ten,0.4,0,a2",
		"short,row",
		"2026-03-01T10:00:02Z,alpha,\"m,1\",YES,sell,10,0.5,0,a3")
	aside := filepath.Join(s.Dir, "aside.csv")
	out := s.Ok("import", "--capital", "100", "--skip-bad", aside, file)
	require.Contains(t, out, "4 rows: 2 booked, 0 known from before, 0 duplicates, 0 ignored, 2 set aside")
	rows := petstest.ReadCSV(t, aside)
	require.Len(t, rows, 2)
	require.Equal(t, "3", rows[0]["line"])
	require.Contains(t, rows[0]["reason"], "quantity: ")
	require.Equal(t, "2026-03-01T10:00:01Z,alpha,\"m,1\",YES,buy,ten,0.4,0,a2", rows[0]["row"])
	require.Equal(t, "short,row", rows[1]["row"])
	require.True(t, strings.HasPrefix(rows[1]["reason"], "the row has 2 fields"), rows[1]["reason"])

	// "resumable: the same command goes on": it adds nothing, there neither.
	before, err := os.ReadFile(aside)
	require.NoError(t, err)
	s.Ok("import", "--capital", "100", "--skip-bad", aside, file)
	after, err := os.ReadFile(aside)
	require.NoError(t, err)
	require.Equal(t, string(before), string(after))

	// A file of any other kind is not changed.
	s.Fails(2, []string{"--skip-bad names an existing file that does not hold rows set aside"}, "import", "--capital", "100", "--skip-bad", file, file)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	all, err := csv.NewReader(strings.NewReader(petstest.FillsHeader)).Read()
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(text), strings.Join(all, ",")))
	info, err := os.Stat(aside)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

// "insignificant zeros are accepted, `--round` rounds (half-even) and counts what it
// rounded, the message names `--round` and not `--skip-bad`"
func TestImportOfFineNumbers(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	zeros := s.File("zeros.csv", petstest.FillsHeader, "2026-01-05 10:00:00Z,alpha,m1,YES,buy,1.5E1,0.400000000000000000000,1e-7,a1")
	var v petstest.SummaryJSON
	s.JSON(&v, "import", "--capital", "100", zeros)
	require.Equal(t, []int{1, 0}, []int{v.Recorded, v.Rounded})
	fill := s.Events("--type", "fill")[0].Data
	require.Equal(t, []string{"15", "0.4"}, []string{fill.Quantity, fill.Price})
	require.Contains(t, s.Ok("events", "--json", "--type", "fill"), `"fee":"0.0000001"`)

	fine := s.File("fine.csv", petstest.FillsHeader, "2026-01-05 11:00:00Z,alpha,m1,YES,buy,0.1234567890123456785,0.4,1e-19,a2")
	r := s.Run("import", fine)
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Err, "has more than 18 decimals; pass --round")
	require.NotContains(t, r.Err, "--skip-bad")
	require.Contains(t, s.Ok("import", "--round", fine), "2 numbers of more than 18 decimals rounded, half to even")
	require.Equal(t, "0.123456789012345678", s.Events("--type", "fill")[1].Data.Quantity)
	s.JSON(&v, "import", "--round", fine)
	require.Equal(t, []int{1, 0}, []int{v.Known, v.Recorded}, "it rounds to the row that is known")
}

// "`--skip-bad` that set aside every row exits non-zero": whether they could not be read
// or not be booked. "a header-only file gets a clear answer".
func TestImportOfNothing(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	aside := filepath.Join(s.Dir, "aside.csv")
	unread := s.File("unread.csv", petstest.FillsHeader, "yesterday,alpha,m1,YES,buy,1,0.4,0,a1", "today,alpha,m1,YES,buy,1,0.4,0,a2")
	s.Fails(1, []string{"nothing was booked: all 2 rows were set aside"}, "import", "--capital", "100", "--skip-bad", aside, unread)
	require.Len(t, petstest.ReadCSV(t, aside), 2)
	header := s.File("header.csv", petstest.FillsHeader)
	s.Fails(1, []string{"header.csv: has a header (fills) and no row below it"}, "import", "--capital", "100", header)
	_, err := os.Stat(s.Store())
	require.ErrorIs(t, err, os.ErrNotExist)

	good := s.File("good.csv", petstest.FillsHeader, "2026-03-01T10:00:00Z,alpha,m1,YES,buy,1,0.4,0,a1")
	require.Contains(t, s.Ok("import", "--capital", "100", good, header), "header.csv: fills, 0 rows (only a header)")
	refused := s.File("refused.csv", petstest.FillsHeader, "2026-03-01T10:00:00Z,alpha,m1,YES,buy,2,0.4,0,a1")
	r := s.Run("import", "--skip-bad", aside, refused)
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Err, "nothing was booked: the only row was set aside")
	require.Len(t, petstest.ReadCSV(t, aside), 3)
	// A row that was booked, or is known, counts as a result.
	s.Ok("import", "--skip-bad", aside, good, unread)
}

// "SQLite and JSON files get a message about what they are and that CSV is wanted": also
// those of other programs, where they are at hand.
func TestImportOfOtherKindsOfFiles(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	samples := filepath.Join(shareddata.Dir(t), "..", "formats", "samples")
	if _, err := os.Stat(samples); err != nil {
		t.Skip("no folder formats/samples beside the shared data")
	}
	for _, c := range []struct{ pattern, words string }{
		{"*.sqlite", "is a SQLite database, not CSV"},
		{"*.json", "is JSON, not CSV"},
		{"*.json.gz", "is JSON, not CSV"},
		{"*.zip", "is a spreadsheet or zip archive"},
		{"*.csv", "the header is of no known format"},
	} {
		files, err := filepath.Glob(filepath.Join(samples, c.pattern))
		require.NoError(t, err)
		require.NotEmpty(t, files, c.pattern)
		for _, file := range files {
			r := s.Run("import", "--capital", "100", file)
			require.Equal(t, 1, r.Code, file)
			require.Contains(t, r.Err, c.words, file)
		}
	}
}

// "a second run adds no event; duplicate ids counted"
func TestSecondImportAddsNothing(t *testing.T) {
	t.Parallel()
	s := petstest.Small(t)
	before := s.Ok("events", "--json")
	var v petstest.SummaryJSON
	s.JSON(&v, append([]string{"import", "--capital", "100"}, s.SmallFiles()...)...)
	require.Equal(t, 7, v.Known)
	require.Zero(t, v.Events+v.Recorded+v.Duplicates+v.Trades)
	require.Equal(t, before, s.Ok("events", "--json"))
	s.Ok(append([]string{"import"}, s.SmallFiles()...)...)
	require.Equal(t, before, s.Ok("events", "--json"), "without --capital, too")

	again := s.File("again.csv", petstest.FillsHeader,
		"2026-03-03T10:00:00Z,alpha,m1,NO,buy,1,0.4,0,c1",
		"2026-03-03T10:00:00Z,alpha,m1,NO,buy,1,0.4,0,c1")
	s.JSON(&v, "import", again)
	require.Equal(t, []int{1, 1}, []int{v.Recorded, v.Duplicates})
	// "a first new row before the head is refused"
	old := s.File("old.csv", petstest.FillsHeader, "2026-02-01T10:00:00Z,alpha,m1,NO,buy,1,0.4,0,d1")
	s.Fails(1, []string{"old.csv:2", "lies before the portfolio's last record"}, "import", old)
}

// "known rows are skipped": the rest of a file that has grown is booked.
func TestImportOfAGrownFile(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	rows := []string{petstest.FillsHeader}
	for i := range 20 {
		rows = append(rows, fmt.Sprintf("2026-03-01T10:00:%02dZ,alpha,m%d,YES,buy,1,0.4,0,a%d", i, i%3, i))
	}
	file := s.File("f.csv", rows[:11]...)
	s.Ok("import", "--capital", "100", file)
	s.File("f.csv", rows...)
	var v petstest.SummaryJSON
	s.JSON(&v, "import", file)
	require.Equal(t, []int{10, 10, 10}, []int{v.Known, v.Recorded, v.Events})
	whole := petstest.New(t)
	whole.Ok("import", "--capital", "100", whole.File("f.csv", rows...))
	require.Equal(t, whole.History(), s.History())
}

// "an interrupted run goes on where it stopped": whether it was asked to stop or
// killed, the history is in the end the one of an import in one go.
func TestInterruptedImportGoesOn(t *testing.T) {
	t.Parallel()
	const n = 6_000
	whole := petstest.New(t)
	whole.Ok("import", "--capital", "1000", whole.ManyFills(n))
	want := whole.History()
	for _, signal := range []os.Signal{os.Interrupt, os.Kill} {
		s := petstest.New(t)
		file := s.ManyFills(n)
		run := s.Process("import", "--capital", "1000", file)
		var errs strings.Builder
		run.Stderr = &errs
		require.NoError(t, run.Start())
		require.Eventually(t, func() bool { return s.Run("state").Code == 0 }, 10*time.Second, time.Millisecond)
		require.NoError(t, run.Process.Signal(signal))
		err := run.Wait()
		stopped := len(s.Events())
		t.Logf("%v after %d of %d events: %v %s", signal, stopped, len(want), err, errs.String())
		if signal == os.Interrupt && stopped < len(want) {
			require.Equal(t, 1, run.ProcessState.ExitCode())
			require.Contains(t, errs.String(), "pets: interrupted")
		}
		require.Equal(t, want[:stopped], s.History(), "what is there is the beginning of the whole")
		s.Ok("verify")
		var v petstest.SummaryJSON
		r := s.Run("import", "--capital", "1000", file, "--json")
		require.Equal(t, 0, r.Code, r.Err)
		petstest.ReadJSON(t, r.Out, &v)
		require.Equal(t, n, v.Known+v.Recorded)
		require.Equal(t, want, s.History())
		require.Equal(t, whole.Ok("stats", "--json"), s.Ok("stats", "--json"))
		require.Equal(t, whole.Ok("state", "--json"), s.Ok("state", "--json"))
	}
}

// "registers and starts bots as they appear, each with --bot-capital (default:
// capital ÷ number of bots, floored to 6 decimals, the rest in treasury)"
func TestBotCapital(t *testing.T) {
	t.Parallel()
	rows := []string{petstest.FillsHeader}
	for _, bot := range []string{"a", "b", "c"} {
		rows = append(rows, "2026-03-01T10:00:00Z,"+bot+",m1,YES,buy,1,0.4,0,x")
	}
	for _, c := range []struct{ flag, bot, treasury string }{
		{"", "33.333333", "0.000001"},
		{"10", "10", "70"},
		{"0", "0", "100"},
		{"0.0000001", "0.0000001", "99.9999997"},
	} {
		s := petstest.New(t)
		args := []string{"import", "--capital", "100", s.File("f.csv", rows...)}
		if c.flag != "" {
			args = append(args, "--bot-capital", c.flag)
		}
		s.Ok(args...)
		var books struct {
			Accounts []struct{ Account, Balance string }
		}
		registered := s.Events("--type", "bot.registered")
		s.JSON(&books, "balances", "--at", strconv.Itoa(registered[2].Revision+2))
		balances := map[string]string{}
		for _, a := range books.Accounts {
			balances[a.Account] = a.Balance
		}
		petstest.Same(t, c.treasury, balances["hot:treasury"])
		for _, e := range s.Events("--type", "bot.capital_allocated") {
			petstest.Same(t, c.bot, e.Data.Amount)
		}
	}
	s := petstest.New(t)
	s.Fails(1, []string{"capital is more than the 100 USDC in hot:treasury"}, "import", "--capital", "100", "--bot-capital", "101", s.File("f.csv", rows...))
}

// "Several files are merged by time, stably (ties: order of files on the command
// line, then of rows)"
func TestFilesAreMergedByTime(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	one := s.File("one.csv", petstest.FillsHeader, "2026-03-01T10:00:00Z,a,m,YES,buy,1,0.4,0,1", "2026-03-01T12:00:00Z,a,m,YES,buy,1,0.4,0,2", "2026-03-01T12:00:00Z,a,m,YES,buy,1,0.4,0,3")
	two := s.File("two.csv", petstest.FillsHeader, "2026-03-01T11:00:00Z,b,m,YES,buy,1,0.4,0,4", "2026-03-01T12:00:00Z,b,m,YES,buy,1,0.4,0,5")
	order := func(s *petstest.Shell, files ...string) string {
		s.Ok(append([]string{"import", "--capital", "100"}, files...)...)
		var ids []string
		for _, e := range s.Events("--type", "fill") {
			ids = append(ids, e.Data.TradeID)
		}
		return strings.Join(ids, " ")
	}
	require.Equal(t, "1 4 2 3 5", order(s, one, two))
	require.Equal(t, "1 4 5 2 3", order(petstest.New(t), two, one))
	s.Fails(1, []string{"give every file once"}, "import", one, one)
}

// "Facts keep being recorded after a trip, flagged; a tripped breaker stays
// tripped", and only its bot's own word is missing: nothing trips twice.
func TestFactsAfterATrip(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	rows := []string{"time,bot,market,pnl,fee,trade_id"}
	for i := range 6 {
		rows = append(rows, fmt.Sprintf("2026-03-01T10:00:%02dZ,alpha,m,-1,0,t%d", i, i))
	}
	var v petstest.SummaryJSON
	s.JSON(&v, "import", "--capital", "1000", s.File("t.csv", rows...))
	require.Len(t, v.Trips, 1)
	require.Equal(t, "consecutive_losses alpha t.csv:4", v.Trips[0].Breaker+" "+v.Trips[0].Bot+" "+v.Trips[0].Source)
	flagged := 0
	for _, e := range s.Events("--type", "trade.closed") {
		if len(e.Data.Flags) > 0 {
			require.Equal(t, []string{"halted"}, e.Data.Flags)
			flagged++
		}
	}
	require.Equal(t, 3, flagged, "those after the third")
	var state petstest.StateJSON
	s.JSON(&state, "state")
	require.Equal(t, "stopped", state.Bots[0].Status)
	require.Equal(t, 6, state.Bots[0].ConsecutiveLosses)
	require.Equal(t, "tripped", state.Breakers[0].Status)
}

// "A row that others follow can no longer be booked": the run that sets it aside says so, and
// the run with the corrected row says that it stops there each time.
func TestARowThatOthersFollowIsNotBookedLater(t *testing.T) {
	s := petstest.New(t)
	row := func(quantity string) string {
		return s.File("f.csv", petstest.FillsHeader, "2026-03-01T10:00:00Z,a,m,YES,buy,1,0.4,0,1", "2026-03-01T11:00:00Z,a,m,YES,buy,"+quantity+",0.4,0,2", "2026-03-01T12:00:00Z,a,m,YES,buy,1,0.4,0,3")
	}
	args := []string{"import", "--capital", "100", "--skip-bad", filepath.Join(s.Dir, "bad.csv")}
	out := s.Ok(append(args, row("1O"))...)
	require.Contains(t, out, "what was set aside can no longer be booked here, also corrected, where later rows are booked")
	for range 2 {
		r := s.Run(append(args, row("10"))...)
		require.Equal(t, 1, r.Code)
		require.Contains(t, r.Err, "stopped after 1 of 3 rows; they stay booked, and the same command stops there again")
		require.NotContains(t, r.Err, "goes on from there")
	}
	s.Ok(append(args, "-p", "new", row("10"))...)
}
