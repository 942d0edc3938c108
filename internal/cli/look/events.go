package look

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"pets/domain"
	"pets/eventstore"
	"pets/internal/cli"
	"pets/internal/columns"
	"pets/projections"
	"pets/replay"
)

// eventFilter selects the events that are shown.
type eventFilter struct {
	cli.EventQuery
	follow bool
}

func (a *app) eventsCommand() *cobra.Command {
	f := eventFilter{}
	c := &cobra.Command{
		Use: "events", Short: "The history, event by event", Args: cobra.NoArgs,
		Long: "The history, event by event. What does not fit the terminal goes on below;\n--json has one event a line.\n\n" +
			"--type takes the beginning of a type (breaker is breaker.tripped and the like)\nor a word of one (tripped).",
		Example: "  pets events --type breaker,emergency_stop\n  pets events --type tripped,reset\n  pets events --after 100 --limit 20 --json\n  pets events --follow",
		RunE: func(c *cobra.Command, _ []string) error {
			to, err := f.check()
			if err != nil {
				return err
			}
			asks, err := a.AsksServer()
			switch {
			case err != nil:
				return err
			case asks:
				return a.askEvents(c.Context(), f)
			}
			store, err := a.OpenLooker(c.Context())
			if err != nil {
				return err
			}
			return errors.Join(a.printEvents(c.Context(), store, f, to), store.Close())
		},
	}
	cli.AtFlag(c, &f.At)
	c.Flags().StringSliceVar(&f.Types, "type", nil, "only these types, such as breaker, tripped or fill.recorded")
	c.Flags().Int64Var(&f.After, "after", -1, "only after this revision")
	c.Flags().IntVar(&f.Limit, "limit", 0, "at most this many (0: all)")
	c.Flags().BoolVarP(&f.follow, "follow", "f", false, "keep printing events as they come, until interrupted")
	return c
}

// check validates the flags before anything is opened.
func (f *eventFilter) check() (projections.Point, error) {
	to, err := projections.ParsePoint(f.At)
	switch {
	case err != nil:
		return to, cli.OnFlag("--at", err)
	case f.After < -1:
		return to, cli.Usage(domain.Invalid("--after", "must be a revision: 0 or above"))
	case f.Limit < 0:
		return to, cli.Usage(domain.Invalid("--limit", "must not be negative"))
	}
	if f.Types, err = knownTypes(f.Types); err != nil {
		return to, cli.Usage(err)
	}
	return to, nil
}

// knownTypes turns the words of --type into prefixes of event types. The beginning of a type
// stands for itself; any other word stands for the types with a word that begins like it. It
// refuses a word that matches no type.
func knownTypes(asked []string) ([]string, error) {
	var out []string
	for _, word := range asked {
		word = strings.TrimSuffix(strings.ToLower(strings.TrimSpace(word)), ".*")
		if word == "" {
			continue
		}
		begins, has := false, []string{}
		for _, t := range domain.EventTypes() {
			begins = begins || strings.HasPrefix(t, word)
			if hasWord(t, word) && domain.RowType(t) == "" && !slices.Contains(out, t) {
				has = append(has, t)
			}
		}
		switch {
		case begins:
			out = append(out, word)
		case len(has) > 0:
			out = append(out, has...)
		default:
			all := []error{domain.Invalid("--type", "%q is not a type of event; there are:", word)}
			for line := range strings.SplitSeq(typeList(), "\n") {
				all = append(all, errors.New(line))
			}
			return nil, errors.Join(all...)
		}
	}
	return out, nil
}

// shownTypes lists the types that readers see: of a record of many they see its rows.
func shownTypes() []string {
	return slices.DeleteFunc(slices.Clone(domain.EventTypes()), func(t string) bool { return domain.RowType(t) != "" })
}

// hasWord reports whether a word of a type begins so, or what goes on from one: emergency,
// stop and clear_requested are found in emergency_stop.clear_requested.
func hasWord(eventType, begins string) bool {
	name := domain.EventName(eventType)
	for i := range name {
		if (i == 0 || name[i-1] == '.' || name[i-1] == '_') && strings.HasPrefix(name[i:], begins) {
			return true
		}
	}
	return false
}

// typeList lists the types of events, one line per subject.
func typeList() string {
	var lines []string
	known := map[string]int{} // subject → line
	for _, t := range shownTypes() {
		subject, what, _ := strings.Cut(domain.EventName(t), ".")
		i, found := known[subject]
		switch {
		case !found:
			known[subject] = len(lines)
			lines = append(lines, fmt.Sprintf("  %-17s %s", subject, what))
		case domain.CurrentType(t) == t: // an old version has the same name
			lines[i] += ", " + what
		}
	}
	for i, l := range lines {
		lines[i] = strings.Join(columns.Wrap(l, cli.UsualWidth-len("pets: "), 20), "\n")
	}
	return strings.Join(lines, "\n")
}

func (a *app) printEvents(ctx context.Context, store eventstore.Store, f eventFilter, to projections.Point) error {
	if err := a.Exists(ctx, store); err != nil {
		return err
	}
	if err := a.reached(ctx, store, f, to); err != nil {
		return err
	}
	from := uint64(f.After + 1) //nolint:gosec // ≥ 0 by the check above
	records := store.ReadStream(ctx, a.Stream(), from)
	if f.follow {
		records = store.SubscribeStream(ctx, a.Stream(), from)
	}
	shown := 0
	for rec, err := range records {
		if f.follow && err != nil && ctx.Err() != nil {
			return nil // following ends by an interruption
		}
		if err != nil {
			return err
		}
		if !to.Includes(rec) {
			break
		}
		if current := domain.CurrentType(rec.Type); !f.wants(current) && !(domain.RowType(current) != "" && f.wants(domain.RowType(current))) {
			continue
		}
		if err := a.printEvent(rec); err != nil {
			return err
		}
		if shown++; shown == f.Limit {
			return nil
		}
	}
	a.noSuchEvents(f, shown)
	return nil
}

// noSuchEvents says to a person that nothing was found of what was asked for.
func (a *app) noSuchEvents(f eventFilter, shown int) {
	if shown == 0 && len(f.Types) > 0 && !f.follow && !a.JSON {
		a.Tell("no such events")
	}
}

// reached refuses a revision that has not come yet, except to wait for it.
func (a *app) reached(ctx context.Context, store eventstore.Store, f eventFilter, to projections.Point) error {
	if to.Revision == nil || f.follow {
		return nil
	}
	head, err := store.Head(ctx, a.Stream())
	if err == nil && head < *to.Revision {
		return projections.Beyond(*to.Revision, head)
	}
	return err
}

func (f *eventFilter) wants(eventType string) bool {
	for _, t := range f.Types {
		if strings.HasPrefix(eventType, domain.CurrentType(t)) {
			return true
		}
	}
	return len(f.Types) == 0
}

func (a *app) printEvent(rec eventstore.Record) error {
	m, err := domain.DecodeMetadata(rec.Metadata)
	if err != nil {
		return fmt.Errorf("revision %d: %w", rec.Revision, err)
	}
	stored := domain.RawEvent{Type: rec.Type, Data: rec.Data}
	current, err := stored.Current()
	if err != nil {
		return fmt.Errorf("revision %d: %w", rec.Revision, err)
	}
	line := cli.EventLine{Revision: rec.Revision, Time: rec.Time, Type: current.Type, User: m.Actor, Data: current.Data, Metadata: rec.Metadata}
	if current.Type != stored.Type {
		line.Stored = &stored
	}
	if domain.RowType(current.Type) != "" {
		return a.printRows(line)
	}
	return a.showEvent(line)
}

// printRows prints the events of a record of many one by one, as a server shows them.
func (a *app) printRows(line cli.EventLine) error {
	e, err := domain.Decode(line.Type, line.Data)
	if err != nil {
		return fmt.Errorf("revision %d: %w", line.Revision, err)
	}
	for i, event := range domain.Flatten(e) {
		raw, err := domain.RawOf(event)
		if err != nil {
			return fmt.Errorf("revision %d: %w", line.Revision, err)
		}
		row := line
		row.Row, row.Type, row.Data, row.Stored = &i, raw.Type, raw.Data, nil
		if err := a.showEvent(row); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) showEvent(rec cli.EventLine) error {
	if a.JSON {
		return a.PrintJSONLine(rec)
	}
	e, err := domain.Decode(rec.Type, rec.Data)
	if err != nil {
		return fmt.Errorf("revision %d: %w", rec.Revision, err)
	}
	p := a.Printer()
	head := fmt.Sprintf("%6d  %s  ", rec.Revision, cli.Clock(rec.Time))
	printOneEvent(p, head, domain.EventName(rec.Type), replay.DescribeBy(e, decidedBy(rec)))
	return p.Err
}

// decidedBy returns who decided an event, or "" for what was read from a file: who imported it
// decided nothing.
func decidedBy(rec cli.EventLine) string {
	if m, err := domain.DecodeMetadata(rec.Metadata); err == nil && m.Source != "" {
		return ""
	}
	return rec.User
}

// printOneEvent prints an event on one line or, if that is too long, below its name.
func printOneEvent(p *cli.Printer, head, name, what string) {
	const below = 8
	line := fmt.Sprintf("%s%-22s %s", head, name, what)
	if p.Width <= 0 || utf8.RuneCountInString(line) <= p.Width {
		p.Whole(line)
		return
	}
	p.Whole(head + name)
	p.Say(below, "%s", what)
}
