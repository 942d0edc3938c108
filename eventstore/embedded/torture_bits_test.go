package embedded_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/eventstore/storetest"
	"pets/internal/testenv"
)

// pristine is a small store on a sound disk, and all that is in it.
type pristine struct {
	*faultFS
	records []eventstore.Record
	used    map[string]int // by segment, how many of its bytes belong to the log
}

func newPristine(t *testing.T, segmentBytes uint64) pristine {
	t.Helper()
	f, _ := small(t, segmentBytes)
	s, err := f.open(segmentBytes)
	require.NoError(t, err)
	report, err := s.Verify(t.Context(), nil)
	require.NoError(t, err)
	p := pristine{records: storetest.All(t, s.ReadAll(t.Context(), eventstore.Position{})), used: map[string]int{}}
	require.NoError(t, s.Close())
	p.faultFS = f.restart()
	names, end := p.segmentNames(), int(report.Bytes)
	for i := len(names) - 1; i >= 0; i-- {
		base := baseOf(t, names[i])
		p.used[names[i]] = end - base
		end = base
	}
	return p
}

func baseOf(t *testing.T, name string) int {
	t.Helper()
	base := 0
	for _, digit := range strings.TrimSuffix(name, ".seg") {
		base = base*10 + int(digit-'0')
	}
	return base
}

func flipBit(content string, bit int) string {
	b := []byte(content)
	b[bit/8] ^= 1 << (bit % 8)
	return string(b)
}

// requireNoticed opens a damaged disk for writing and for reading. The store may
// refuse at once, or, where it does not read everything to open, when it is
// verified; it may never call the damage a torn tail, change a byte of a segment,
// or hand out a record that was not written.
func (p pristine) requireNoticed(t *testing.T, f *faultFS, when string) {
	t.Helper()
	for _, open := range []func() (*embedded.Store, error){f.openReadOnly, func() (*embedded.Store, error) { return f.open(0) }} {
		before := f.segments()
		s, err := open()
		if err != nil {
			requireDamage(t, err, when)
		} else {
			require.Zero(t, s.Torn(), when)
			_, err = s.Verify(t.Context(), nil)
			requireDamage(t, err, when)
			got, err := storetest.Collect(t, s.ReadAll(t.Context(), eventstore.Position{}))
			require.Equal(t, p.records[:len(got)], got, when)
			require.True(t, err != nil || len(got) == len(p.records), when)
			require.NoError(t, s.Close())
		}
		require.Equal(t, before, f.segments(), when)
	}
}

// segments returns the contents of all segments, without the zeros that a
// writer may add behind them.
func (f *faultFS) segments() map[string]string {
	out := map[string]string{}
	for _, name := range f.segmentNames() {
		out[name] = strings.TrimRight(f.contents()[name], "\x00")
	}
	return out
}

// TestTortureEveryBit: "every bit of a sealed segment and of the live one: all
// detected", and none of them taken for a torn tail.
func TestTortureEveryBit(t *testing.T) {
	p := newPristine(t, 700)
	names := p.segmentNames()
	require.Greater(t, len(names), 2)
	step := testenv.Rounds(13, 13, 1)
	flips := 0
	for _, name := range []string{names[1], names[len(names)-1]} {
		content := p.contents()[name]
		for bit := 0; bit < 8*p.used[name]; bit += step {
			p.requireNoticed(t, p.with(name, flipBit(content, bit)), label("bit %d of %s", bit, name))
			flips++
		}
	}
	t.Logf("%d bits flipped, %d noticed", flips, flips)
}

// TestTortureEveryBitOfTail: the same for a last group of which the mark knows
// nothing, where a torn tail would be believed.
func TestTortureEveryBitOfTail(t *testing.T) {
	l := newTail(t)
	step := testenv.Rounds(13, 13, 1)
	for bit := 8 * l.from; bit < 8*len(l.whole); bit += step {
		requireRefused(t, l.with(l.name, flipBit(l.whole, bit)), label("bit %d", bit))
	}
	t.Logf("%d bits of a frame behind the mark, each noticed", 8*(len(l.whole)-l.from)/step)
}

// TestTortureEveryBitOfFill: the zeros ahead of the end of the log hold nothing
// that could be lost, and still no bit among them turns without a word: a start
// refuses, or sets the bit aside and says so.
func TestTortureEveryBitOfFill(t *testing.T) {
	p := newPristine(t, 700)
	names := p.segmentNames()
	const fill = 3 * sector
	sealed, live := names[1], names[len(names)-1]
	step := testenv.Rounds(97, 97, 7)
	for _, name := range []string{sealed, live} {
		content := p.contents()[name][:p.used[name]] + strings.Repeat("\x00", fill)
		for bit := 8 * p.used[name]; bit < 8*len(content); bit += step {
			f, when := p.with(name, flipBit(content, bit)), label("bit %d of %s", bit, name)
			if name == sealed {
				p.requireNoticed(t, f, when)
				continue
			}
			s, err := f.open(0)
			if err != nil {
				requireDamage(t, err, when)
				continue
			}
			require.Positive(t, s.Torn().Bytes, when)
			require.Equal(t, p.records, storetest.All(t, s.ReadAll(t.Context(), eventstore.Position{})), when)
			require.NoError(t, s.Close())
		}
	}
}
