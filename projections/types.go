package projections

import (
	"math"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
)

// recordsPerStretch is how many records [Types] sums up together.
const recordsPerStretch = 1024

// typesMost is how many types have a bit of their own in a stretch. The last bit stands for all
// further ones.
const typesMost = 256

// Types says in which stretches of a history there are records of a type, so that who looks for
// rare ones reads little, however long the history is. It holds 32 bytes for each 1,024 records.
type Types struct {
	per       uint64 // recordsPerStretch, or what a test sets
	names     []string
	bits      map[string]int
	stretches []typeBits
	next      uint64
}

type typeBits [typesMost / 64]uint64

func (b *typeBits) set(n int)              { b[n>>6] |= 1 << (n & 63) }
func (b *typeBits) has(n int) bool         { return b[n>>6]>>(n&63)&1 == 1 }
func (b *typeBits) meets(o *typeBits) bool { return b[0]&o[0]|b[1]&o[1]|b[2]&o[2]|b[3]&o[3] > 0 }

// NewTypes returns the types of no records.
func NewTypes() *Types { return &Types{per: recordsPerStretch, bits: map[string]int{}} }

// Err implements [Kept]: there is nothing that cannot be read.
func (*Types) Err() error { return nil }

// Apply implements Projection.
func (t *Types) Apply(rec eventstore.Record, _ domain.Event, _ *portfolio.State) {
	bit, known := t.bits[rec.Type]
	switch {
	case known:
	case len(t.names) == typesMost-1:
		bit = typesMost - 1
	default:
		bit = t.add(rec.Type)
	}
	for uint64(len(t.stretches)) <= rec.Revision/t.per {
		t.stretches = append(t.stretches, typeBits{})
	}
	t.stretches[rec.Revision/t.per].set(bit)
	t.next = rec.Revision + 1
}

func (t *Types) add(name string) int {
	t.bits[name] = len(t.names)
	t.names = append(t.names, name)
	return len(t.names) - 1
}

// Span are the records from one revision to before another.
type Span struct{ From, To uint64 }

// EndOfStream is the To of a span that goes on to the end of the stream.
const EndOfStream = math.MaxUint64

// Spans returns which records from a revision on have to be read to see all of the types that are
// wanted, by their stored names. The last span goes on to the end of the stream, because there may
// be records that were not seen here. It also does so if the spans before have more than so many
// records.
func (t *Types) Spans(from uint64, wants func(string) bool, most uint64) []Span {
	var wanted typeBits
	wanted.set(typesMost - 1)
	for bit, name := range t.names {
		if wants(name) {
			wanted.set(bit)
		}
	}
	var spans []Span
	records := uint64(0)
	for n := from / t.per; n < uint64(len(t.stretches)) && records <= most; n++ {
		if !t.stretches[n].meets(&wanted) {
			continue
		}
		s := Span{max(from, n*t.per), (n + 1) * t.per}
		if records += s.To - s.From; len(spans) > 0 && spans[len(spans)-1].To == s.From {
			spans[len(spans)-1].To = s.To
			continue
		}
		spans = append(spans, s)
	}
	unseen := max(from, t.next)
	if n := len(spans); n > 0 && (spans[n-1].To >= unseen || records > most) {
		spans[n-1].To = EndOfStream
		return spans
	}
	return append(spans, Span{unseen, EndOfStream})
}

// typesVersion changes with the bytes of Keep.
const typesVersion = 1

// Keep implements [Kept].
func (t *Types) Keep() ([]byte, error) {
	e := newEncoder(make([]byte, 0, 1024+8*len(t.stretches)))
	e.uint(typesVersion)
	e.uint(t.per)
	e.uint(t.next)
	e.uint(uint64(len(t.names)))
	for _, name := range t.names {
		e.text(name)
	}
	for i := range t.stretches {
		for _, bits := range t.stretches[i] {
			e.uint(bits)
		}
	}
	return e.b, nil
}

// Restore implements [Kept].
func (t *Types) Restore(data []byte) error {
	d := newDecoder(data)
	if d.uint() != typesVersion || d.uint() != t.per {
		return errKept
	}
	t.next = d.uint()
	for range d.count(typesMost - 1) {
		t.add(d.text())
	}
	if len(t.bits) != len(t.names) || t.next/t.per > uint64(len(d.b)) { // a stretch has more than a byte
		return errKept
	}
	for range (t.next + t.per - 1) / t.per {
		var s typeBits
		for i := range s {
			s[i] = d.uint()
		}
		for bit := len(t.names); bit < typesMost-1; bit++ {
			if s.has(bit) {
				return errKept
			}
		}
		t.stretches = append(t.stretches, s)
	}
	return restored(d, data, t)
}
