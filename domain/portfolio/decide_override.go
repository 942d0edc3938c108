package portfolio

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"pets/domain"
	"pets/domain/approval"
)

// overrideTTL is how long a request waits for the second person.
const overrideTTL = 24 * time.Hour

// Override is an open request or a confirmed override.
type Override struct {
	ID        string          `json:"id"`
	Kind      string          `json:"kind"`
	Portfolio string          `json:"portfolio,omitempty"`
	Limits    json.RawMessage `json:"limits,omitempty"`
	Reason    string          `json:"reason"`
	User      string          `json:"user"`
	ExpiresAt time.Time       `json:"expires_at,omitzero"`
	// Offset of kind clock is the forward correction of the wall clock: as
	// requested, and after that as confirmed.
	Offset domain.Duration `json:"offset,omitzero"`
	// Difference and Checked are what was known when it was requested; see
	// [domain.OverrideRequested].
	Difference *domain.Decimal     `json:"difference,omitempty"`
	Checked    *domain.TokensCheck `json:"checked,omitempty"`
	// ConfirmedBy and At are set once the second person confirmed.
	ConfirmedBy string    `json:"confirmed_by,omitempty"`
	At          time.Time `json:"at,omitzero"`
}

// RequestOverride records the request of the first person. The kinds are those of
// the table; see [OverrideKinds].
func (d *Decision) RequestOverride(kind, portfolio string, limits json.RawMessage, reason string) error {
	if err := d.requireOpen(); err != nil {
		return err
	}
	if err := domain.CheckReason("reason", reason); err != nil {
		return err
	}
	k, known := OverrideKindOf(kind)
	if !known {
		return domain.Invalid("kind", "must be %s", NamedOverrides())
	}
	e := &domain.OverrideRequested{Kind: kind, Portfolio: portfolio, Limits: limits, Reason: reason, User: d.caller.User, ExpiresAt: d.now.Add(overrideTTL)}
	if err := k.check(d, e); err != nil {
		return err
	}
	d.due()
	e.Override = domain.OverrideName(d.s.Next)
	if d.s.Policy.Second() {
		e.Replaces = d.s.replacedBy(e, d.now)
	}
	d.emit(e)
	return nil
}

// ConfirmOverride records the confirmation by another user. What the override has
// changed follows in the same append.
func (d *Decision) ConfirmOverride(id string) error {
	if err := d.requireOpen(); err != nil {
		return err
	}
	o := d.s.Overrides[id]
	switch {
	case o == nil && d.s.Replaced[id] != "":
		return domain.Errorf(domain.CodeConflict, "the request was replaced by %s, which a second person confirms instead", d.s.Replaced[id])
	case o == nil || o.ConfirmedBy == "" && !d.now.Before(o.ExpiresAt):
		return &domain.Error{Code: domain.CodeNotFound, Field: "override", Message: "is not an open request, or waited for more than 24 h"}
	case o.ConfirmedBy != "":
		d.Note(domain.NotedUnchanged, "the override is already confirmed")
		return nil
	case domain.SameUser(o.User, d.caller.User):
		return domain.Errorf(domain.CodeDenied, "the user who requested an override cannot confirm it; it takes two people")
	}
	if err := d.requireLiving(o.User, domain.RevisionOf(o.ID)); err != nil {
		return err
	}
	if err := d.checkApproval(approval.KindOverride, id); err != nil {
		return err
	}
	k, known := OverrideKindOf(o.Kind)
	if !known {
		return domain.Errorf(domain.CodeConflict, "this build does not know overrides of kind %s; confirm it with the build that recorded the request", o.Kind)
	}
	return k.confirm(d, o, &domain.OverrideRecorded{
		Override: id, Kind: o.Kind, Portfolio: o.Portfolio, Limits: o.Limits, Reason: o.Reason, RequestedBy: o.User, ConfirmedBy: d.caller.User,
		Signature: d.signature,
	})
}

// maxOverrides limits how many open and confirmed overrides are remembered.
const maxOverrides = 100

// replaces reports whether a new request takes the place of an open one of its kind.
func replaces(e *domain.OverrideRequested, o *Override) bool {
	k, _ := OverrideKindOf(e.Kind)
	return o.ConfirmedBy == "" && o.Kind == e.Kind && (k.apart == nil || !k.apart(o.Limits, e.Limits))
}

// replacedBy names the requests that wait and that a new one replaces, in the order of their names.
func (s *State) replacedBy(e *domain.OverrideRequested, now time.Time) []string {
	var open []string
	for _, id := range slices.Sorted(maps.Keys(s.Overrides)) {
		if o := s.Overrides[id]; replaces(e, o) && now.Before(o.ExpiresAt) {
			open = append(open, id)
		}
	}
	return open
}

// requestOverride and recordOverride fold the events of overrides.
func (s *State) requestOverride(e *domain.OverrideRequested) {
	k, _ := OverrideKindOf(e.Kind)
	for _, id := range e.Replaces {
		s.replaced(id, e.Override)
	}
	full := len(s.Overrides) >= maxOverrides
	for id, o := range s.Overrides {
		if replaces(e, o) || o.ConfirmedBy == "" && full {
			delete(s.Overrides, id) // A new request replaces an open one.
		}
	}
	s.Overrides[e.Override] = &Override{
		ID: e.Override, Kind: e.Kind, Portfolio: e.Portfolio, Limits: e.Limits, Reason: e.Reason, User: e.User, ExpiresAt: e.ExpiresAt,
		Offset: e.Offset, Difference: e.Difference, Checked: e.Checked,
	}
	if k.requested != nil {
		k.requested(s)
	}
}

// replaced remembers that one request took the place of another.
func (s *State) replaced(id, by string) {
	if s.Replaced == nil {
		s.Replaced = map[string]string{}
	}
	if len(s.Replaced) >= maxOverrides {
		oldest := slices.MinFunc(slices.Collect(maps.Keys(s.Replaced)), comparePermits)
		delete(s.Replaced, oldest)
	}
	s.Replaced[id] = by
}

// isOver reports that a request cannot be confirmed any more: its market was settled meanwhile.
func (s *State) isOver(o *Override) bool {
	if o.Kind != domain.OverridePayouts {
		return false
	}
	_, err := (&Decision{s: s, now: s.Time}).overriddenPayouts(o.Portfolio, o.Limits, o.ID)
	return domain.CodeOf(err) == domain.CodeConflict
}

func (s *State) recordOverride(at domain.Stamp, e *domain.OverrideRecorded) {
	s.Overrides[e.Override] = &Override{
		ID: e.Override, Kind: e.Kind, Portfolio: e.Portfolio, Limits: e.Limits, Reason: e.Reason, User: e.RequestedBy,
		ConfirmedBy: e.ConfirmedBy, At: at.Time, Offset: e.Offset,
	}
	if k, _ := OverrideKindOf(e.Kind); k.recorded != nil {
		k.recorded(s, e)
	}
}
