package commands

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/google/uuid"

	"pets/domain"
	"pets/eventstore"
)

// Answer is the answer to an accepted command. It is a pure function of the records
// that the command stored, so that a retry, after a restart or at another server, gets
// the first answer again. An [Engine] adds the current status (recalled.go): whether a
// permit still allows its order, and what bots have to do.
type Answer struct {
	// Revision of the last record of the command.
	Revision   uint64      `json:"revision"`
	Events     []EventRef  `json:"events"`
	Directives []Directive `json:"directives"`
	// ID is the name of what the command created, if it has one: a request to clear an
	// emergency stop, an override, an API key, an approver's key, a transfer, a key rotation.
	ID string `json:"id,omitempty"`
	// Replaces names the requests for overrides that waited, and that this one replaces.
	Replaces []string `json:"replaces,omitempty"`
	// Flags say what is remarkable about the fill, the closed trade or the settlement that was
	// reported.
	Flags []string `json:"flags,omitempty"`
	// Permit is set for permit requests.
	Permit *PermitAnswer `json:"permit,omitempty"`
	// Signature is set for requests to sign. It does not hold the signature itself, which
	// is never recorded.
	Signature *SignatureAnswer `json:"signature,omitempty"`
	// Refused are the marks of the request that were not taken, by their place in it; the
	// others were taken.
	Refused []domain.RefusedMark `json:"refused,omitempty"`
	// WaitingMarks are the marks of what a breaker's scope holds that waited beyond the collar when
	// it was reset: it was measured at the prices in force.
	WaitingMarks []domain.ConfirmedMark `json:"waiting_marks,omitempty"`
	// ClockBehind is by how much the wall clock was behind the last record. If it was, the
	// command was recorded with that record's time.
	ClockBehind domain.Duration `json:"clock_behind,omitzero"`
	// Replayed reports that the command had been accepted before. It is not part
	// of the answer.
	Replayed bool `json:"-"`
	// Kept reports that a stop that is not recorded yet survives a restart. It is not part
	// of the answer.
	Kept bool `json:"-"`

	events []domain.Event
	stored int
	// Bytes of the contents of markets that it brought back, and that it archived.
	restored, archived int
}

// EventRef points to a stored record.
type EventRef struct {
	Revision uint64    `json:"revision"`
	Type     string    `json:"type"`
	ID       uuid.UUID `json:"id"`
}

// Actions of directives.
const (
	ActionStop           = "stop"            // place no order, cancel those not placed yet
	ActionClosePositions = "close_positions" // close positions, with permits that only reduce
	ActionCancelOrders   = "cancel_orders"   // cancel the orders of these permits, which open
	ActionGroupShrunk    = "group_shrunk"    // leave no more of these orders, or cancel them
	ActionCloseLegs      = "close_legs"      // close these legs of an arbitrage, which others do not cover
)

// Directive tells bots what to do now.
type Directive struct {
	// Action is stop, close_positions, cancel_orders, group_shrunk or close_legs.
	Action string   `json:"action" enum:"stop,close_positions,cancel_orders,group_shrunk,close_legs"`
	Bots   []string `json:"bots"`
	Reason string   `json:"reason"`
	// Permits are those of the orders to cancel.
	Permits []string `json:"permits,omitempty"`
	// Shrunk are the orders of a group of which less may be filled.
	Shrunk []domain.ShrunkOrder `json:"shrunk,omitempty"`
	// Legs are what to close, negative where it was sold.
	Legs []domain.OpenLeg `json:"legs,omitempty"`
	// Pending: the stop is in force, but not recorded yet.
	Pending bool `json:"pending,omitempty"`
}

// PermitAnswer is the answer to a permit request: may I trade?
type PermitAnswer struct {
	Allowed bool `json:"allowed"`
	// Status is missing in the first answer, and in a repeated one while the permit is as it
	// was granted. If it is set, allowed is false and no order may be placed.
	Status    string          `json:"status,omitempty" enum:"working,over,held"`
	PermitID  string          `json:"permit_id,omitempty"`
	ExpiresAt *time.Time      `json:"expires_at,omitempty"`
	Reserved  domain.Decimal  `json:"reserved"`
	Reasons   []domain.Reason `json:"reasons"`
	// Fill is the fill that the engine made at once, in a paper portfolio.
	Fill *PaperFill `json:"fill,omitempty"`
	// Arbitrage names an arbitrage that was permitted; each leg has a permit of its own.
	// Cost and SurePayout are those of all legs together.
	Arbitrage  string          `json:"arbitrage,omitempty"`
	Legs       []LegAnswer     `json:"legs,omitempty"`
	Deadline   *time.Time      `json:"deadline,omitempty"`
	Cost       *domain.Decimal `json:"cost,omitempty"`
	SurePayout *domain.Decimal `json:"sure_payout,omitempty"`
}

// LegAnswer is the permit of one leg.
type LegAnswer struct {
	PermitID string `json:"permit_id"`
	// Status is missing while the permit is as it was granted.
	Status   string         `json:"status,omitempty" enum:"working,over,held"`
	Reserved domain.Decimal `json:"reserved"`
	Fill     *PaperFill     `json:"fill,omitempty"`
}

// PaperFill is a fill that the engine made, as it was recorded.
type PaperFill struct {
	Venue    string         `json:"venue"`
	TradeID  string         `json:"trade_id"`
	Quantity domain.Decimal `json:"quantity"`
	Price    domain.Decimal `json:"price"`
	Notional domain.Decimal `json:"notional"`
	Fee      domain.Decimal `json:"fee"`
}

// SignatureAnswer answers a request to sign.
type SignatureAnswer struct {
	Signed   bool   `json:"signed"`
	Purpose  string `json:"purpose" enum:"order,transfer"`
	Permit   string `json:"permit,omitempty"`
	Transfer string `json:"transfer,omitempty"`
	Wallet   string `json:"wallet,omitempty"`
	Address  string `json:"address,omitempty"`
	// Digest is the signed digest, 64 hex digits; Shape names the shape of the typed data.
	Digest string `json:"digest,omitempty"`
	Shape  string `json:"shape,omitempty"`
	// Reasons say why it was not signed.
	Reasons []domain.SignatureObstacle `json:"reasons"`
}

func signatureMade(e *domain.SignatureMade) *SignatureAnswer {
	return &SignatureAnswer{
		Signed: true, Purpose: e.Purpose, Permit: e.Permit, Transfer: e.Transfer, Wallet: e.Wallet, Address: e.Address, Digest: e.Digest,
		Shape: e.Shape, Reasons: []domain.SignatureObstacle{},
	}
}

func signatureRefused(e *domain.SignatureRefused) *SignatureAnswer {
	return &SignatureAnswer{Purpose: e.Purpose, Permit: e.Permit, Transfer: e.Transfer, Digest: e.Digest, Shape: e.Shape, Reasons: e.Reasons}
}

// Decoded returns the events of the answer.
func (a *Answer) Decoded() []domain.Event { return a.events }

// Charged returns how many of the stored bytes its sender is answerable for. A market that the
// command archived was settled by others, and its turn came. One that it brought back counts
// twice, because it will be archived again.
func (a *Answer) Charged() int {
	if a.Replayed {
		return 0
	}
	return a.stored - a.archived + a.restored
}

// Restored reports whether the command brought an archived market back.
func (a *Answer) Restored() bool { return !a.Replayed && a.restored > 0 }

// NewImportAnswer is the answer to an imported row, as received from the server that
// recorded it.
func NewImportAnswer(revision uint64, replayed bool, events []domain.Event) Answer {
	return Answer{Revision: revision, Replayed: replayed, events: events}
}

// Closed counts the trades the command closed.
func (a *Answer) Closed() int {
	n := 0
	for _, e := range a.events {
		switch e := e.(type) {
		case *domain.TradeClosed:
			n++
		case *domain.TradesClosed:
			n += len(e.Rows)
		}
	}
	return n
}

// size returns how many bytes records add to the history.
func size(records []eventstore.Record) int {
	n := 0
	for i := range records {
		n += len(records[i].Type) + len(records[i].Metadata) + len(records[i].Data)
	}
	return n
}

// answerOf builds the answer from the command's records, already decoded.
func answerOf(records []eventstore.Record, events []domain.Event) Answer {
	a := Answer{Events: make([]EventRef, 0, len(records)), Directives: []Directive{}, events: events, stored: size(records)}
	for i, rec := range records {
		a.Revision = rec.Revision
		a.Events = append(a.Events, EventRef{rec.Revision, rec.Type, rec.ID})
		a.add(events[i])
	}
	return a
}

func (a *Answer) add(event domain.Event) {
	a.Directives = append(a.Directives, DirectivesOf(event)...)
	switch e := event.(type) {
	case *domain.PermitGranted:
		a.addGranted(e)
	case *domain.ArbitragePermitted:
		deadline := e.Deadline.Add(-time.Duration(e.Ahead))
		a.Permit = &PermitAnswer{
			Allowed: true, Reasons: []domain.Reason{}, Arbitrage: e.Arbitrage, Deadline: &deadline, Cost: &e.Cost, SurePayout: &e.SurePayout,
		}
	case *domain.FillRecorded:
		a.addPaperFill(e)
		a.addFlags(e)
	case *domain.MarketSettled:
		a.Flags = e.Flags
	case *domain.MarketRestored:
		a.restored += len(e.Content)
	case *domain.MarketArchived:
		a.archived += len(e.Content)
	case *domain.PriceMarked:
		a.Refused = e.Refused
	case *domain.BreakerReset:
		a.WaitingMarks = e.WaitingMarks
	case *domain.FillReinstated:
		a.addFlags(&e.FillRecorded)
	case *domain.TradeClosed:
		if e.ClosedBy == domain.ClosedByReport {
			a.Flags = e.Flags
		}
	case *domain.PermitDenied:
		a.Permit = &PermitAnswer{Reasons: e.Reasons}
	case *domain.ArbitrageDenied:
		a.Permit = &PermitAnswer{Reasons: e.Reasons, Cost: &e.Cost, SurePayout: &e.SurePayout}
	case *domain.EmergencyStopClearRequested:
		a.ID = e.Request
	case *domain.OverrideRequested:
		a.ID, a.Replaces = e.Override, e.Replaces
	case *domain.APIKeyIssued:
		a.ID = e.Key
	case *domain.ApproverRegistered:
		a.ID = e.Approver
	case *domain.TransferRequested:
		a.ID = e.Transfer
	case *domain.SignatureMade:
		a.Signature = signatureMade(e)
	case *domain.SignatureRefused:
		a.Signature = signatureRefused(e)
	case *domain.KeyRotationStarted:
		a.ID = e.Rotation
	}
}

// addGranted adds a permit: that of the order, or of a leg.
func (a *Answer) addGranted(e *domain.PermitGranted) {
	at := e.ExpiresAt.Add(-time.Duration(e.Ahead)) // on the wall clock, which bots compare it with
	if e.Arbitrage == "" || a.Permit == nil {
		a.Permit = &PermitAnswer{Allowed: true, PermitID: e.Permit, ExpiresAt: &at, Reserved: e.Reserved, Reasons: []domain.Reason{}}
		return
	}
	p := a.Permit
	p.ExpiresAt, p.Reserved = &at, p.Reserved.Add(e.Reserved)
	p.Legs = append(p.Legs, LegAnswer{PermitID: e.Permit, Reserved: e.Reserved})
}

// addPaperFill adds a fill that the engine made under the permit just granted.
func (a *Answer) addPaperFill(e *domain.FillRecorded) {
	if e.Venue != domain.VenuePaper || a.Permit == nil {
		return
	}
	fill := &PaperFill{Venue: e.Venue, TradeID: e.TradeID, Quantity: e.Quantity, Price: e.Price, Notional: e.Notional, Fee: e.Fee}
	if a.Permit.PermitID == e.Permit {
		a.Permit.Fill = fill
	}
	for i := range a.Permit.Legs {
		if a.Permit.Legs[i].PermitID == e.Permit {
			a.Permit.Legs[i].Fill = fill
		}
	}
}

// addFlags adds those of a fill that was reported. The engine's own are in no answer but
// that of their permit.
func (a *Answer) addFlags(e *domain.FillRecorded) {
	if e.Venue != domain.VenuePaper {
		a.Flags = e.Flags
	}
}

// DirectivesOf returns the directives that an event has for bots.
func DirectivesOf(event domain.Event) []Directive {
	switch e := event.(type) {
	case *domain.BreakerTripped:
		return halting(e.BotsStopped, "breaker "+e.Breaker+" tripped", e.CancelOrders, e.ClosePositions)
	case *domain.BreakersTripped:
		var told []Directive
		for _, one := range domain.Flatten(e) {
			told = append(told, DirectivesOf(one)...)
		}
		return told
	case *domain.EmergencyStopEngaged:
		return halting(e.BotsStopped, "emergency stop: "+e.Kind, e.CancelOrders, e.ClosePositions)
	case *domain.BotStopped:
		return halting([]string{e.Bot}, "stopped by an operator", e.CancelOrders, false)
	case *domain.FillRecorded:
		told := strayed("a fill closed what they were to close", domain.BotOrders{Bot: e.Bot, Permits: e.CancelOrders})
		if len(e.Shrunk) > 0 {
			told = append(told, Directive{Action: ActionGroupShrunk, Bots: []string{e.Bot}, Reason: "another order of their group was filled", Shrunk: e.Shrunk})
		}
		return told
	case *domain.FillReinstated:
		return DirectivesOf(&e.FillRecorded)
	case *domain.FillVoided:
		return strayed("the fill that they were to close was voided", domain.BotOrders{Bot: e.Bot, Permits: e.CancelOrders})
	case *domain.SetsChanged:
		return strayed("what they were to close went into complete sets", domain.BotOrders{Bot: e.Bot, Permits: e.CancelOrders})
	case *domain.PermitGranted:
		return strayed("an operator's order closes what they were to close", domain.BotOrders{Bot: e.Bot, Permits: e.CancelOrders})
	case *domain.MarketPaidOut:
		return strayed("what they were to close was settled", e.CancelOrders...)
	case *domain.MarketRegistered:
		return strayed("what they were to close is held together with other outcomes", e.CancelOrders...)
	case *domain.ArbitrageTimedOut:
		if e.Close && len(e.Open) > 0 {
			return []Directive{{Action: ActionCloseLegs, Bots: []string{e.Bot}, Reason: "the legs of " + e.Arbitrage + " were not all filled in time", Legs: e.Open}}
		}
	case *domain.PermitDenied:
		return ofDenial(e.Bot, e.Reasons)
	case *domain.ArbitrageDenied:
		return ofDenial(e.Bot, e.Reasons)
	}
	return nil
}

// halting returns what a halt tells the bots that it stops.
func halting(bots []string, reason string, orders []string, closing bool) []Directive {
	told := direct(nil, ActionStop, bots, reason)
	if len(bots) > 0 && len(orders) > 0 {
		told = append(told, Directive{Action: ActionCancelOrders, Bots: bots, Reason: reason, Permits: orders})
	}
	if closing {
		told = direct(told, ActionClosePositions, bots, reason)
	}
	return told
}

// strayed directs halted bots to cancel orders that have nothing left to close.
func strayed(reason string, orders ...domain.BotOrders) (told []Directive) {
	for _, o := range orders {
		if len(o.Permits) > 0 {
			told = append(told, Directive{Action: ActionCancelOrders, Bots: []string{o.Bot}, Reason: reason, Permits: o.Permits})
		}
	}
	return told
}

func ofDenial(bot string, reasons []domain.Reason) []Directive {
	for _, r := range reasons {
		if slices.Contains(stopping, r.Code) {
			return direct(nil, ActionStop, []string{bot}, r.Message)
		}
	}
	return nil
}

// stopping are the reasons for which a bot may not trade at all.
var stopping = []domain.ReasonCode{domain.ReasonEmergencyStop, domain.ReasonBreakerTripped, domain.ReasonBotStopped}

func direct(told []Directive, action string, bots []string, reason string) []Directive {
	if len(bots) == 0 {
		return told
	}
	return append(told, Directive{Action: action, Bots: bots, Reason: reason})
}

// answer gives every step of a durable group its result. Reading and building answers is
// left to the goroutine of the caller, so that other callers do not wait for it.
func (w *Writer) answer(g *group) {
	records := g.records
	for _, s := range g.steps {
		n := len(s.events)
		s.records, records = records[:n], records[n:]
		switch {
		case s.err != nil:
			s.finish(Result{Err: s.err})
		case s.job.brief && s.known == nil:
			s.finish(Result{Answer: Answer{Revision: s.records[n-1].Revision, ClockBehind: domain.Duration(s.behind), events: s.events, stored: size(s.records)}})
		default:
			s.later = true
			s.finish(Result{})
		}
	}
}

// complete builds the answers of a call that the writer has left to it.
func (w *Writer) complete(j *job) {
	(&pointed{w: w}).complete(j, 0, j.answered)
}

// complete builds some of the answers of a call.
func (p *pointed) complete(j *job, from, to int) {
	for i := from; i < to; i++ {
		if i%fairShare == fairShare-1 {
			runtime.Gosched() // many long answers must not keep the writer from a processor
		}
		s, result := &j.steps[i], &j.results[i]
		switch {
		case !s.later:
		case s.known != nil:
			result.Answer, result.Err = p.recall(s)
		default:
			result.Answer, result.Err = p.build(s.records, s.events)
			result.Answer.ClockBehind = domain.Duration(s.behind)
		}
		s.events, s.records, s.known = nil, nil, nil // the answer has what it needs of them
	}
}

// pointed caches the events that the answers of one call point to: a thousand coalesced
// denials may point to the same one.
type pointed struct {
	w      *Writer
	events map[uint64]domain.Event
}

func (p *pointed) at(revision uint64) (domain.Event, error) {
	if e := p.events[revision]; e != nil {
		return e, nil
	}
	first, err := p.w.read(revision, 1)
	if err != nil {
		return nil, err
	}
	e, err := domain.Decode(first[0].Type, first[0].Data)
	if err == nil {
		if p.events == nil {
			p.events = map[uint64]domain.Event{}
		}
		p.events[revision] = e
	}
	return e, err
}

// build builds an answer. A coalesced denial is answered with the first one, a resumed
// rotation with its name, and a fill that was reported before with its flags.
func (p *pointed) build(records []eventstore.Record, events []domain.Event) (Answer, error) {
	a := answerOf(records, events)
	for _, e := range events {
		noted, ok := e.(*domain.CommandNoted)
		if !ok || noted.Of == nil {
			continue
		}
		of, err := p.at(*noted.Of)
		if err != nil {
			return Answer{}, err
		}
		switch of.(type) {
		case *domain.PermitDenied, *domain.ArbitrageDenied, *domain.SignatureMade, *domain.SignatureRefused, *domain.KeyRotationStarted,
			*domain.FillRecorded, *domain.FillReinstated, *domain.TradeClosed:
			a.add(of)
		}
	}
	return a, nil
}

// recall answers a command that is in the stream from its stored records.
func (p *pointed) recall(s *step) (Answer, error) {
	w := p.w
	if s.job.brief && !s.sent {
		return Answer{Revision: s.known.first + uint64(s.known.count) - 1, Replayed: true}, nil
	}
	records, err := w.read(s.known.first, int(s.known.count))
	if err != nil {
		return Answer{}, err
	}
	events := make([]domain.Event, len(records))
	for i, rec := range records {
		if events[i], err = domain.Decode(rec.Type, rec.Data); err != nil {
			return Answer{}, fmt.Errorf("revision %d: %w", rec.Revision, err)
		}
	}
	a, err := p.build(records, events)
	if m, bad := domain.DecodeMetadata(records[0].Metadata); bad == nil {
		a.ClockBehind = m.ClockBehind
	}
	// After an ambiguous append the records may be those of this very call.
	own := s.sent && records[0].ID == recordID(w.subject, s.command, w.options.Instance, 0)
	a.Replayed = !own
	return a, err
}

// read returns records that are known to be durable.
func (w *Writer) read(first uint64, count int) ([]eventstore.Record, error) {
	records := make([]eventstore.Record, 0, count)
	for rec, err := range w.store.ReadStream(context.Background(), w.stream, first) {
		if err != nil {
			return nil, &domain.Error{Code: domain.CodeUnavailable, Message: "the command is recorded, but its answer cannot be read now", Cause: err}
		}
		if records = append(records, rec); len(records) == count {
			return records, nil
		}
	}
	return nil, domain.Errorf(domain.CodeInternal, "revision %d and the %d after it are not all in the stream", first, count-1)
}
