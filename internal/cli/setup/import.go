package setup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/commands/client"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/eventstore/memory"
	"pets/internal/cli"
	"pets/internal/importer"
	"pets/internal/open"
	"pets/internal/tradefile"
	"pets/projections"
)

// importFlags are the flags of pets import.
type importFlags struct {
	capital, botCapital string
	bot                 string
	asTrades            bool
	skipBad             string
	round               bool
}

// importAnswer is the answer of `pets import --json`.
type importAnswer struct {
	importer.Summary
	BadRows         int            `json:"bad_rows"`
	Rounded         int            `json:"rounded,omitzero"` // numbers, with --round
	Files           []importedFile `json:"files"`
	Seconds         float64        `json:"seconds"`
	EventsPerSecond float64        `json:"events_per_second"`
}

// importedFile says in which format a file was read.
type importedFile struct {
	Path   string `json:"path"`
	Format string `json:"format"`
	Rows   int    `json:"rows"`
	Bad    int    `json:"bad"`
}

func (a *app) importCommand() *cobra.Command {
	f := importFlags{}
	c := &cobra.Command{
		Use: "import FILE…", Short: "Book trade files into a portfolio of their own", Args: someFile,
		Long: "Books CSV files (fills, settlements, closed trades, and the formats of docs/import.md),\n" +
			"gzipped or not, through the same commands a bot would use. Rows of several files are merged\n" +
			"by time. Running it again adds nothing; an interrupted run goes on where it stopped.",
		Example: "  pets import --capital 1000 fills.csv settlements.csv\n  pets import --portfolio wallet --capital 250 --bot me wallet.csv",
		RunE:    func(c *cobra.Command, args []string) error { return a.importFiles(c.Context(), f, args) },
	}
	c.Flags().StringVar(&f.capital, "capital", "", "deposit that opens a new portfolio")
	c.Flags().StringVar(&f.botCapital, "bot-capital", "", "capital of each new bot (default: capital ÷ number of bots)")
	c.Flags().StringVar(&f.bot, "bot", "", "bot that owns the rows of files that name none (default: wallet)")
	c.Flags().BoolVar(&f.asTrades, "as-trades", false, "book resolutions as closed trades at net_pnl_reported")
	c.Flags().StringVar(&f.skipBad, "skip-bad", "", "set rows that cannot be booked aside in this file and go on")
	c.Flags().BoolVar(&f.round, "round", false, "round numbers of more than 18 decimals, half to even, and count them")
	return c
}

func someFile(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return errors.New("name at least one file")
	}
	return nil
}

// importGC is the GC percentage during an import: how much garbage may gather, in percent of the live heap.
const importGC = 40

func (a *app) importFiles(ctx context.Context, f importFlags, paths []string) error {
	options, err := a.importOptions(f)
	if err != nil {
		return cli.Usage(err)
	}
	// Most of what an import allocates is kept until its end, so the default GC percentage of
	// 100 would double the memory of a long import.
	defer debug.SetGCPercent(debug.SetGCPercent(importGC))
	bar := a.Progress("reading", 0)
	plan, err := tradefile.Read(ctx, paths, tradefile.Options{Bot: f.bot, AsTrades: f.asTrades, KeepBad: f.skipBad != "", Round: f.round}, bar.To)
	bar.Finish()
	if err != nil {
		return err
	}
	t, err := a.Target()
	switch {
	case err != nil:
		return err
	case t.URL != "":
		if err := a.ActsOnServer(); err != nil {
			return err
		}
	case options.Capital == nil && !isDir(t.Dir): // checked before a folder is created
		return needsCapital(a.Config.Portfolio)
	}
	var aside *badRows
	if f.skipBad != "" {
		if aside, err = openBadRows(f.skipBad, plan.Bad); err != nil {
			return err
		}
		options.SetAside = aside.add
	}
	if plan.Len() == 0 { // checked before a folder is created
		return errors.Join(errAllAside(len(plan.Bad)), aside.close())
	}
	err = a.bookPlan(ctx, plan, options)
	return errors.Join(err, aside.close())
}

// bookPlan books through the server that is named or holds the folder. Without a server it opens
// the folder and writes itself.
func (a *app) bookPlan(ctx context.Context, plan *tradefile.Plan, o importer.Options) error {
	t, err := a.Target()
	if err == nil {
		err = a.Sure()
	}
	if err != nil {
		return err
	}
	if t.URL != "" {
		store, err := a.knownThere(ctx)
		if err != nil {
			return err
		}
		return a.bookThere(ctx, store, plan, o)
	}
	store, err := a.OpenWriter(open.Opening{Making: true})
	var locked *open.LockedError
	if errors.As(err, &locked) {
		if err := a.ThroughServer(t.Dir, locked); err != nil {
			return err
		}
		reader, err := a.OpenReader()
		if err != nil {
			return err
		}
		return errors.Join(a.bookThere(ctx, reader, plan, o), reader.Close())
	}
	if err != nil {
		return err
	}
	a.Acting(a.Unheld(t.Dir), true)
	watch, err := a.WatchFor(ctx, store.Store, false)
	if err != nil {
		return errors.Join(err, store.Close())
	}
	options := commands.Options{Checkpoints: watch.Checkpoints()}
	past := a.UseHistory(ctx, store, &options)
	writer := commands.NewWriter(store, a.Config.Portfolio, options)
	err = a.importPlan(ctx, store.Store, writer, plan, o)
	writer.Close()
	a.EndHistory(past)
	if err == nil {
		a.checkpoint(ctx, store.Store, watch)
	}
	watch.Close()
	return errors.Join(err, store.Close())
}

// checkpoint keeps the state that an import has left, so that the next command does not fold
// the whole history. It is only a copy, so the import has succeeded without it, too.
func (a *app) checkpoint(ctx context.Context, store open.Store, watch *open.Watch) {
	failed := func(err error) {
		if err != nil {
			a.Caution("no checkpoint was made, so the next command folds the whole history: " + err.Error())
		}
	}
	size, _ := watch.Newest(a.Stream())
	r := projections.NewRunner(store, a.Stream())
	r.UseCheckpoint(watch.Checkpoints(), projections.Point{})
	err := r.CatchUp(ctx, projections.Point{})
	r.Read(func(s *portfolio.State) {
		if err == nil && s.IsOpen() && s.Next > size {
			parts := func() (map[string][]byte, error) {
				state, err := s.Snapshot()
				return map[string][]byte{commands.CheckpointState: state}, err
			}
			_, err = watch.Keep(ctx, a.Stream(), eventstore.TreeHead{Size: s.Next}, s.Time, parts, failed)
		}
	})
	failed(err)
}

// bookThere books through a server; store holds the portfolio's history so far.
func (a *app) bookThere(ctx context.Context, store eventstore.Store, plan *tradefile.Plan, o importer.Options) error {
	booker, done, err := a.serverBooker()
	if err != nil {
		return err
	}
	o.Chunk = serverChunk
	return errors.Join(a.importPlan(ctx, store, booker, plan, o), done())
}

// knownThere returns the history that a server has of the portfolio; a new one has none.
func (a *app) knownThere(ctx context.Context) (eventstore.Store, error) {
	store, err := a.History(ctx)
	if client.CodeOf(err) == domain.CodeNotFound {
		return memory.New(), nil
	}
	return store, err
}

// serverChunk is the most rows in one request to a server.
const serverChunk = 1_000

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func needsCapital(portfolioID string) error {
	return cli.Usage(domain.Invalid("--capital", "is needed to open portfolio %s", portfolioID))
}

func (a *app) importOptions(f importFlags) (importer.Options, error) {
	policy, err := a.Config.Policy(domain.ModePaper, domain.ClockImported, importer.BaseAsset)
	if err != nil {
		return importer.Options{}, err
	}
	// What is off in an import by default is on only where the environment says so.
	if a.Config.PositionDustUSD == nil {
		policy.PositionDustUSD = domain.Zero
	}
	if a.Config.MarkCollar == nil {
		policy.MarkCollar = domain.Zero
	}
	o := importer.Options{Portfolio: a.Config.Portfolio, Policy: policy, User: cli.OSUser()}
	if o.Capital, err = amount("--capital", f.capital); err != nil {
		return o, err
	}
	o.BotCapital, err = amount("--bot-capital", f.botCapital)
	return o, err
}

func amount(flag, text string) (*domain.Decimal, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // an absent flag is no amount
	}
	d, err := domain.ParseDecimal(text)
	if err != nil {
		return nil, domain.Invalid(flag, "%v", err)
	}
	if d.Sign() < 0 {
		return nil, domain.Invalid(flag, "must not be negative")
	}
	return &d, nil
}

func (a *app) importPlan(ctx context.Context, store eventstore.Store, booker importer.Booker, plan *tradefile.Plan, o importer.Options) error {
	existing, err := a.existing(ctx, store)
	if err != nil {
		return err
	}
	if existing == nil && o.Capital == nil {
		return needsCapital(a.Config.Portfolio)
	}
	o.Existing = existing
	bar := a.Progress("booking", int64(plan.Len()))
	o.Progress = func(rows int) { bar.To(int64(rows), int64(plan.Len())) }
	start := time.Now()
	summary, err := importer.Run(ctx, booker, plan, o)
	seconds := time.Since(start).Seconds()
	bar.Finish()
	answer := importAnswer{Summary: summary, BadRows: len(plan.Bad), Rounded: plan.Rounded, Seconds: seconds}
	for _, f := range plan.Files {
		answer.Files = append(answer.Files, importedFile(f))
	}
	if seconds > 0 {
		answer.EventsPerSecond = float64(summary.Events) / seconds
	}
	if err != nil {
		a.sayHowFar(summary, err)
		return err
	}
	if err := a.printImport(answer); err != nil {
		return err
	}
	if aside := summary.SetAside + len(plan.Bad); aside > 0 && aside == summary.Rows+len(plan.Bad) {
		return errAllAside(aside)
	}
	return nil
}

// errAllAside returns an error for a run that booked nothing.
func errAllAside(rows int) error {
	return domain.Errorf(domain.CodeInvalid, "nothing was booked: %s set aside; the file of --skip-bad says why", were(rows))
}

func were(rows int) string {
	if rows == 1 {
		return "the only row was"
	}
	return fmt.Sprintf("all %d rows were", rows)
}

// sayHowFar reports what stays booked after an error, and whether the same command goes on: a
// row that is refused is refused again.
func (a *app) sayHowFar(s importer.Summary, err error) {
	done := s.Recorded + s.Known + s.Duplicates + s.Ignored + s.SetAside
	if done == 0 {
		return
	}
	next := "the same command goes on from there"
	switch code := domain.CodeOf(err); {
	case code == domain.CodeClock:
		next = "the same command stops there again, as later rows are booked. To have the row in its place, import all files into a new portfolio (-p NEW --capital N); to go on without it, take it out of the file"
	case errors.As(err, new(*importer.RowError)) && code != domain.CodeUnavailable && code != domain.CodeRateLimited && code != domain.CodeInternal && code != "":
		next = "the same command goes on from there once the row is corrected or taken out, and stops there again until then"
	}
	a.Tell("stopped after %d of %s; they stay booked, and %s", done, counted(s.Rows, "row"), next)
}

// existing folds the portfolio as it is now; nil if there is none.
func (a *app) existing(ctx context.Context, store eventstore.Store) (*portfolio.State, error) {
	r := projections.NewRunner(store, a.Stream())
	if onDisk, ok := store.(open.Store); ok {
		r.UseCheckpoint(a.Checkpoints(onDisk), projections.Point{})
	}
	if err := r.CatchUp(ctx, projections.Point{}); err != nil {
		return nil, err
	}
	var s *portfolio.State
	r.Read(func(now *portfolio.State) {
		if now.IsOpen() {
			s = now
		}
	})
	return s, nil
}

func (a *app) printImport(v importAnswer) error {
	if a.JSON {
		return a.PrintJSON(v)
	}
	p := a.Messages()
	for _, f := range v.Files {
		only := ""
		if f.Rows+f.Bad == 0 {
			only = " (only a header)"
		}
		p.Line("%s: %s, %s%s", f.Path, f.Format, counted(f.Rows, "row"), only)
	}
	p.Line("%s: %d booked, %d known from before, %s, %d ignored, %d set aside", counted(v.Rows+v.BadRows, "row"),
		v.Recorded, v.Known, counted(v.Duplicates, "duplicate"), v.Ignored, v.SetAside+v.BadRows)
	if v.SetAside+v.BadRows > 0 && v.Recorded+v.Known > 0 {
		p.Line("what was set aside can no longer be booked here, also corrected, where later rows are booked: import all files into a new portfolio then (-p NEW --capital N)")
	}
	p.Line("%s in %.2f s (%.0f events/s), %s closed", counted(v.Events, "event"), v.Seconds, v.EventsPerSecond, counted(v.Trades, "trade"))
	if v.Rounded > 0 {
		p.Line("%s of more than 18 decimals rounded, half to even", counted(v.Rounded, "number"))
	}
	if v.Findings > 0 {
		p.Line("%s of something that was not held, or of a different quantity (reconciliation findings)", counted(v.Findings, "settlement"))
	}
	if v.Oversold > 0 {
		p.Line("%s sold more than was held (oversold)", counted(v.Oversold, "fill"))
	}
	const most = 10
	for i, t := range v.Trips {
		if i == most {
			p.Line("… and %s", counted(len(v.Trips)-most, "more trip"))
			break
		}
		p.Line("TRIPPED %s at %s", strings.TrimSpace(t.Breaker+" "+t.Bot), t.Source)
	}
	return p.Err
}

// counted returns a number with its noun: "1 row", "2 rows".
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
