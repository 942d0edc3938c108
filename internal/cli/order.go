package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"pets/commands"
	"pets/domain"
)

// Order is something an operator wants done, both as a request to a server that holds the
// store and as a command for the case that none does.
type Order struct {
	Path    string // relative to the portfolio, or absolute if it begins with /v1
	Body    any
	Command commands.Command
}

// CarryOut sends an order to the server that is named or that holds the folder. If there is
// none, it opens the folder and acts as os:<user>, role operator.
func (a *App) CarryOut(ctx context.Context, o Order) (commands.Answer, error) {
	var answer commands.Answer
	a.Once = commands.SpecOf(o.Command).GoesOn
	err := a.Way(ctx, APortfolio, commands.ClassOf(o.Command) == commands.ClassStop, func(e *commands.Engine) error {
		var err error
		answer, err = e.Do(ctx, a.Config.Portfolio, a.Own(o.Command))
		return err
	}, func() error { return a.ToServer(ctx, http.MethodPost, o.Path, o.Body, &answer) })
	return answer, err
}

// Own returns a request of the person at this machine.
func (a *App) Own(c commands.Command) commands.Request {
	return commands.Request{Caller: domain.Caller{User: OSUser(), Role: domain.RoleOperator}, Key: uuid.NewString(), Command: c}
}

// Done says what an order recorded.
func (a *App) Done(answer commands.Answer, what string) error { return a.done(answer, nil, what) }

// said is an answer as --json prints it, with what stands beside it.
type said struct {
	commands.Answer
	// Replayed: an earlier run has sent it under the same key.
	Replayed bool `json:"replayed,omitempty"`
	// Note is all that was recorded of a command that changed nothing.
	Note *domain.CommandNoted `json:"note,omitempty"`
}

func (a *App) done(answer commands.Answer, note *domain.CommandNoted, what string) error {
	if a.JSON {
		a.sayTripped(a.Notes(), answer)
		return Told(what, a.PrintJSON(said{answer, a.replayed, note}))
	}
	if note != nil {
		what += " (" + note.Code + "): " + note.Note
	}
	p := a.Printer()
	if a.replayed {
		what = a.Before(answer.Revision) + ": " + what
		p.Line("%s", what)
	} else {
		p.Line("%s (revision %d)", what, answer.Revision)
	}
	if answer.ClockBehind > 0 {
		p.Line("  the clock is %s behind the last record, whose time this has", time.Duration(answer.ClockBehind).Round(time.Second))
	}
	for _, d := range answer.Directives {
		p.Line("  %s", Directed(d))
	}
	a.sayTripped(p, answer)
	return Told(what, p.Err)
}

// trippedWithin bounds the wait for what a command tripped: the command is done.
const trippedWithin = 5 * time.Second

// sayTripped says to who sent a command that it tripped breakers, what that stopped, and what to do
// next. A stop that a person engages is said by its own command. It is said again to who repeats a
// command under its key: the first answer may have been lost.
func (a *App) sayTripped(p *Printer, answer commands.Answer) {
	first := tripIn(answer.Events)
	if first < 0 {
		return
	}
	trip := answer.Events[first].ID
	a.tripped = slices.DeleteFunc(a.tripped, func(other commands.Answer) bool { // it is said now
		return other.Events[tripIn(other.Events)].ID == trip
	})
	trips := a.tripsOf(answer, answer.Events[first].Revision)
	trips.Unread(answer.Events)
	for _, words := range trips.Words() {
		p.Line("  %s", words)
	}
	p.Say(2, "What is stopped, and what to do next:")
	a.Command(p, "state")
}

// SayTripped is sayTripped for a command that prints its answer by itself.
func (a *App) SayTripped(p *Printer, revision uint64, events []commands.EventRef) {
	a.sayTripped(p, commands.Answer{Revision: revision, Events: events})
}

// noteTripped remembers the answer to a command that tripped something, until that is said.
func (a *App) noteTripped(raw []byte) {
	var answer commands.Answer
	if json.Unmarshal(raw, &answer) == nil && HasTripped(answer.Events) {
		a.tripped = append(a.tripped, answer)
	}
}

// tellTripped says at the end of a run, on standard error, what no command has said: whatever was
// asked for, who trips something has to know.
func (a *App) tellTripped() {
	for len(a.tripped) > 0 {
		a.sayTripped(a.Notes(), a.tripped[0])
	}
}

func isTrip(eventType string) bool {
	name := domain.EventName(eventType)
	return name == domain.EventName(domain.BreakerTrippedType) || name == domain.EventName(domain.BreakersTrippedType)
}

// tripIn is the place of the first trip in what a command recorded, −1 if it has tripped nothing.
func tripIn(events []commands.EventRef) int {
	return slices.IndexFunc(events, func(e commands.EventRef) bool { return isTrip(e.Type) })
}

// HasTripped reports that a command tripped something.
func HasTripped(events []commands.EventRef) bool { return tripIn(events) >= 0 }

// Trips are the breakers that a command tripped, and the kind of the emergency stop that this
// engaged.
type Trips struct {
	breakers []string
	stop     string
}

// Add takes in what an event has tripped, or engaged.
func (t *Trips) Add(e domain.Event) {
	for _, e := range domain.Flatten(e) {
		switch e := e.(type) {
		case *domain.BreakerTripped:
			name := e.Breaker
			if e.Bot != "" {
				name += " of " + e.Bot
			}
			t.breakers = append(t.breakers, name)
		case *domain.EmergencyStopEngaged:
			t.stop = e.Kind
		}
	}
}

// Unread names trips that the answer has, and that could not be read.
func (t *Trips) Unread(events []commands.EventRef) {
	if first := tripIn(events); first >= 0 && len(t.breakers) == 0 {
		t.breakers = []string{fmt.Sprintf("a breaker (revision %d)", events[first].Revision)}
	}
}

// Words say it, a line each; there are none if nothing is tripped.
func (t *Trips) Words() []string {
	if len(t.breakers) == 0 {
		return nil
	}
	const most = 5
	names := t.breakers
	if more := len(names) - most; more > 0 {
		names = append(slices.Clone(names[:most]), fmt.Sprintf("%d more", more))
	}
	words := []string{"TRIPPED by this: " + strings.Join(names, ", ")}
	if t.stop != "" {
		words = append(words, "EMERGENCY STOP engaged by this: "+t.stop)
	}
	return words
}

// tripsOf reads what a command tripped. first is the revision of the first trip.
func (a *App) tripsOf(answer commands.Answer, first uint64) (trips Trips) {
	if decoded := answer.Decoded(); decoded != nil {
		for _, e := range decoded {
			trips.Add(e)
		}
		return trips
	}
	for _, e := range answer.Events {
		if domain.EventName(e.Type) == domain.EventName(domain.EmergencyStopEngagedType) {
			trips.stop = domain.StopPortfolioDrawdown // the only kind that a trip engages
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), trippedWithin)
	defer cancel()
	query := EventQuery{After: int64(first) - 1, Types: []string{"breaker"}, Limit: 100} //nolint:gosec // no stream is that long
	_ = a.EachEvent(ctx, query, func(line EventLine) error {
		if line.Revision > answer.Revision {
			return errOver
		}
		if e, err := domain.Decode(line.Type, line.Data); err == nil && isTrip(line.Type) {
			trips.Add(e)
		}
		return nil
	}) // who may not see them is told that there are some
	return trips
}

var errOver = errors.New("what the command recorded is read")

// Directed says what bots have to do now.
func Directed(d commands.Directive) string {
	said := fmt.Sprintf("%s: %v (%s)", d.Action, d.Bots, d.Reason)
	for _, permit := range d.Permits {
		said += " " + permit
	}
	for _, o := range d.Shrunk {
		said += fmt.Sprintf(" %s: %s left", o.Permit, o.Left)
	}
	for _, l := range d.Legs {
		said += fmt.Sprintf(" %s of %s", l.Quantity, l.Instrument)
	}
	return said
}

// Replayed reports whether the last answer is of a command that an earlier run has sent
// under the key that was given: nothing was done now.
func (a *App) Replayed() bool { return a.replayed }

// Before says of a command that it was recorded by an earlier run.
func (a *App) Before(revision uint64) string {
	return fmt.Sprintf("already recorded at revision %d under this key; nothing was done now", revision)
}

// ToldError is what went wrong after something was done, as to stop it: that it was not must
// not be said.
type ToldError struct{ Err error }

func (e *ToldError) Error() string { return e.Err.Error() }

// Told wraps an error of printing the result of a command that took effect.
func Told(what string, err error) error {
	if err == nil {
		return nil
	}
	return &ToldError{Err: fmt.Errorf("%s; but printing this failed: %w", what, err)}
}

// ReasonOf returns a request body that holds only a reason.
func ReasonOf(reason string) any {
	return struct {
		Reason string `json:"reason,omitempty"`
	}{reason}
}

// Printable turns a reason into one that can be recorded, on one line and no longer than
// allowed, so that no stop fails because of its reason.
func (a *App) Printable(reason string) string {
	line := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(reason, " "))
	line = strings.Join(strings.Fields(line), " ")
	cut := line
	for cut != "" && domain.CheckReason("--reason", cut) != nil {
		_, last := utf8.DecodeLastRuneInString(cut)
		cut = cut[:len(cut)-last]
	}
	if cut != line {
		a.Caution(fmt.Sprintf("--reason is too long: its first %d bytes are kept with the record", len(cut)))
	}
	return cut
}

func (e *ToldError) Unwrap() error { return e.Err }
