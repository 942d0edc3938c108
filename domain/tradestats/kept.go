package tradestats

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"time"

	"pets/domain"
	"pets/domain/risk"
)

// kept is a walk as JSON, but for its limits and its zone.
type kept struct {
	Stats  Stats           `json:"stats"`
	Refs   risk.References `json:"refs"`
	Equity domain.Decimal  `json:"equity"`
	Day    string          `json:"day,omitempty"`
	Today  domain.Decimal  `json:"today"`
	Streak risk.Streak     `json:"streak"`
	Peak   Extreme         `json:"peak"`
	Ended  map[int]int     `json:"ended,omitempty"`
	// Rises are those of each breaker that the walk follows, by its name.
	Rises map[string][]byte `json:"rises"`
}

// MarshalJSON returns what [Resume] needs.
func (w *Walk) MarshalJSON() ([]byte, error) {
	k := kept{w.stats, w.refs, w.equity, w.day, w.today, w.streak, w.peak, w.ended, map[string][]byte{}}
	for i := range w.rises {
		k.Rises[w.rises[i].rule.Name] = w.rises[i].encode()
	}
	return json.Marshal(k)
}

// Resume returns a walk that goes on from where another with the same limits and zone was when
// it was marshalled.
func Resume(data []byte, limits Limits, zone *time.Location) (*Walk, error) {
	var k kept
	if err := domain.DecodeObject(data, &k); err != nil {
		return nil, err
	}
	w := &Walk{limits: limits, zone: zone, stats: k.Stats, refs: k.Refs, equity: k.Equity, day: k.Day, today: k.Today, streak: k.Streak, peak: k.Peak}
	if w.ended = k.Ended; w.ended == nil {
		w.ended = map[int]int{}
	}
	for _, r := range following(limits) {
		b, kept := k.Rises[r.rule.Name]
		if !kept {
			return nil, errRises
		}
		if err := r.decode(b); err != nil {
			return nil, err
		}
		w.rises = append(w.rises, r)
	}
	if len(w.rises) != len(k.Rises) {
		return nil, errRises
	}
	return w, nil
}

var errRises = errors.New("the rises of a breaker cannot be read")

// encode writes rises in few bytes: numbers and times as the distance from those before.
func (r *rises) encode() []byte {
	b := r.top.AppendCompact(nil)
	trade, at := 0, int64(0)
	for i := range r.list {
		x := &r.list[i]
		b = binary.AppendVarint(b, int64(x.Trade-trade))
		b = binary.AppendVarint(b, x.Time.Unix()-at)
		b = binary.AppendUvarint(b, uint64(x.Time.Nanosecond())) //nolint:gosec // below 10^9
		b = x.Below.AppendCompact(x.Value.AppendCompact(b))
		trade, at = x.Trade, x.Time.Unix()
	}
	return b
}

// decode reads what encode wrote.
func (r *rises) decode(b []byte) error {
	d := compact{b: b}
	r.top = d.decimal()
	trade, at := 0, int64(0)
	for len(d.b) > 0 && !d.bad {
		trade, at = trade+int(d.varint()), at+d.varint()
		nanos := d.uvarint()
		x := rise{Trade: trade, Value: d.decimal(), Below: d.decimal()}
		if nanos >= uint64(time.Second) || !r.goesOn(x) {
			return errRises
		}
		x.Time = time.Unix(at, int64(nanos)).UTC()
		r.list = append(r.list, x)
	}
	if d.bad {
		return errRises
	}
	return nil
}

// goesOn reports whether a rise can be the next one.
func (r *rises) goesOn(x rise) bool {
	n := len(r.list)
	return x.Value.Cmp(r.top) <= 0 && (n == 0 || r.list[n-1].Value.Cmp(x.Below) <= 0 && x.Below.Less(x.Value))
}

// compact reads numbers. After something else it reads zeros, and bad is set.
type compact struct {
	b   []byte
	bad bool
}

func (d *compact) took(n int) {
	if n <= 0 {
		d.bad, d.b = true, nil
		return
	}
	d.b = d.b[n:]
}

func (d *compact) decimal() domain.Decimal {
	v, n := domain.ReadCompact(d.b)
	d.took(n)
	return v
}

func (d *compact) varint() int64 {
	v, n := binary.Varint(d.b)
	d.took(n)
	return v
}

func (d *compact) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	d.took(n)
	return v
}
