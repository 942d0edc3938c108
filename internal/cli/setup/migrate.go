package setup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/internal/cli"
	"pets/internal/migrate"
	"pets/internal/open"
	"pets/projections"
)

func (a *app) migrateCommand() *cobra.Command {
	var from, to string
	var follow bool
	c := &cobra.Command{
		Use: "migrate", Short: "Copy a whole store into another, also to or from EventStoreDB", Args: cobra.NoArgs,
		Long: "Copies every record of every stream, byte for byte, reads all of it back, and compares records,\n" +
			"tree heads and folded states. The source may be in use. Run again, it compares what is there and\n" +
			"copies the rest. It never changes or removes a record, and refuses a target that has others.\n" +
			"--from and --to take embedded:DIR, esdb://…, or the word PETS_STORE for the store of the settings,\n" +
			"which keeps a password out of the list of processes. See docs/eventstoredb.md.",
		Example: "  pets migrate --from embedded:./pets-data --to PETS_STORE\n  pets migrate --from embedded:./pets-data --to PETS_STORE --follow",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := cli.Needed(c, "from", "to"); err != nil {
				return err
			}
			return a.migrate(c.Context(), from, to, follow)
		},
	}
	c.Flags().StringVar(&from, "from", "", "the `store` that is copied")
	c.Flags().StringVar(&to, "to", "", "the `store` that it is copied into; a folder is made if it is missing")
	c.Flags().BoolVar(&follow, "follow", false, "go on until the server of the source has ended: only the last records are left then")
	return c
}

// migrate opens both stores, the target last: it may be made.
func (a *app) migrate(ctx context.Context, fromText, toText string, follow bool) error {
	if a.StoreFlag != "" || a.PortfolioFlag != "" {
		return cli.Usage(errors.New("pets migrate copies a whole store, which --from names: --store and --portfolio do not go with it"))
	}
	from, err := a.StoreNamed("--from", fromText)
	if err != nil {
		return cli.Usage(err)
	}
	to, err := a.StoreNamed("--to", toText)
	if err != nil {
		return cli.Usage(err)
	}
	switch {
	case from.Same(to):
		return cli.Usage(errSameStore)
	case follow && from.Dir == "":
		return cli.Usage(errors.New("--follow waits for the server of a folder to end: who writes to a database cannot be known. Stop the servers, then run it without --follow"))
	}
	source, err := from.Read(ctx)
	if err != nil {
		return err
	}
	streams, err := source.Streams(ctx)
	if err == nil && len(streams) == 0 {
		err = domain.Errorf(domain.CodeNotFound, "--from: %s has no records: there is nothing to copy", from)
	}
	if err != nil {
		return errors.Join(err, source.Close())
	}
	target, err := a.MoveInto(ctx, to)
	if err != nil {
		return errors.Join(err, source.Close())
	}
	m := &migration{app: a, from: from, source: source, target: target, move: migrate.New(source, target), follow: follow, folds: map[string]*folds{}}
	m.answer.From, m.answer.To = from.String(), to.String()
	return errors.Join(m.run(ctx), target.Close(), source.Close())
}

var errSameStore = errors.New("--from and --to are the same store")

// migrateAnswer is the answer of `pets migrate --json`.
type migrateAnswer struct {
	From string `json:"from"`
	To   string `json:"to"`
	// There counts the records that the target had; they were compared.
	There           uint64  `json:"there"`
	Copied          uint64  `json:"copied"`
	EventsPerSecond float64 `json:"events_per_second"` // while they were copied
	Records         uint64  `json:"records"`           // on both sides, at the end
	// Streams and Portfolios are equal on both sides.
	Streams    []migratedStream    `json:"streams"`
	Portfolios []migratedPortfolio `json:"portfolios"`
	Seconds    migrateSeconds      `json:"seconds"`
	Tail       *migratedTail       `json:"tail,omitempty"`
	// Behind counts what the source has got since. Written says that something writes to it.
	Behind  uint64 `json:"behind"`
	Written bool   `json:"written"`
	// UnrecordedStops counts stops that hold by the marker beside the source, and are in no stream.
	UnrecordedStops int `json:"unrecorded_stops"`
}

type migratedStream struct {
	Stream   string `json:"stream"`
	Records  uint64 `json:"records"`
	TreeHead string `json:"tree_head"`
}

type migratedPortfolio struct {
	Portfolio string `json:"portfolio"`
	StateHash string `json:"state_hash"`
}

// migrateSeconds is how long each step took.
type migrateSeconds struct {
	Compared float64 `json:"compared"`
	Copied   float64 `json:"copied"`
	Verified float64 `json:"verified"`
	Folded   float64 `json:"folded"`
}

// migratedTail is what was left when the server of the source had ended.
type migratedTail struct {
	Records uint64  `json:"records"`
	Seconds float64 `json:"seconds"` // until it was copied and verified
}

// migration is one run of pets migrate.
type migration struct {
	*app
	from           open.Named
	source, target open.Store
	move           *migrate.Move
	follow         bool
	folds          map[string]*folds // kept if there is more to come
	answer         migrateAnswer
}

// folds are the two folds of a portfolio.
type folds struct{ source, target *projections.Runner }

func (m *migration) run(ctx context.Context) error {
	if m.source.UUID() == m.target.UUID() {
		return cli.Usage(fmt.Errorf("%w, or one is a copy of the other's files: they have the same identity", errSameStore))
	}
	err := m.steps(ctx)
	if err != nil && m.answer.There+m.answer.Copied > 0 {
		m.Tell("the target has the first %d records or more; the same command goes on from there", m.answer.There+m.answer.Copied)
	}
	if different := (*migrate.DifferentError)(nil); errors.As(err, &different) {
		return domain.Errorf(domain.CodeConflict, "the target is no copy of the source: %v. Nothing in it was changed or removed; name one that is empty, and on which no server runs", different)
	}
	if err != nil {
		return err
	}
	unknown := error(nil)
	m.answer.UnrecordedStops, unknown = m.Unrecorded(m.from)
	return errors.Join(m.print(), m.unrecorded(unknown))
}

// unrecorded is the error of a source that has stops which are in no stream, once no server is
// left to record them: they must not be lost by the move.
func (m *migration) unrecorded(unknown error) error {
	switch n := m.answer.UnrecordedStops; {
	case m.answer.Written:
		return nil // the run that comes after it tells
	case unknown != nil:
		return fmt.Errorf("%w. Stops in it are not in the target: look at it before a server starts there", unknown)
	case n > 0:
		return domain.Errorf(domain.CodeConflict, "%s held by %s beside the source, and in no stream, so not in the target: start the server of the source once more, which records them, end it, and run the same command again. Or copy that file into the PETS_DIR of the new server before its first start", wereHeld(n), open.LatchName)
	}
	return nil
}

func wereHeld(n int) string {
	if n == 1 {
		return "1 stop is"
	}
	return fmt.Sprintf("%d stops are", n)
}

// steps copies and verifies.
func (m *migration) steps(ctx context.Context) (err error) {
	total, err := m.total(ctx)
	if err != nil {
		return err
	}
	err = m.step("comparing", total, &m.answer.Seconds.Compared, func() (err error) {
		m.answer.There, err = m.move.Begin(ctx)
		return err
	})
	if err != nil {
		return err
	}
	err = m.step("copying", total-min(total, m.answer.There), &m.answer.Seconds.Copied, func() error { return m.copy(ctx) })
	if err != nil {
		return err
	}
	if s := m.answer.Seconds.Copied; s > 0 {
		m.answer.EventsPerSecond = float64(m.answer.Copied) / s
	}
	if err := m.prove(ctx); err != nil {
		return err
	}
	if m.follow {
		if err := m.rest(ctx); err != nil {
			return err
		}
	}
	_, m.answer.Written = m.from.Writer()
	m.answer.Behind, err = m.move.Behind(ctx)
	return err
}

// total is how many records the source has now.
func (m *migration) total(ctx context.Context) (n uint64, err error) {
	streams, err := m.source.Streams(ctx)
	if err != nil {
		return 0, err
	}
	for _, stream := range streams {
		head, err := m.source.Head(ctx, stream)
		if err != nil {
			return 0, err
		}
		n += head + 1
	}
	return n, nil
}

// tellEvery is how often a long step says how far it is where no bar is shown.
const tellEvery = 10 * time.Second

// step runs one step, shows how far it is, and adds the time that it took.
func (m *migration) step(what string, total uint64, took *float64, do func() error) error {
	start := time.Now()
	bar, told := m.Progress(what, int64(total)), start //nolint:gosec // a count
	m.move.Progress = func(done uint64) {
		switch {
		case done%64 != 0 && done < total:
		case bar.Shown():
			bar.To(int64(done), 0) //nolint:gosec // a count
		case time.Since(told) > tellEvery:
			told = time.Now()
			m.Tell("%s: %d of %d records", what, done, max(done, total))
		}
	}
	err := do()
	bar.Finish()
	*took += time.Since(start).Seconds()
	return err
}

func (m *migration) copy(ctx context.Context) error {
	n, err := m.move.Copy(ctx)
	m.answer.Copied += n
	return err
}

// prove reads back what is new in the target, and compares records, tree heads and states.
func (m *migration) prove(ctx context.Context) error {
	var heads []migrate.Head
	total := m.answer.There + m.answer.Copied
	err := m.step("verifying", total, &m.answer.Seconds.Verified, func() (err error) {
		heads, err = m.move.Verify(ctx)
		return err
	})
	if err != nil {
		return err
	}
	m.answer.Records, m.answer.Streams, m.answer.Portfolios = 0, []migratedStream{}, []migratedPortfolio{}
	for _, h := range heads {
		m.answer.Records += h.Size
		m.answer.Streams = append(m.answer.Streams, migratedStream{h.Stream, h.Size, h.Root.String()})
	}
	return m.step("folding", 0, &m.answer.Seconds.Folded, func() error { return m.fold(ctx, heads) })
}

// fold folds each portfolio on both sides, up to where they are equal.
func (m *migration) fold(ctx context.Context, heads []migrate.Head) error {
	for _, h := range heads {
		id, is := strings.CutPrefix(h.Stream, commands.Stream(""))
		if !is {
			continue
		}
		f := m.folds[id]
		if f == nil {
			f = &folds{projections.NewRunner(m.source, h.Stream), projections.NewRunner(m.target, h.Stream)}
		}
		if m.follow {
			m.folds[id] = f
		}
		here, err := folded(ctx, f.source, h.Size-1)
		if err != nil {
			return fmt.Errorf("the records are the same on both sides, but portfolio %s cannot be folded: %w", id, err)
		}
		there, err := folded(ctx, f.target, h.Size-1)
		if err != nil {
			return err
		}
		if here != there {
			return domain.Errorf(domain.CodeInternal, "portfolio %s: the folded states differ, although the records are the same: %s and %s; do not use the target", id, here, there)
		}
		m.answer.Portfolios = append(m.answer.Portfolios, migratedPortfolio{id, here})
	}
	return nil
}

func folded(ctx context.Context, r *projections.Runner, last uint64) (hash string, err error) {
	if err := r.CatchUp(ctx, projections.Point{Revision: &last}); err != nil {
		return "", err
	}
	r.Read(func(s *portfolio.State) { hash, err = s.Hash() })
	return hash, err
}

// lookEvery is how often the end of the source's server is looked for.
const lookEvery = 50 * time.Millisecond

// rest copies what comes until the server of the source has ended, and then the tail. Everything
// before it is proved already.
func (m *migration) rest(ctx context.Context) error {
	if pid, writes := m.from.Writer(); writes {
		if err := m.copy(ctx); err != nil { // what came while the rest was proved
			return err
		}
		if err := m.prove(ctx); err != nil {
			return err
		}
		m.Tell("all of it until now is copied and proved equal. Stop the server of the source now (%s): what is left is copied then", process(pid))
	}
	for {
		_, writes := m.from.Writer() // first: what it wrote before it ended is read below
		ended, before := time.Now(), m.answer.Copied
		if err := m.copy(ctx); err != nil {
			return err
		}
		if !writes {
			if err := m.prove(ctx); err != nil {
				return err
			}
			m.answer.Tail = &migratedTail{m.answer.Copied - before, time.Since(ended).Seconds()}
			return nil
		}
		select {
		case <-time.After(lookEvery):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func process(pid int) string {
	if pid == 0 {
		return "its pid is not known"
	}
	return fmt.Sprintf("pid %d", pid)
}
