package portfolio

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"pets/domain"
	"pets/domain/risk"
)

// Version changes whenever the fold derives another state from the same events,
// or the snapshot gets another shape. Snapshots of other versions are discarded.
// A test fails if the state hash of the golden history changes without it.
const Version = 15

// snapshot is the state as stored: maps with struct keys become sorted lists.
type snapshot struct {
	Version     int            `json:"version"`
	State       *State         `json:"state"`
	Instruments []*Instrument  `json:"instruments"`
	Fills       []fillEntry    `json:"fills"`
	Breakers    []breakerEntry `json:"breakers"`
}

type fillEntry struct {
	ID domain.FillID `json:"id"`
	FillRef
	// Elsewhere reports that the id is that of another fill, in another market, too.
	Elsewhere bool `json:"elsewhere,omitempty"`
	// Provisional is the instrument of a fill that can still be voided.
	Provisional *domain.Instrument `json:"provisional,omitempty"`
}

type breakerEntry struct {
	risk.Key
	risk.Breaker
}

// Snapshot returns the whole state as canonical JSON: the same state always
// gives the same bytes.
func (s *State) Snapshot() ([]byte, error) {
	out := snapshot{Version: Version, State: s, Instruments: s.SortedInstruments(), Fills: slices.Grow([]fillEntry(nil), len(s.Fills))}
	for id, ref := range s.Fills {
		out.Fills = append(out.Fills, s.entryOf(FillKey{FillID: id}, ref))
	}
	for key, ref := range s.Elsewhere {
		out.Fills = append(out.Fills, s.entryOf(key, ref))
	}
	slices.SortFunc(out.Fills, compareFills)
	for key, b := range s.Breakers {
		out.Breakers = append(out.Breakers, breakerEntry{key, *b})
	}
	slices.SortFunc(out.Breakers, func(a, b breakerEntry) int {
		return cmp.Or(strings.Compare(a.Key.Breaker, b.Key.Breaker), strings.Compare(a.Bot, b.Bot))
	})
	return json.Marshal(out)
}

func (s *State) entryOf(key FillKey, ref FillRef) fillEntry {
	entry := fillEntry{ID: key.FillID, FillRef: ref, Elsewhere: key.Market != ""}
	if in, ok := s.Provisional[key]; ok {
		entry.Provisional = &in
	}
	return entry
}

func compareFills(a, b fillEntry) int {
	return cmp.Or(strings.Compare(a.ID.Bot, b.ID.Bot), strings.Compare(a.ID.Venue, b.ID.Venue),
		strings.Compare(a.ID.TradeID, b.ID.TradeID), cmp.Compare(a.ID.Leg, b.ID.Leg), strings.Compare(a.Market, b.Market))
}

// Hash is the SHA-256 of the snapshot. Two folds agree exactly if their hashes
// do.
func (s *State) Hash() (string, error) {
	b, err := s.Snapshot()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// Restore returns the state that wrote a snapshot. Any doubt is an error; the
// caller then folds the stream from its beginning.
func Restore(b []byte) (*State, error) {
	in := snapshot{State: &State{}}
	if err := domain.DecodeObject(b, &in); err != nil {
		return nil, fmt.Errorf("portfolio: snapshot does not decode: %w", err)
	}
	if in.Version != Version {
		return nil, fmt.Errorf("portfolio: snapshot has version %d, this build writes %d", in.Version, Version)
	}
	if !in.complete() {
		return nil, errors.New("portfolio: snapshot lacks a part of the state")
	}
	s := in.State
	empty := New()
	s.Instruments, s.Fills, s.Provisional, s.Breakers = empty.Instruments, empty.Fills, empty.Provisional, empty.Breakers
	s.Elsewhere = empty.Elsewhere
	for _, i := range in.Instruments {
		s.Instruments[i.Instrument] = i
		for _, h := range i.Holdings {
			h.counted = !h.IsFlat()
			s.weigh(i, h)
		}
	}
	for _, f := range in.Fills {
		key := FillKey{FillID: f.ID}
		if f.Elsewhere {
			key.Market = f.Market
			s.Elsewhere[key] = f.FillRef
		} else {
			s.Fills[f.ID] = f.FillRef
		}
		if f.Provisional != nil {
			s.Provisional[key] = *f.Provisional
		}
	}
	for _, b := range in.Breakers {
		breaker := b.Breaker
		s.Breakers[b.Key] = &breaker
	}
	for _, b := range s.Bots {
		s.valueOther(b)
	}
	s.indexPermits()
	s.indexMarkets()
	return s, nil
}

// complete reports whether a snapshot has all parts: JSON accepts null for any of
// them.
func (in *snapshot) complete() bool {
	s := in.State
	if s == nil || s.Book == nil || !filled(s.Assets) || !filled(s.Bots) || !filled(s.Markets) || !filled(s.Permits) || !filled(s.Arbitrages) || !filled(s.Overrides) || !s.Custody.complete() || !s.Refs.Hours.Complete() {
		return false
	}
	for _, b := range s.Bots {
		if !b.Refs.Hours.Complete() {
			return false
		}
	}
	for _, i := range in.Instruments {
		if i == nil || slices.Contains(i.Holdings, nil) || slices.Contains(i.Paid, nil) {
			return false
		}
	}
	return true
}

func filled[V any](m map[string]*V) bool {
	for _, v := range m {
		if v == nil {
			return false
		}
	}
	return m != nil
}
