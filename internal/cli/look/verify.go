package look

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/domain"
	"pets/internal/cli"
	"pets/internal/open"
	"pets/internal/witness"
	"pets/replay"
)

// verifyAnswer is the answer of `pets verify --json`.
type verifyAnswer struct {
	Store      verifiedLog           `json:"store"`
	Portfolios []replay.Verified     `json:"portfolios"`
	System     replay.VerifiedSystem `json:"system"`
	Witness    *verifiedWitness      `json:"witness,omitempty"`
	Index      *verifiedIndex        `json:"index,omitempty"`
	Views      *verifiedViews        `json:"views,omitempty"`
	OK         bool                  `json:"ok"`
}

// verifiedWitness is the result of comparing the store with its witness.
type verifiedWitness struct {
	Dir     string     `json:"dir"`
	Written *time.Time `json:"written,omitempty"` // nil if there is no witness
	Streams int        `json:"streams"`
	// Problems lists the differences; if there are any, the history was changed.
	Problems []string `json:"problems"`
	// refused is why pets serve would not start with this store and witness; nil if it would.
	refused error
}

// verifiedLog counts what was checked in the log.
type verifiedLog struct {
	Segments  uint64 `json:"segments"`
	Frames    uint64 `json:"frames"`
	Records   uint64 `json:"records"`
	Streams   uint64 `json:"streams"`
	Bytes     uint64 `json:"bytes"`
	TornBytes uint64 `json:"torn_bytes"`
}

func (a *app) verifyCommand() *cobra.Command {
	salvage := ""
	c := &cobra.Command{
		Use: "verify", Short: "Check every byte of the log and fold every portfolio from its beginning", Args: cobra.NoArgs,
		Long: "Checks every frame of the log (checksums, revisions, chain of segments), then folds every\n" +
			"portfolio from its beginning without snapshots: every event decodes, time does not go back,\n" +
			"all postings sum to zero, and books, trades and positions agree. Then it compares every stream with\n" +
			"the witness, and the index of the history with the log, unless --store names the folder, which may\n" +
			"be a copy. Works beside a running writer.\n" +
			"With --salvage DIR it copies all that is sound of a damaged store into a new one in DIR, lists\n" +
			"the rest, and leaves the damaged store as it is; it fails if there is anything to list.",
		RunE: func(c *cobra.Command, _ []string) error {
			if c.Flags().Changed("salvage") {
				return a.salvage(c.Context(), salvage)
			}
			store, err := a.OpenReader()
			if err != nil {
				return err
			}
			return errors.Join(a.verify(c.Context(), store), store.Close())
		},
	}
	c.Flags().StringVar(&salvage, "salvage", "", "copy all that is sound into a new store in this `folder`, which must be empty or missing")
	return c
}

// salvage copies what is sound and reports the rest. It prints the report on standard output even
// if it then fails.
func (a *app) salvage(ctx context.Context, target string) error {
	if target == "" {
		return cli.Usage(errors.New("--salvage needs the folder of the new store"))
	}
	if a.Config.Database() != "" {
		return cli.Usage(errors.New("--salvage reads the files of an embedded store: those of EventStoreDB are restored from its own backups"))
	}
	dir, err := a.Config.StoreDir()
	if err != nil {
		return err
	}
	bar := a.Progress("salvaging", 0)
	report, err := open.Salvage(ctx, dir, target, bar.To)
	bar.Finish()
	if err != nil {
		return err
	}
	if err := a.printSalvaged(&report); err != nil {
		return err
	}
	if !report.Whole() {
		return domain.Errorf(domain.CodeInternal, "%s is not sound: what is listed above is not in %s, or was not where it belongs; keep both folders", dir, target)
	}
	return nil
}

// maxListed bounds the items of one kind that are printed; salvage.json has all of them.
const maxListed = 100

func (a *app) printSalvaged(r *open.SalvageReport) error {
	if a.JSON {
		return a.PrintJSON(r)
	}
	p := a.Printer()
	p.Line("copied     %d records in %d frames, %d streams, to %s", r.Records, r.Frames, r.Streams, r.Target)
	if r.TornBytes > 0 {
		p.Line("           %d bytes of an append that was never acknowledged stood at the end", r.TornBytes)
	}
	if r.Unplaced > 0 {
		p.Line("unplaced   %d records stand behind a hole of their stream, or twice; they are in unplaced.jsonl", r.Unplaced)
	}
	list(p, "not sound  ", r.Places)
	list(p, "missing    ", r.Holes)
	if !r.Whole() {
		p.Line("           The end of a stream may be missing too where a frame was lost: that cannot be known.")
	}
	p.Line("           The same report is in salvage.json. Next: %s", a.AdviseElsewhere("", "verify", "--store", "embedded:"+r.Target))
	return p.Err
}

func list[T fmt.Stringer](p *cli.Printer, label string, items []T) {
	for _, item := range items[:min(len(items), maxListed)] {
		p.Line("%s%s", label, item)
	}
	if more := len(items) - maxListed; more > 0 {
		p.Line("%sand %d more", label, more)
	}
}

func (a *app) verify(ctx context.Context, store open.Store) error {
	bar := a.Progress("checking the log", 0)
	report, err := store.Verify(ctx, func(done, total int64) { bar.To(done, total) })
	bar.Finish()
	if err != nil {
		return err
	}
	v := verifyAnswer{Store: verifiedLog(report), Portfolios: []replay.Verified{}, OK: true}
	ids, err := replay.Portfolios(ctx, store)
	if err != nil {
		return err
	}
	for _, id := range ids {
		bar := a.Progress("folding "+id, 0)
		found, err := replay.Verify(ctx, store, commands.Stream(id), func(n uint64) { bar.To(int64(n), 0) }) //nolint:gosec // a count
		bar.Finish()
		if err != nil {
			return err
		}
		v.Portfolios = append(v.Portfolios, found)
		v.OK = v.OK && len(found.Problems) == 0
	}
	if v.System, err = replay.VerifySystem(ctx, store); err != nil {
		return err
	}
	if v.Witness, err = a.verifyWitness(ctx, store); err != nil {
		return err
	}
	if v.Index, err = a.verifyIndex(ctx, store); err != nil {
		return err
	}
	v.Views = a.verifyViews(store)
	sound := v.OK && len(v.System.Problems) == 0 && (v.Witness == nil || len(v.Witness.Problems) == 0)
	v.OK = sound && (v.Index == nil || v.Index.Problem == "")
	if err := a.printVerified(v); err != nil {
		return err
	}
	if sound && !v.OK {
		return v.Index.failure()
	}
	if !v.OK {
		return v.failure()
	}
	return nil
}

// failure says what to do. A history that adds up and is not the newest one is no damage.
func (v *verifyAnswer) failure() error {
	sound := len(v.System.Problems) == 0
	for _, p := range v.Portfolios {
		sound = sound && len(p.Problems) == 0
	}
	switch {
	case !sound || v.Witness == nil:
		return domain.Errorf(domain.CodeInternal, "the history does not add up; keep the folder as it is, do not write to it, and look at the problems above")
	case v.Witness.refused != nil:
		return fmt.Errorf("the history adds up, but pets serve refuses it: %w", v.Witness.refused)
	}
	return domain.Errorf(domain.CodeInternal, "the history adds up, but it is not the one that was witnessed: records were changed. Keep the folder as it is, do not write to it, and look at the problems above")
}

func (a *app) printVerified(v verifyAnswer) error {
	if a.JSON {
		return a.PrintJSON(v)
	}
	p := a.Printer()
	if v.Store.Segments == 0 { // a database, which checks its own files
		p.Line("database   %d records of %d streams, %d bytes: no stream has a gap", v.Store.Records, v.Store.Streams, v.Store.Bytes)
	} else {
		p.Line("log        %d records in %d frames, %d segments, %d bytes: every checksum fits", v.Store.Records, v.Store.Frames, v.Store.Segments, v.Store.Bytes)
	}
	if v.Store.TornBytes > 0 {
		p.Line("           %d bytes of an append that was never acknowledged stand at its end", v.Store.TornBytes)
	}
	for _, f := range v.Portfolios {
		verdict := "adds up"
		if len(f.Problems) > 0 {
			verdict = fmt.Sprintf("DOES NOT ADD UP: %d problems", len(f.Problems))
		}
		p.Line("%-10s %d events, %d closed trades, %s to %s: %s", f.Portfolio, f.Events, f.Trades, cli.Clock(f.From), cli.Clock(f.To), verdict)
		p.Line("           state hash %s", f.StateHash)
		for _, problem := range f.Problems {
			p.Line("           revision %d: %s", problem.Revision, problem.What)
		}
	}
	if v.System.Events > 0 {
		p.Line("system     %d events, %d API keys, %d of them live", v.System.Events, v.System.Keys, v.System.Live)
	}
	for _, problem := range v.System.Problems {
		p.Line("           revision %d: %s", problem.Revision, problem.What)
	}
	v.Witness.print(p)
	v.Index.print(p)
	v.Views.print(p)
	return p.Err
}

// verifyWitness compares the store of the settings with its witness. It skips a store named by
// --store, which may be a copy and then rightly is older than the witness.
func (a *app) verifyWitness(ctx context.Context, store open.Store) (*verifiedWitness, error) {
	if a.StoreFlag != "" {
		return nil, nil //nolint:nilnil // it is not compared
	}
	found, err := witness.Compare(ctx, a.Config.WitnessDir(), store, store.UUID())
	v := &verifiedWitness{Dir: found.Dir, Streams: found.Streams, Problems: []string{}}
	if !found.Written.IsZero() {
		v.Written = &found.Written
	}
	var damaged *witness.DamagedError
	var other *witness.OtherStoreError
	switch {
	case errors.As(err, &damaged), errors.As(err, &other):
		v.Problems, v.refused = append(v.Problems, err.Error()), err
	case err != nil:
		return nil, err
	case len(found.Differences) > 0 && len(found.Changed) == 0:
		v.refused = &witness.RolledBackError{Dir: found.Dir, Differences: found.Differences}
	}
	for _, d := range found.Differences {
		v.Problems = append(v.Problems, d.String())
	}
	for _, stream := range found.Changed {
		v.Problems = append(v.Problems, stream+": a record is not the one that was witnessed")
	}
	return v, nil
}

func (v *verifiedWitness) print(p *cli.Printer) {
	switch {
	case v == nil:
		return
	case v.Written == nil && len(v.Problems) == 0:
		p.Line("witness    there is none in %s: whether the store was rolled back cannot be told", v.Dir)
	case len(v.Problems) == 0:
		p.Line("witness    %s saw %d streams until %s: all of it is there", v.Dir, v.Streams, cli.Clock(*v.Written))
	default:
		p.Line("witness    %s DIFFERS", v.Dir)
	}
	list(p, "           ", texts(v.Problems))
}

// texts turns lines into values that list can print.
func texts(lines []string) []text {
	all := make([]text, len(lines))
	for i, l := range lines {
		all[i] = text(l)
	}
	return all
}

type text string

func (t text) String() string { return string(t) }
