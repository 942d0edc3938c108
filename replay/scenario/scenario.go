package scenario

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/eventstore/memory"
	"pets/projections"
	"pets/replay"
)

// Limits of a scenario. Every step folds the whole history again, so the work is
// quadratic in its length.
const (
	maxLines     = 2000
	maxLineBytes = 4096
)

// Portfolio is the only portfolio of a scenario.
const Portfolio = "main"

// Start is the clock of a scenario that does not set it.
var Start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Error reports a line that cannot be parsed, or a step after which the books are
// inconsistent. A refused command is not an error; the refusal is output.
type Error struct {
	Name string
	Line int // from 1
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %v", e.Name, e.Line, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Options of a run.
type Options struct {
	Name string // stands before errors
	// First is the number of the first line, 1 if not given: a scenario may stand in a document.
	First int
	// Restart gives every command a writer that has just been started.
	Restart bool
	// New opens portfolios as new ones are opened, under the second edition of the rules,
	// unless a line says rules=1. Without it, only what a line says is of that edition.
	New bool
}

// Run runs a scenario, a text with one command per line, and writes it again with the
// current output of its commands: a scenario whose output has not changed is written as it
// was read. Output lines begin with > (or ! for a refusal), comments with #.
//
// The commands are real: they go through a [commands.Writer] into a store in memory,
// against a clock that only the scenario moves. After each of them the history is
// verified from its beginning, and folded once more through a snapshot. Nothing outside w
// is touched.
func Run(ctx context.Context, o Options, r io.Reader, w io.Writer) error {
	s := newScenario(o, w)
	defer s.close()
	return s.run(ctx, r)
}

// Store runs a scenario and returns the store that it filled.
func Store(ctx context.Context, o Options, r io.Reader) (*memory.Store, error) {
	s := newScenario(o, io.Discard)
	err := s.run(ctx, r)
	s.writer.Close()
	return s.store, err
}

func (s *scenario) run(ctx context.Context, r io.Reader) error {
	in := bufio.NewScanner(r)
	in.Buffer(nil, maxLineBytes)
	first := max(1, s.options.First)
	number := first
	for ; in.Scan(); number++ {
		text := in.Text()
		if number-first == maxLines {
			return s.wrong(number, fmt.Errorf("a scenario has at most %d lines; split it", maxLines))
		}
		if isOutput(text) {
			continue
		}
		s.out.print(text)
		if err := s.line(ctx, text); err != nil {
			return s.wrong(number, err)
		}
	}
	if errors.Is(in.Err(), bufio.ErrTooLong) {
		return s.wrong(number, fmt.Errorf("the line has over %d bytes", maxLineBytes))
	}
	return errors.Join(in.Err(), s.out.flush())
}

func isOutput(text string) bool { return strings.HasPrefix(text, ">") || strings.HasPrefix(text, "!") }

// scenario is one run.
type scenario struct {
	options Options
	out     *lines
	store   *memory.Store
	writer  *commands.Writer

	now            time.Time
	caller         domain.Caller
	imported       bool
	verbose, quiet bool

	// Folded from the store, as any reader does.
	state  *portfolio.State
	trades *projections.Trades
	stats  *projections.StatsFold
	equity *projections.Equity

	// The value of "last", and the numbers of fills and commands so far.
	permit, request, override, transfer string
	fills, commands                     int
}

func newScenario(o Options, w io.Writer) *scenario {
	s := &scenario{
		options: o, out: &lines{w: bufio.NewWriter(w)}, store: memory.New(), now: Start,
		caller: domain.Caller{User: "olga", Role: domain.RoleOperator},
		state:  portfolio.New(), trades: projections.NewTrades(nil), stats: projections.NewStats(nil), equity: projections.NewEquity(nil),
	}
	s.start()
	return s
}

// start starts a new writer. Its instance is fixed, so that the same scenario
// always stores the same bytes.
func (s *scenario) start() {
	s.writer = commands.NewWriter(s.store, Portfolio, commands.Options{
		Now:      func() time.Time { return s.now },
		Instance: uuid.NewSHA1(uuid.NameSpaceOID, []byte("scenario")),
	})
}

func (s *scenario) close() {
	s.writer.Close()
	_ = s.store.Close() // a memory store has nothing to lose
}

func (s *scenario) wrong(number int, err error) error {
	return errors.Join(&Error{s.options.Name, number, err}, s.out.flush())
}

// line runs one line of the scenario.
func (s *scenario) line(ctx context.Context, text string) error {
	words, err := split(text)
	if err != nil || len(words) == 0 {
		return err
	}
	a, err := newArgs(words[1:])
	if err != nil {
		return err
	}
	if set, ok := settings[words[0].text]; ok {
		set(s, a)
		return a.finish()
	}
	if words[0].text == "show" {
		return s.show(a)
	}
	v, ok := verbs[words[0].text]
	if !ok {
		return fmt.Errorf("%q is not a command; the commands are %s", words[0].text, strings.Join(Words(), " "))
	}
	key := a.option("key")
	todo := v.build(s, a)
	if err := a.finish(); err != nil {
		return fmt.Errorf("%w; write: %s %s", err, words[0].text, v.usage)
	}
	for _, c := range todo {
		if err := s.send(ctx, c, key); err != nil {
			return err
		}
	}
	return nil
}

// send runs one command and prints what it recorded, or the refusal.
func (s *scenario) send(ctx context.Context, c commands.Command, key string) error {
	s.commands++
	if key == "" {
		key = fmt.Sprintf("step-%d", s.commands)
	}
	if s.options.Restart {
		s.writer.Close()
		s.start()
	}
	before := s.state.Next
	answer, refusal := s.do(ctx, c, key)
	if code := domain.CodeOf(refusal); code == domain.CodeInternal || code == domain.CodeUnavailable {
		return refusal // caused by a defect or the end of the context, not by the command
	}
	if err := s.catchUp(ctx); err != nil {
		return err
	}
	switch {
	case refusal != nil && s.state.Next != before:
		return fmt.Errorf("the command was refused (%w), but something was recorded", refusal)
	case refusal != nil:
		s.out.print("! " + string(domain.CodeOf(refusal)) + ": " + refusal.Error())
	case answer.Replayed:
		s.printAgain(&answer)
	}
	return s.check(ctx)
}

// do sends the command to the writer. A live opening, which no command can do
// yet, is stored directly, as the gate would store it.
func (s *scenario) do(ctx context.Context, c commands.Command, key string) (commands.Answer, error) {
	if o, ok := c.(openLive); ok {
		err := s.appendOpened(ctx, o.event)
		s.writer.Close() // it may have looked before there were any records
		s.start()
		return commands.Answer{}, err
	}
	r := commands.Request{Caller: s.caller, Key: key, Command: c}
	if _, reset := c.(commands.ResetBreaker); s.imported && !reset {
		r.Import = &commands.Import{At: s.now, Source: s.options.Name}
	}
	return s.writer.Do(ctx, r)
}

func (s *scenario) appendOpened(ctx context.Context, e *domain.PortfolioOpened) error {
	data, err := domain.Encode(e)
	if err != nil {
		return err
	}
	id := uuid.NewSHA1(uuid.NameSpaceOID, []byte("live opening"))
	metadata := fmt.Sprintf(`{"actor":"scenario","role":"admin","command":"open_portfolio","command_id":"%s","request_hash":"%064d"}`, id, 0)
	_, err = s.store.Append(ctx, commands.Stream(Portfolio), eventstore.NoStream, []eventstore.Proposed{{
		ID: id, Type: e.EventType(), Time: s.now, Data: data, Metadata: []byte(metadata),
	}})
	return err
}

// catchUp folds what was recorded since the last step and prints it.
func (s *scenario) catchUp(ctx context.Context) error {
	return eventstore.Walk(ctx, s.store, commands.Stream(Portfolio), s.state.Next, func(rec eventstore.Record) error {
		e, err := domain.Decode(rec.Type, rec.Data)
		if err != nil {
			return err
		}
		s.state.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
		for _, p := range []projections.Projection{s.trades, s.stats, s.equity} {
			p.Apply(rec, e, s.state)
		}
		s.remember(e)
		s.printRecord(rec, e)
		return nil
	})
}

// remember stores the value of "last".
func (s *scenario) remember(event domain.Event) {
	switch e := event.(type) {
	case *domain.PermitGranted:
		s.permit = e.Permit
	case *domain.EmergencyStopClearRequested:
		s.request = e.Request
	case *domain.OverrideRequested:
		s.override = e.Override
	case *domain.TransferRequested:
		s.transfer = e.Transfer
	case *domain.PortfolioOpened:
		s.imported = e.Clock == domain.ClockImported
	}
}

// printRecord writes what was recorded: with verbose, the line `pets events` has.
func (s *scenario) printRecord(rec eventstore.Record, e domain.Event) {
	if s.quiet {
		return
	}
	stamp := ""
	if s.verbose {
		stamp = fmt.Sprintf("%6d  %s  ", rec.Revision, rec.Time.UTC().Format(time.DateTime))
	}
	s.out.print("> " + stamp + sentence(e))
	switch denied := e.(type) {
	case *domain.PermitDenied:
		s.printReasons(denied.Reasons)
	case *domain.ArbitrageDenied:
		s.printReasons(denied.Reasons)
	case *domain.SignatureRefused:
		for _, r := range denied.Reasons {
			s.out.print(">   " + reason(domain.Reason{Code: domain.ReasonCode(r.Code), Value: r.Value, Limit: r.Limit, Message: r.Message}))
		}
	}
}

func (s *scenario) printReasons(reasons []domain.Reason) {
	for _, r := range reasons {
		s.out.print(">   " + reason(r))
	}
}

// sentence returns an event as `pets events` shows it, without revision and time.
func sentence(e domain.Event) string {
	return fmt.Sprintf("%-22s %s", domain.EventName(e.EventType()), replay.Describe(e))
}

func reason(r domain.Reason) string {
	text := string(r.Code) + ": " + r.Message
	if r.Leg > 0 {
		text = fmt.Sprintf("leg %d: %s", r.Leg, text)
	}
	if r.Value != "" {
		text += "; value " + r.Value
	}
	if r.Limit != "" {
		text += ", limit " + r.Limit
	}
	return text
}

// printAgain prints the first answer of a repeated command.
func (s *scenario) printAgain(answer *commands.Answer) {
	s.out.print("> answered before, nothing recorded:")
	for _, e := range answer.Decoded() {
		s.out.print(">   " + sentence(e))
	}
}

// check compares the state of this run, folded step by step, with the whole
// history, verified from its beginning, and with its own snapshot.
func (s *scenario) check(ctx context.Context) error {
	if s.state.Next == 0 {
		return nil
	}
	live, err := s.state.Hash()
	if err != nil {
		return err
	}
	v, err := replay.Verify(ctx, s.store, commands.Stream(Portfolio), nil)
	switch {
	case err != nil:
		return err
	case len(v.Problems) > 0:
		return fmt.Errorf("the history is inconsistent: revision %d: %s", v.Problems[0].Revision, v.Problems[0].What)
	case v.StateHash != live:
		return errors.New("the history folds to another state from its beginning than step by step")
	}
	return s.checkSnapshot(live)
}

func (s *scenario) checkSnapshot(live string) error {
	snapshot, err := s.state.Snapshot()
	if err != nil {
		return err
	}
	restored, err := portfolio.Restore(snapshot)
	if err != nil {
		return err
	}
	again, err := restored.Hash()
	if err == nil && again != live {
		err = errors.New("the snapshot restores another state")
	}
	s.state = restored // from here on the run continues as after a restart
	return err
}

// lines writes lines and keeps the first failure.
type lines struct {
	w   *bufio.Writer
	err error
}

func (l *lines) print(text string) {
	if _, err := l.w.WriteString(text + "\n"); err != nil && l.err == nil {
		l.err = err
	}
}

func (l *lines) flush() error {
	if err := l.w.Flush(); err != nil && l.err == nil {
		l.err = err
	}
	return l.err
}
