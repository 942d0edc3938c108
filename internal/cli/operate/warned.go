package operate

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"pets/commands"
	"pets/domain"
	"pets/internal/cli"
	"pets/internal/cli/show"
)

// What a person has to know of a record beyond that it was made is said here, in the same words
// for a command by itself and for one of a batch; with --json on standard error.

// warned is what a record says that a person has to look at, "" for nothing.
func warned(e domain.Event) string {
	switch e := e.(type) {
	case *domain.FillRecorded:
		return flagged(e.Flags)
	case *domain.TradeClosed:
		return flagged(e.Flags)
	case *domain.FillVoided:
		if e.Unknown {
			return fmt.Sprintf("NO SUCH FILL IS KNOWN: nothing was taken out of the books. One that comes later as %s will be ignored", e.FillID)
		}
	case *domain.MarketSettled:
		switch {
		case len(e.Holders) > 0:
		case e.Bot != "":
			return fmt.Sprintf("%s: %s does not hold it: nothing was paid", e.Instrument, e.Bot)
		default:
			return fmt.Sprintf("%s: nobody holds it: nothing was paid", e.Instrument)
		}
	}
	return ""
}

func flagged(flags []string) string {
	if len(flags) == 0 {
		return ""
	}
	return "FLAGGED: " + explained(flags)
}

// warnedTypes are the records of which there may be something to say.
var warnedTypes = []string{domain.FillRecordedType, domain.TradeClosedType, domain.FillVoidedType, domain.MarketSettledType}

// postWarned is Post for a command of which a record is read back: say words what was done, with
// nil where the record cannot be read. What it could have said is unread then.
func (a *app) postWarned(ctx context.Context, path string, body any, eventType, unread string, say func(domain.Event) string) error {
	var failed error
	warning, what := "", ""
	_, err := a.Posted(ctx, path, body, func(answer commands.Answer) string {
		e, err := a.Recorded(ctx, answer, eventType)
		failed = err
		if e != nil {
			warning = warned(e)
		}
		what = say(e)
		return what
	})
	if err != nil {
		return err
	}
	if failed != nil {
		warning = fmt.Sprintf("%s cannot be read: %v; see %s", unread, failed, a.Typed("events", "--type", domain.EventName(eventType)))
	}
	return cli.Told(what, a.warn("  ", warning))
}

// warn says it, if there is something to say: below what was done, or, with --json, on standard
// error.
func (a *app) warn(before, warning string) error {
	switch {
	case warning == "":
		return nil
	case a.JSON:
		a.Tell("warning: %s%s", strings.TrimLeft(before, " "), warning)
		return nil
	}
	p := a.Printer()
	p.Line("%s%s", before, warning)
	return p.Err
}

// done is what became of a command of a batch.
type done struct {
	command  batchItem
	answer   commands.Answer
	replayed bool
}

// warnOfBatch says of the commands that were done what each would have said by itself. What
// all of them lead to is said once.
func (a *app) warnOfBatch(ctx context.Context, all map[int]done) error {
	events, err := a.recordsOf(ctx, all)
	if err != nil {
		err = a.warn("", fmt.Sprintf("how fills were flagged, and what was voided or settled, cannot be read: %v; see %s", err, a.Typed("events")))
	}
	before := func(i int) string { return fmt.Sprintf("%d  %s  ", i+1, all[i].command.Command) }
	places := slices.Sorted(maps.Keys(all))
	for _, i := range places {
		for _, e := range all[i].answer.Events {
			if one := events[e.Revision]; one != nil {
				err = cmp.Or(err, a.warn(before(i), warned(one)))
			}
		}
	}
	err = cmp.Or(err, a.warnOfMoney(ctx, all))
	said := map[string]bool{}
	for _, i := range places {
		for _, d := range all[i].answer.Directives {
			if text := cli.Directed(d); !said[text] {
				said[text] = true
				err = cmp.Or(err, a.warn(before(i), text))
			}
		}
	}
	return err
}

// recordsOf reads the records of which there may be something to say, in one go.
func (a *app) recordsOf(ctx context.Context, all map[int]done) (map[uint64]domain.Event, error) {
	wanted := map[uint64]bool{}
	for _, one := range all {
		for _, e := range one.answer.Events {
			if slices.ContainsFunc(warnedTypes, func(t string) bool { return domain.EventName(t) == domain.EventName(e.Type) }) {
				wanted[e.Revision] = true
			}
		}
	}
	read := map[uint64]domain.Event{}
	if len(wanted) == 0 {
		return read, nil
	}
	revisions := slices.Sorted(maps.Keys(wanted))
	names := make([]string, len(warnedTypes))
	for i, t := range warnedTypes {
		names[i] = domain.EventName(t)
	}
	enough := errors.New("enough")
	err := a.EachEvent(ctx, cli.EventQuery{After: int64(revisions[0]) - 1, Types: names}, func(line cli.EventLine) error { //nolint:gosec // no stream is that long
		if wanted[line.Revision] {
			e, err := domain.Decode(line.Type, line.Data)
			if err != nil {
				return err
			}
			read[line.Revision] = e
		}
		if line.Revision >= revisions[len(revisions)-1] {
			return enough
		}
		return nil
	})
	if errors.Is(err, enough) {
		err = nil
	}
	if err == nil && len(read) < len(wanted) {
		err = domain.Errorf(domain.CodeDenied, "this key is not shown all of them")
	}
	return read, err
}

// warnOfMoney warns of references that were recorded before, and of accounts that the money of
// the batch has left in doubt.
func (a *app) warnOfMoney(ctx context.Context, all map[int]done) error {
	moved := map[string][]show.Flow{}
	var assets []string
	for _, one := range all {
		var body struct{ Asset, Tx string }
		eventType := map[string]string{"record_deposit": domain.DepositRecordedType, "record_withdrawal": domain.WithdrawalRecordedType}[one.command.Command]
		switch one.command.Command {
		case "record_deposit", "record_withdrawal", "record_fee", "post_adjustment", "allocate_capital":
		default:
			continue
		}
		if one.replayed || json.Unmarshal(one.command.Body, &body) != nil {
			continue
		}
		assets = append(assets, body.Asset)
		if eventType != "" && body.Tx != "" {
			moved[eventType] = append(moved[eventType], show.Flow{Revision: one.answer.Revision, Tx: body.Tx})
		}
	}
	for _, eventType := range slices.Sorted(maps.Keys(moved)) {
		show.WarnOfSameTx(ctx, a.App, eventType, moved[eventType]...)
	}
	if len(assets) > 0 {
		show.WarnOfMoney(ctx, a.App, assets...)
	}
	return nil
}
