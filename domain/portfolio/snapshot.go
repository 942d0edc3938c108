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
const Version = 17

// snapshot is the state as stored: maps with struct keys become sorted lists.
type snapshot struct {
	Version     int            `json:"version"`
	State       *State         `json:"state"`
	Instruments []*Instrument  `json:"instruments"`
	Provisional []fillEntry    `json:"provisional"`
	Breakers    []breakerEntry `json:"breakers"`
}

type fillEntry struct {
	ID domain.FillID `json:"id"`
	FillRef
	In domain.Instrument `json:"in"`
}

type breakerEntry struct {
	risk.Key
	risk.Breaker
}

// Snapshot returns the state, but for the past, as canonical JSON: the same state
// always gives the same bytes.
func (s *State) Snapshot() ([]byte, error) {
	out := snapshot{Version: Version, State: s, Instruments: s.SortedInstruments(), Provisional: make([]fillEntry, 0, len(s.Provisional))}
	for id, fills := range s.Provisional {
		for _, p := range fills {
			out.Provisional = append(out.Provisional, fillEntry{ID: id, FillRef: p.FillRef, In: p.In})
		}
	}
	slices.SortFunc(out.Provisional, compareFills)
	for key, b := range s.Breakers {
		out.Breakers = append(out.Breakers, breakerEntry{key, *b})
	}
	slices.SortFunc(out.Breakers, func(a, b breakerEntry) int {
		return cmp.Or(strings.Compare(a.Key.Breaker, b.Key.Breaker), strings.Compare(a.Bot, b.Bot))
	})
	return json.Marshal(out)
}

func compareFills(a, b fillEntry) int {
	return cmp.Or(compareIDs(a.ID, b.ID), cmp.Compare(a.Revision, b.Revision), strings.Compare(a.Market, b.Market))
}

// Size counts the parts of the state that grow with what is open.
func (s *State) Size() int {
	return len(s.Provisional) + len(s.Instruments) + len(s.Markets) + len(s.Permits) + len(s.Overrides) + len(s.Booked) + len(s.Custody.Transfers)
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

// Restore returns the state that wrote a snapshot. It knows nothing of the past, so nothing
// can be decided on it before [State.LookUp]. Any doubt is an error; the
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
	s.Instruments, s.Provisional, s.Breakers = empty.Instruments, empty.Provisional, empty.Breakers
	s.Forget()
	for _, i := range in.Instruments {
		s.Instruments[i.Instrument] = i
		for _, h := range i.Holdings {
			h.counted = !h.IsFlat()
			s.weigh(i, h)
		}
		for _, p := range i.Paid {
			i.indexPaid(p)
		}
	}
	for _, f := range in.Provisional {
		s.Provisional[f.ID] = append(s.Provisional[f.ID], &ProvisionalFill{FillRef: f.FillRef, In: f.In})
	}
	for _, b := range in.Breakers {
		breaker := b.Breaker
		s.Breakers[b.Key] = &breaker
	}
	for _, b := range s.Bots {
		s.valueOther(b)
	}
	s.indexMarkets()
	s.derive()
	for _, b := range s.Bots { // which of them have changed since warnings were last compared is not known
		s.touch(b)
	}
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
