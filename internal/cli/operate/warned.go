package operate

import (
	"cmp"
	"context"
	"encoding/json"
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
	case *domain.FillReinstated:
		return flagged(e.Flags)
	case *domain.TradeClosed:
		return flagged(e.Flags)
	case *domain.FillVoided:
		if e.Unknown {
			return fmt.Sprintf("NO SUCH FILL IS KNOWN: nothing was taken out of the books. One that comes later as %s will be ignored", e.FillID)
		}
	case *domain.PriceMarked:
		return markedWords(e)
	case *domain.MarketPaidOut:
		if len(e.Holders) == 0 {
			return e.Market + ": nobody holds it: nothing was paid"
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

// markedWords says which marks of a command price nothing, or nothing yet.
func markedWords(e *domain.PriceMarked) string {
	var said []string
	for _, m := range e.Marks {
		if m.Waits {
			said = append(said, fmt.Sprintf("%s of %s WAITS: it is further from the mark in force than mark_collar, or the first of an asset, and prices nothing until it is confirmed", m.Price, markedThing(m)))
		}
	}
	for _, r := range e.Refused {
		said = append(said, fmt.Sprintf("mark %d was NOT taken: %s", r.Index+1, r.Message))
	}
	return strings.Join(said, "; ")
}

func markedThing(m domain.Mark) string {
	if m.Asset != "" {
		return m.Asset
	}
	return domain.Instrument{Market: m.Market, Outcome: m.Outcome}.String()
}

func flagged(flags []string) string {
	if len(flags) == 0 {
		return ""
	}
	return "FLAGGED: " + explained(flags)
}

// warnedTypes are the records of which there may be something to say, by the commands that
// record them.
var warnedTypes = map[string]string{
	"record_fill": domain.FillRecordedType, "record_trade": domain.TradeClosedType,
	"void_fill": domain.FillVoidedType, "settle_market": domain.MarketSettledType, "mark_prices": domain.PriceMarkedType,
}

// insteadOf are the records that stand instead of these: a fill that had been voided lives again,
// and under the second edition of the rules a market is settled as a whole.
var insteadOf = map[string]string{domain.FillRecordedType: domain.FillReinstatedType, domain.MarketSettledType: domain.MarketPaidOutType}

// recordedAs is the type of the record that an answer has of what was sent.
func recordedAs(events []commands.EventRef, eventType string) string {
	if instead := insteadOf[eventType]; instead != "" && slices.ContainsFunc(events, func(e commands.EventRef) bool { return e.Type == instead }) {
		return instead
	}
	return eventType
}

// postWarned is Post for a command of which a record is read back: say words what was done, with
// nil where the record cannot be read. What it could have said is unread then.
func (a *app) postWarned(ctx context.Context, path string, body any, eventType, unread string, say func(domain.Event) string) error {
	var failed error
	warning, what := "", ""
	_, err := a.Posted(ctx, path, body, func(answer commands.Answer) string {
		e, err := a.Recorded(ctx, answer, recordedAs(answer.Events, eventType))
		if failed = err; e != nil {
			warning = warned(e)
		} else if len(answer.Flags) > 0 { // the answer has the flags, too
			failed, warning = nil, flagged(answer.Flags)
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
	short    bool // its answer has no events
}

// warnOfBatch says of the commands that were done what each would have said by itself, and of how
// many it does not know that. What all of them lead to is said once. It counts the commands with
// short answers that changed nothing.
func (a *app) warnOfBatch(ctx context.Context, all map[int]done) (unchanged int, err error) {
	known := a.recordsOf(ctx, all)
	before := func(i int) string { return fmt.Sprintf("%d  %s  ", i+1, all[i].command.Command) }
	places := slices.Sorted(maps.Keys(all))
	for _, i := range places {
		for _, e := range known.of[i] {
			if _, noted := e.(*domain.CommandNoted); noted {
				unchanged++
			}
			err = cmp.Or(err, a.warn(before(i), warned(e)))
		}
	}
	if known.missed > 0 {
		err = cmp.Or(err, a.warn("", fmt.Sprintf("not looked at: %d: %s, cannot be read: %v; see %s", known.missed, inRecords, known.why, a.Typed("events"))))
	}
	if known.before > 0 {
		err = cmp.Or(err, a.warn("", fmt.Sprintf("not looked at: %d that were recorded before: %s, is in %s", known.before, inRecords, a.Typed("events"))))
	}
	err = cmp.Or(err, a.warnOfTrips(known.trips, before))
	a.warnOfMoney(ctx, all)
	said := map[string]bool{}
	for _, i := range places {
		for _, d := range all[i].answer.Directives {
			if text := cli.Directed(d); !said[text] {
				said[text] = true
				err = cmp.Or(err, a.warn(before(i), text))
			}
		}
	}
	return unchanged, err
}

// inRecords is what only the records of a batch say.
const inRecords = "how fills were flagged, what was voided or settled, and what has tripped"

// warnOfTrips says which commands of a batch have tripped what.
func (a *app) warnOfTrips(all map[int]*cli.Trips, before func(int) string) (err error) {
	tripped := false
	for _, i := range slices.Sorted(maps.Keys(all)) {
		for _, words := range all[i].Words() {
			err, tripped = cmp.Or(err, a.warn(before(i), words)), true
		}
	}
	if tripped {
		err = cmp.Or(err, a.warn("", "what is stopped, and what to do next: "+a.Typed("state")))
	}
	return err
}

// warnOfMoney warns of references that were recorded before, and of accounts that the money of
// the batch has left in doubt.
func (a *app) warnOfMoney(ctx context.Context, all map[int]done) {
	moved := map[string][]show.Flow{}
	var assets []string
	for _, one := range all {
		var body struct {
			Asset, Tx string
			Leg       int
		}
		eventType := map[string]string{"record_deposit": domain.DepositRecordedType, "record_withdrawal": domain.WithdrawalRecordedType}[one.command.Command]
		switch one.command.Command {
		case "record_deposit", "record_withdrawal", "record_fee", "post_adjustment", "allocate_capital":
		default:
			continue
		}
		if one.replayed || cli.Noted(one.answer.Events) || json.Unmarshal(one.command.Body, &body) != nil {
			continue
		}
		assets = append(assets, body.Asset)
		if eventType != "" && body.Tx != "" {
			moved[eventType] = append(moved[eventType], show.Flow{Revision: one.answer.Revision, Tx: body.Tx, Leg: body.Leg})
		}
	}
	for _, eventType := range slices.Sorted(maps.Keys(moved)) {
		show.WarnOfSameTx(ctx, a.App, eventType, moved[eventType]...)
	}
	if len(assets) > 0 {
		show.WarnOfMoney(ctx, a.App, assets...)
	}
}
