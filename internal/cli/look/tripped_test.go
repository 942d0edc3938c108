package look_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/internal/cli/chart"
	"pets/internal/pets/petstest"
	"pets/projections"
	"pets/replay/scenario"
)

const (
	trippedDay     = "../../../replay/testdata/tripped_day.txt"
	trippedPage    = "../../../docs/why-did-it-trip.md"
	trippedPicture = "../../../docs/img/tripped-day.svg"
)

// fold runs a scenario and shows every record of it to the readers.
func fold(t *testing.T, text string, readers ...projections.Projection) *portfolio.State {
	t.Helper()
	store, err := scenario.Store(t.Context(), scenario.Options{Name: "tripped"}, strings.NewReader(text))
	require.NoError(t, err)
	s := portfolio.New()
	require.NoError(t, eventstore.Walk(t.Context(), store, commands.Stream(scenario.Portfolio), 0, func(rec eventstore.Record) error {
		e, err := domain.Decode(rec.Type, rec.Data)
		if err != nil {
			return err
		}
		s.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
		for _, r := range readers {
			r.Apply(rec, e, s)
		}
		return nil
	}))
	return s
}

// The picture of the page is the one that `pets equity --svg --why` draws of the worked day.
func TestThePictureOfTheTrippedDay(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(trippedDay)
	require.NoError(t, err)
	series, marks, why := projections.NewEquity(nil), &chart.Marks{}, &chart.Why{}
	fold(t, string(text), series, marks, why)
	points, err := series.Points(time.Time{}, time.Time{}, 0)
	require.NoError(t, err)
	picture, err := chart.NewWhySVG("A day on which daily_loss trips", points, marks.All, why)
	require.NoError(t, err)
	var got bytes.Buffer
	require.NoError(t, picture.Write(&got))
	if *petstest.Rewrite {
		require.NoError(t, os.WriteFile(filepath.FromSlash(trippedPicture), got.Bytes(), 0o600))
	}
	want, err := os.ReadFile(trippedPicture)
	require.NoError(t, err)
	require.Equal(t, string(want), got.String(), "go test ./internal/cli/look -run Tripped -rewrite draws it again")
}

// haltRow is one row of the table of halts: what has to happen for it.
type haltRow struct{ what, limits, then string }

var haltRows = []haltRow{
	{"a breaker tripped", "", "trade alpha x -600"},
	{"… with `while_tripped: nothing`", "while_tripped=nothing", "trade alpha x -600"},
	{"… with `close_positions_on_trip`", "close_positions_on_trip=true", "trade alpha x -600"},
	{"bot never started", "", "bot gamma start=no"},
	{"bot stopped by a person", "", "stop alpha"},
	{"… with `stop {full: true}`", "", "stop alpha full=yes"},
	{"emergency stop `manual`", "", `stop-emergency manual reason="drill"`},
	{"… with `close_positions_on_trip`", "close_positions_on_trip=true", `stop-emergency manual reason="drill"`},
	{"emergency stop `portfolio_drawdown`", "max_daily_loss_pct=0.9 max_bot_drawdown_pct=0.9 max_portfolio_drawdown_pct=0.5", "trade alpha x -5000"},
	{"… with `close_positions_on_trip`", "close_positions_on_trip=true max_daily_loss_pct=0.9 max_bot_drawdown_pct=0.9 max_portfolio_drawdown_pct=0.5", "trade alpha x -5000"},
	{"emergency stop `system_error`", "close_positions_on_trip=true", `stop-emergency system_error reason="drill"`},
	{"emergency stop `security_breach`", "close_positions_on_trip=true", `stop-emergency security_breach reason="drill"`},
	{"a breaker tripped, `rules` 1", "rules=1 while_tripped=", "trade alpha x -600"},
	{"… with `close_positions_on_trip`", "rules=1 while_tripped= close_positions_on_trip=true", "trade alpha x -600"},
	{"any other halt, `rules` 1", "rules=1 while_tripped= close_positions_on_trip=true", `stop-emergency manual reason="drill"`},
}

// "Of several rows the strictest holds": what is left in each halt, as the state answers it.
func haltsTable(t *testing.T) []string {
	t.Helper()
	out := []string{"| halt | a bot may | an operator may | bots are told to close |", "|---|---|---|---|"}
	for _, row := range haltRows {
		limits := "rules=2 while_tripped=reduce"
		if strings.Contains(row.limits, "while_tripped=") {
			limits = "rules=2"
		}
		if strings.Contains(row.limits, "rules=") {
			limits = ""
		}
		text := "open capital=10000 " + limits + " " + strings.Replace(row.limits, "while_tripped= ", "", 1) + "\n" +
			"bot alpha capital=9000\nbuy alpha m/YES 10 @ 0.5\n" + row.then + "\n"
		s := fold(t, strings.Replace(text, " while_tripped=\n", "\n", 1))
		bot := "alpha"
		if strings.Contains(row.then, "gamma") {
			bot = "gamma"
		}
		told := map[bool]string{true: "yes", false: "no"}[s.ToldToClose(bot)]
		out = append(out, "| "+row.what+" | "+string(s.Leaves(bot, false))+" | "+string(s.Leaves(bot, true))+" | "+told+" |")
	}
	return out
}

// markRow is one row of the table of what a fill does to marks.
type markRow struct{ says, market, open, then string }

const (
	heldBefore = "market m kind=outcome outcomes=YES,NO\nbot alpha capital=5000\nbot beta capital=1000\n" +
		"permit alpha buy m/YES 1000 @ 0.4\nbuy alpha m/YES 1000 @ 0.4 permit=last\npermit beta buy m/YES 10 @ 0.4\nbuy beta m/YES 10 @ 0.4 permit=last\n"
	askFirst  = "permit alpha buy m/YES 1000 @ 0.55\nplace last\n"
	feedFirst = "as feed f\nmark m/YES 0.5 m/NO 0.5\nas operator olga\n"
	fillAfter = "buy alpha m/YES 1000 @ 0.55 permit=last\n"
	byItself  = "buy alpha m/YES 1000 @ 0.55\n"
	botMark   = "as bot alpha\nmark m/YES 0.55\n"
	openLive  = "open mode=live gate=paper capital=9000 rules=2 while_tripped=reduce mark_max_age=15m\n"
	openPaper = "open capital=9000 rules=2 while_tripped=reduce\n"
)

var markRows = []markRow{
	{"a fill within its permit, live", "none", openLive, askFirst + fillAfter},
	{"a fill without a permit, live", "none", openLive, byItself},
	{"its mark, live", "none", openLive, botMark},
	{"a fill within its permit, paper", "none", openPaper, askFirst + fillAfter},
	{"a fill without a permit, paper", "none", openPaper, byItself},
	{"its mark, paper", "none", openPaper, botMark},
	{"a fill within its permit, live", "0.50, 14 min ago", openLive, feedFirst + askFirst + "wait 14m\n" + fillAfter},
	{"a fill within its permit, live", "0.50, 15 min ago", openLive, feedFirst + askFirst + "wait 15m\n" + fillAfter},
	{"a fill within its permit, paper", "0.50, a day ago", openPaper, feedFirst + askFirst + "wait 24h\n" + fillAfter},
	{"a feed says 0.55", "0.50", openPaper, feedFirst + "as feed f\nmark m/YES 0.55 m/NO 0.45\n"},
}

// "A bot's word, fill or mark, prices only its own holding, and only when that outcome has no
// market mark younger than mark_max_age": each case, as the state answers it.
func marksTable(t *testing.T) []string {
	t.Helper()
	out := []string{"| what is said | the market's mark | prices the bot's holding at | the other bot's at |", "|---|---|---|---|"}
	for _, row := range markRows {
		var answers bytes.Buffer
		require.NoError(t, scenario.Run(t.Context(), scenario.Options{Name: row.says}, strings.NewReader(row.open+heldBefore+row.then), &answers))
		s := fold(t, row.open+heldBefore+row.then)
		i := domain.Instrument{Market: "m", Outcome: "YES"}
		mine, _ := s.PriceOf(i, "alpha")
		other, _ := s.PriceOf(i, "beta")
		priced := mine.String()
		if strings.Contains(answers.String(), "\n! ") {
			priced = "refused"
		}
		out = append(out, "| "+row.says+" | "+row.market+" | "+priced+" | "+other.String()+" |")
	}
	return out
}

// generated replaces what stands between the two comments of a block.
func generated(t *testing.T, page, name string, lines []string) string {
	t.Helper()
	before, rest, found := strings.Cut(page, "<!-- generated: "+name+" -->\n")
	require.True(t, found, name)
	_, after, found := strings.Cut(rest, "<!-- end -->")
	require.True(t, found, name)
	return before + "<!-- generated: " + name + " -->\n" + strings.Join(lines, "\n") + "\n<!-- end -->" + after
}

// The page says what the program does: its tables are generated, what it quotes stands in the
// scenario, and so does each number of the text, or it follows from those by the sums below.
func TestThePageOfTheTrippedDay(t *testing.T) {
	t.Parallel()
	bytes, err := os.ReadFile(trippedPage)
	require.NoError(t, err)
	page := string(bytes)
	day, err := os.ReadFile(trippedDay)
	require.NoError(t, err)
	got := generated(t, generated(t, page, "halts", haltsTable(t)), "marks", marksTable(t))
	if *petstest.Rewrite {
		got = quotedAnew(got, string(day))
		require.NoError(t, os.WriteFile(filepath.FromSlash(trippedPage), []byte(got), 0o600))
		page = got
	}
	require.Equal(t, page, got, "go test ./internal/cli/look -run Tripped -rewrite writes what is now")

	_, story, found := strings.Cut(page, "## Hour by hour\n")
	require.True(t, found)
	story, _, found = strings.Cut(story, "\n## What each halt leaves")
	require.True(t, found)
	told := storyNumbers(t, string(day))
	for n, part := range strings.Split(story, "```") {
		if n%2 == 1 {
			require.True(t, strings.Contains(string(day), strings.TrimPrefix(part, "text")), "the scenario does not say: %s", part)
			continue
		}
		for _, number := range regexp.MustCompile(`\d[\d,.:]*`).FindAllString(part, -1) {
			number = strings.TrimRight(strings.ReplaceAll(number, ",", ""), ".:")
			require.True(t, told[plainNumber(number)], "%q is neither in the scenario nor one of the sums", number)
		}
	}
}

// quotedAnew replaces each quoted line by the line of the scenario that begins most like it.
func quotedAnew(page, day string) string {
	lines, quoted := strings.Split(page, "\n"), false
	for n, line := range lines {
		switch {
		case line == "```text":
			quoted = true
		case line == "```":
			quoted = false
		case quoted:
			best := 0
			for from := range strings.SplitSeq(day, "\n") {
				if same := common(line, from); same > best {
					best, lines[n] = same, from
				}
			}
		}
	}
	return strings.Join(lines, "\n")
}

// common counts the bytes with which both texts begin.
func common(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// plainNumber writes 0.40 as 0.4, and leaves a time as it is.
func plainNumber(text string) string {
	d, err := domain.ParseDecimal(text)
	if err != nil {
		return text
	}
	return d.String()
}

// storyNumbers are the numbers of the scenario, and those that follow from them.
func storyNumbers(t *testing.T, day string) map[string]bool {
	t.Helper()
	told := map[string]bool{}
	for _, number := range regexp.MustCompile(`\d+(\.\d+)?`).FindAllString(day, -1) {
		told[plainNumber(number)] = true
	}
	for _, at := range regexp.MustCompile(`T(\d\d:\d\d):`).FindAllStringSubmatch(day, -1) {
		told[at[1]] = true
	}
	d, sums := domain.MustDecimal, map[string]domain.Decimal{}
	policy := domain.DefaultPolicy(domain.ModeLive)
	hundred := d("100")
	for _, number := range []string{"10270", "9470", "10000", "980", "0.053", "0.043", "9420"} {
		require.True(t, told[number], number)
	}
	sums["the daily loss that trips"] = policy.MaxDailyLossPct
	sums["the equity at which it trips"] = d("10000").Sub(d("10000").Mul(policy.MaxDailyLossPct))
	sums["a share that wins pays"] = domain.One
	sums["what alpha paid"] = d("5000").Mul(d("0.41"))
	sums["of equity at once"] = d("5000").Mul(d("0.41").Sub(d("0.40")))
	sums["the result of election"] = d("510").Sub(d("490"))
	sums["warned, in per cent"] = d("0.043").Mul(hundred)
	sums["the warning level"] = policy.BreakerWarnAt.Mul(hundred)
	sums["tripped, in per cent"] = d("0.053").Mul(hundred)
	sums["Z4"] = domain.FromInt(int64(policy.Zone(d("0.70"))))
	sums["what is at risk in a pair"] = domain.Zero
	sums["wind is worth"] = d("2000").Mul(d("0.45"))
	sums["the result of rain"] = d("1150").Sub(d("600"))
	sums["the loss after the rebase, in per cent"] = d("0.53")
	sums["the drawdown, in per cent"] = d("8.28")
	for _, sum := range sums {
		told[sum.String()] = true
	}
	require.Equal(t, "0.53", percent(d("9470"), d("9420")))
	require.Equal(t, "8.28", percent(d("10270"), d("9420")))
	return told
}

// percent is how far an amount is below another, with two decimals.
func percent(from, to domain.Decimal) string {
	return fmt.Sprintf("%.2f", from.Sub(to).Div(from).Float()*100)
}
