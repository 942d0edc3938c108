package risk

import (
	"bytes"

	"pets/domain"
)

// Streak counts one bot's losing trades in a row: a win sets it to 0, a loss adds
// 1, a neutral trade changes nothing. It stores the results since its last reset,
// one letter each, so that a void can revise one of them in its place.
type Streak struct {
	// Results since the last reset, in closing order.
	Results Letters `json:"results,omitempty"`
	// From is how many trades of the bot had been closed before the first of them.
	From int `json:"from,omitempty"`
	// Losses is the current streak.
	Losses int `json:"losses,omitempty"`
}

// Letters are results as text: w, l, n, and - for a trade revised to open or void.
type Letters []byte

// MarshalText implements encoding.TextMarshaler.
func (l Letters) MarshalText() ([]byte, error) { return l, nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *Letters) UnmarshalText(b []byte) error {
	*l = append(Letters(nil), b...)
	return nil
}

func letter(r domain.Result) byte {
	switch r {
	case domain.Win:
		return 'w'
	case domain.Loss:
		return 'l'
	case domain.Neutral:
		return 'n'
	default:
		return '-'
	}
}

// Close adds the result of the next closed trade.
func (s *Streak) Close(r domain.Result) {
	s.Results = append(s.Results, letter(r))
	s.count(r)
}

func (s *Streak) count(r domain.Result) {
	switch r {
	case domain.Win:
		s.Losses = 0
	case domain.Loss:
		s.Losses++
	case domain.Neutral:
	}
}

// Revise changes the result of the bot's n-th closed trade (from 0); "" removes
// it. Revising a trade before the last reset changes nothing: by the reset a
// person accepted everything before it.
func (s *Streak) Revise(n int, r domain.Result) {
	i := n - s.From
	if i < 0 || i >= len(s.Results) {
		return
	}
	s.Results[i] = letter(r)
	// A void may revise thousands of trades, one after the other.
	since := s.Results[bytes.LastIndexByte(s.Results, 'w')+1:]
	s.Losses = bytes.Count(since, []byte{'l'})
}

// Reset restarts the count at 0, on a person's decision.
func (s *Streak) Reset(closed int) { *s = Streak{From: closed} }
