package bench

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/internal/bench"
	"pets/internal/cli"
	"pets/internal/open"
)

// go test ./internal/cli/bench -run Scale -rewrite writes the tables of docs/scale.md anew, and
// draws its picture. Read the difference before you keep it.
var rewrite = flag.Bool("rewrite", false, "write the tables and the picture of docs/scale.md anew")

const (
	scalePage    = "../../../docs/scale.md"
	scalePicture = "../../../docs/img/scale.svg"
)

// scaledOut runs pets bench scale.
func scaledOut(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	a := &app{App: &cli.App{Place: open.Place{Err: &errs}, Out: &out, Dir: t.TempDir()}}
	require.Zero(t, a.RunCommands(t.Context(), append([]string{"bench", "scale"}, args...), Commands(a.App, bench.Rivals{})...), "%s", &errs)
	return out.String()
}

// The page has the tables and the picture that the command makes of its defaults.
func TestScalePage(t *testing.T) {
	t.Parallel()
	picture := filepath.Join(t.TempDir(), "scale.svg")
	var s scaled
	require.NoError(t, json.Unmarshal([]byte(scaledOut(t, "--json", "--svg", picture)), &s))
	drawn, err := os.ReadFile(picture)
	require.NoError(t, err)
	requireXML(t, string(drawn), "above the mean", "Worst catch-up time", "checkpoints", "first records")
	text, err := os.ReadFile(scalePage)
	require.NoError(t, err)
	page := string(text)
	for _, table := range s.tables() {
		begin, end := "<!-- generated: "+table.name+" -->\n", "<!-- end -->"
		before, rest, found := strings.Cut(page, begin)
		require.True(t, found, table.name)
		_, after, found := strings.Cut(rest, end)
		require.True(t, found, table.name)
		page = before + begin + strings.Join(table.markdown(), "\n") + "\n" + end + after
	}
	if *rewrite {
		require.NoError(t, os.WriteFile(filepath.FromSlash(scalePage), []byte(page), 0o600))
		require.NoError(t, os.WriteFile(filepath.FromSlash(scalePicture), drawn, 0o600))
		text = []byte(page)
	}
	require.Equal(t, string(text), page, "go test ./internal/cli/bench -run Scale -rewrite writes what is now")
	want, err := os.ReadFile(scalePicture)
	require.NoError(t, err)
	require.Equal(t, string(want), string(drawn), "go test ./internal/cli/bench -run Scale -rewrite draws it again")
}

// "The same seed gives the same bytes", in every form, and another seed others.
func TestBenchScaleIsTheSameEachTime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	small := []string{"--portfolios", "500", "--nodes", "2,3", "--days", "3"}
	run := func(seed, picture string, more ...string) (out, drawn string) {
		picture = filepath.Join(dir, picture)
		out = scaledOut(t, slices.Concat(small, []string{"--seed", seed, "--svg", picture}, more)...)
		b, err := os.ReadFile(picture)
		require.NoError(t, err)
		return out, string(b)
	}
	first, firstDrawn := run("5", "a.svg")
	again, againDrawn := run("5", "b.svg")
	other, otherDrawn := run("6", "c.svg")
	require.Equal(t, first, again)
	require.Equal(t, firstDrawn, againDrawn)
	require.NotEqual(t, first, other)
	require.NotEqual(t, firstDrawn, otherDrawn)
	for _, words := range []string{"500 portfolios", "seed 5, 3 days old", domain.PriceMarkedType, domain.FillRecordedType} {
		require.Contains(t, first, words)
	}
	once, _ := run("5", "d.svg", "--json")
	twice, _ := run("5", "e.svg", "--json")
	require.Equal(t, once, twice)
}

func TestBenchScaleMistakes(t *testing.T) {
	t.Parallel()
	mistaken(t, []string{"portfolios, not 0"}, "bench", "scale", "--portfolios", "0")
	mistaken(t, []string{"2 to 256 nodes, not 1", "one is lost"}, "bench", "scale", "--nodes", "1")
	mistaken(t, []string{"3650 days"}, "bench", "scale", "--days", "0")
	mistaken(t, []string{"cores, not -1"}, "bench", "scale", "--cores", "-1")
	mistaken(t, []string{"fold more than 0 events"}, "bench", "scale", "--fold", "0")
}

// The day is what docs/scale.md says that it is: its orders end as described, and its sums are those of its rows.
func TestTheDayOfABot(t *testing.T) {
	t.Parallel()
	m, err := measureDay(t.Context())
	require.NoError(t, err)
	events := map[string]int{}
	var total struct{ events, bytes float64 }
	for _, r := range m.Rows {
		require.Positive(t, r.Bytes)
		events[r.Type] += r.Events
		total.events, total.bytes = total.events+float64(r.Events), total.bytes+float64(r.Bytes)
	}
	require.Equal(t, map[string]int{
		domain.DayOpenedType: 1, domain.PriceMarkedType: dayMarks, domain.MarketRegisteredType: dayEnds, domain.MarketPaidOutType: dayEnds,
		domain.PermitGrantedType: dayOrders, domain.PermitReleasedType: dayOrders / 10, domain.FillRecordedType: dayOrders * 9 / 10, domain.FillConfirmedType: dayOrders / 10,
		domain.TradeClosedType: events[domain.TradeClosedType],
	}, events)
	require.Greater(t, events[domain.TradeClosedType], dayOrders/3)
	require.InDelta(t, total.events, m.Total.Portfolio.Events+m.Total.Bot.Events, 0)
	require.InDelta(t, total.bytes, m.Total.Portfolio.Bytes+m.Total.Bot.Bytes, 0)
	require.Positive(t, m.State)
}

// Bytes are counted as the engine lays them out: the next frame begins where one ends.
func TestFrameBytesAreThoseOfTheLog(t *testing.T) {
	t.Parallel()
	d, err := playDay(t.Context())
	require.NoError(t, err)
	store, err := embedded.Open(t.TempDir(), embedded.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	stream, expected := commands.Stream(dayID), eventstore.Expected(-1)
	var began uint64
	var before []eventstore.Record
	var some []eventstore.Record
	for r, err := range d.store.ReadStream(t.Context(), stream, 0) {
		require.NoError(t, err)
		if some = append(some, r); len(some) < 1+int(r.Revision%3) {
			continue
		}
		proposed := make([]eventstore.Proposed, len(some))
		for i := range some {
			proposed[i] = eventstore.Proposed{ID: uuid.New(), Type: some[i].Type, Time: some[i].Time, Metadata: some[i].Metadata, Data: some[i].Data}
		}
		appended, err := store.Append(t.Context(), stream, expected, proposed)
		require.NoError(t, err)
		if before != nil {
			require.Equal(t, frameBytes(before), int(appended.Position.Commit-began))
		}
		before, began, expected, some = some, appended.Position.Commit, eventstore.At(appended.Last), nil
		if appended.Last > 200 {
			return
		}
	}
	t.Fatal("the day is too short")
}

func TestFiguresOfScale(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"0", "999", "1,000", "146,000,000"}, []string{grouped(0), grouped(999.4), grouped(1000), grouped(146e6)})
	require.Equal(t, []string{"0.26", "26"}, []string{few(0.264), few(26.4)})
	require.Equal(t, []string{"999 B", "1 kB", "12.3 MB", "4.56 TB", "7.8 PB"}, []string{size(999), size(1000), size(12.3e6), size(4.56e12), size(7.8e15)})
	require.Equal(t, []string{"never", "5 ms", "1.5 s", "2 min", "2.0 h", "2.0 days"}, []string{lasting(-1), lasting(0.005), lasting(1.5), lasting(120), lasting(7200), lasting(172_800)})
}

// BenchmarkFoldOfADay measures what docs/scale.md calls the rate of a fold, by processor time, so that other work on the
// machine counts less: of whole days, and of those events of them that are no marks.
func BenchmarkFoldOfADay(b *testing.B) {
	all := dayRecords(b)
	rest := slices.DeleteFunc(slices.Clone(all), func(r eventstore.Record) bool { return r.Type == domain.PriceMarkedType })
	for _, run := range []struct {
		name    string
		records []eventstore.Record
	}{{"day", all}, {"without_marks", rest}} {
		b.Run(run.name, func(b *testing.B) {
			began := bench.Worked()
			for b.Loop() {
				_, err := refold(run.records, &domain.Decoder{})
				require.NoError(b, err)
			}
			b.ReportMetric(float64(len(run.records)*b.N)/(bench.Worked()-began).Seconds(), "events/cpu-s")
		})
	}
}

func dayRecords(tb testing.TB) (all []eventstore.Record) {
	tb.Helper()
	d, err := playDay(tb.Context())
	require.NoError(tb, err)
	for r, err := range d.store.ReadStream(tb.Context(), commands.Stream(dayID), 0) {
		require.NoError(tb, err)
		all = append(all, r)
	}
	return all
}

// BenchmarkStartOfDays measures a start from first records: many streams with a day each are read from a folder,
// checked and folded. That is what a server does that takes portfolios over without checkpoints.
func BenchmarkStartOfDays(b *testing.B) {
	const portfolios = 50
	all, folder := dayRecords(b), b.TempDir()
	store, err := embedded.Open(folder, embedded.Options{})
	require.NoError(b, err)
	for n := range portfolios {
		for from := 0; from < len(all); from += 100 {
			some := all[from:min(len(all), from+100)]
			proposed := make([]eventstore.Proposed, len(some))
			for i, r := range some {
				proposed[i] = eventstore.Proposed{ID: uuid.New(), Type: r.Type, Time: r.Time, Metadata: r.Metadata, Data: r.Data}
			}
			_, err := store.Append(b.Context(), commands.Stream(fmt.Sprintf("portfolio-%06d", n)), eventstore.Expected(from-1), proposed)
			require.NoError(b, err)
		}
	}
	require.NoError(b, store.Close())
	began := bench.Worked()
	for b.Loop() {
		store, engine, err := open.FreshEngine(folder)
		require.NoError(b, err)
		require.NoError(b, engine.Load(b.Context(), nil))
		engine.Close()
		require.NoError(b, store.Close())
	}
	b.ReportMetric(float64(portfolios*len(all)*b.N)/(bench.Worked()-began).Seconds(), "events/cpu-s")
	b.ReportMetric(float64(portfolios*len(all)*b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkStopEverything measures one stop for all portfolios in the engine alone, without the server and what follows
// its streams: go test ./internal/cli/bench -run '^$' -bench StopEverything -benchtime 1x.
func BenchmarkStopEverything(b *testing.B) {
	for _, n := range []int{1000, 10_000, 100_000} {
		if testing.Short() && n > 1000 {
			continue
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var worked, took time.Duration
			for b.Loop() {
				require.NoError(b, seed(b.Context(), b.TempDir(), func(s *seeder) error {
					if err := each(b.Context(), n, 64, func(i int) error { return s.open(b.Context(), fmt.Sprintf("p-%05d", i), "bot") }); err != nil {
						return err
					}
					processor, began := bench.Worked(), time.Now()
					stopped, err := s.engine.StopAll(b.Context(), s.request(commands.EngageStop{Kind: domain.StopManual, Reason: "measured"}))
					worked, took = worked+bench.Worked()-processor, took+time.Since(began)
					require.Len(b, stopped, n)
					require.False(b, slices.ContainsFunc(stopped, func(p commands.Stopped) bool { return !p.Recorded }))
					return err
				}))
			}
			b.ReportMetric(worked.Seconds()/float64(b.N), "cpu-s/stop")
			b.ReportMetric(took.Seconds()/float64(b.N), "s/stop")
		})
	}
}
