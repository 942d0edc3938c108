package embedded_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/eventstore/storetest"
	"pets/internal/testenv"
)

// tail is a log whose last group was written but perhaps never flushed: the
// mark stands before it.
type tail struct {
	*faultFS
	name   string // of the last segment
	whole  string // its content
	from   int    // where the last group begins in it
	before map[string]int
}

// newTail makes a log of a few small appends and a last one of some 2,000
// bytes, a stretch of which is zero by right.
func newTail(t testing.TB) tail {
	t.Helper()
	f, acked := small(t, 0)
	s, err := f.open(0)
	require.NoError(t, err)
	mark := f.contents()["durable"]
	name, content := f.lastSegment()
	records := storetest.Propose("system", acked["system"], 2)
	records[1].Data = []byte(strings.Repeat("data ", 100) + strings.Repeat("\x00", 1200) + strings.Repeat("more ", 60))
	storetest.Must(t, s, "system", eventstore.Expected(acked["system"]-1), records)
	require.NoError(t, s.Close())
	f = f.with("durable", mark)
	_, whole := f.lastSegment()
	require.Contains(t, whole, strings.Repeat("\x00", 2*sector), "a sector is blank by right")
	return tail{faultFS: f, name: name, whole: whole, from: len(content), before: acked}
}

// sectorLost reports whether [from, to) of the segment, made zero, leaves some
// sector of the last frame all zero that was not meant to be. If the header is
// hit, nothing is known about the rest, and only its own sectors count.
func (l tail) sectorLost(from, to int) bool {
	last := len(l.whole)
	if header := l.from + 48; from < header {
		last = header
	}
	for at := l.from; at < last; at = (at/sector + 1) * sector {
		end := min((at/sector+1)*sector, len(l.whole))
		meant := strings.Trim(l.whole[at:end], "\x00") == ""
		left := l.whole[at:max(at, min(from, end))] + l.whole[min(max(to, at), end):end]
		if !meant && strings.Trim(left, "\x00") == "" {
			return true
		}
	}
	return false
}

// TestTornTail: "torn last record: every offset × {cut, zeros, garbage}". "The
// last frame is torn, and set aside, only if it is cut short or one of its
// 512-byte sectors is still all zero; anything else that does not check out is
// damage, and the store refuses to open."
func TestTornTail(t *testing.T) {
	l := newTail(t)
	step := testenv.Rounds(13, 13, 1)
	for at := l.from; at < len(l.whole); at += step {
		zeros := strings.Repeat("\x00", len(l.whole)-at)
		same := strings.Trim(l.whole[at:], "\x00") == ""
		requireTorn(t, l, l.whole[:at], at > l.from, label("cut at %d", at))
		switch zeroed := l.whole[:at] + zeros; {
		case at == l.from || l.sectorLost(at, len(l.whole)):
			requireTorn(t, l, zeroed, at > l.from, label("zeros from %d", at))
		case !same:
			requireRefused(t, l.with(l.name, zeroed), label("zeros from %d", at))
		}
		requireRefused(t, l.with(l.name, l.whole[:at]+garbage(len(l.whole)-at)), label("garbage from %d", at))
		if at%31 == 0 { // zeros up to at: the first sectors are the ones that are missing
			holed := l.whole[:l.from] + strings.Repeat("\x00", at-l.from) + l.whole[at:]
			if l.sectorLost(l.from, at) {
				requireTorn(t, l, holed, strings.Trim(holed[l.from:], "\x00") != "", label("zeros up to %d", at))
			} else if at > l.from {
				requireRefused(t, l.with(l.name, holed), label("zeros up to %d", at))
			}
		}
	}
}

func garbage(n int) string {
	b := []byte(strings.Repeat("\x5a\xc3\x17", n/3+1))[:n]
	return string(b)
}

// requireTorn opens a store with this last segment, and checks that all before
// the tear is there, that the torn bytes are set aside, and that work goes on.
func requireTorn(t *testing.T, l tail, content string, torn bool, when string) {
	t.Helper()
	f := l.with(l.name, content)
	before := f.contents()
	r, err := f.openReadOnly()
	require.NoError(t, err, when)
	requireKept(t, r, l.before)
	require.Equal(t, torn, r.Torn().Bytes > 0, when)
	require.NoError(t, r.Close())
	require.Equal(t, before, f.contents(), "a reader changes nothing")

	s, err := f.open(0)
	require.NoError(t, err, when)
	requireKept(t, s, l.before)
	got := s.Torn()
	if torn {
		kept := withoutZeroSectors(content, l.from)
		require.Equal(t, embedded.Torn{Bytes: uint64(len(kept)), File: dir + fmt.Sprintf("/torn-%d-1.bin", l.from)}, got, when)
		require.Equal(t, kept, f.contents()[got.File[len(dir)+1:]], when)
	} else {
		require.Zero(t, got, when)
	}
	acked := work(t, s, 1)
	require.NoError(t, s.Close())
	again := f.restart().mustOpen()
	requireKept(t, again, acked)
	require.Zero(t, again.Torn())
}

// withoutZeroSectors is what of a torn tail says anything: not the sectors of
// zeros at its end.
func withoutZeroSectors(content string, from int) string {
	for end := len(content); ; end = (end - 1) / sector * sector {
		if last := max(from, (end-1)/sector*sector); last == from || strings.Trim(content[last:end], "\x00") != "" {
			return content[from:end]
		}
	}
}

// requireRefused checks that neither a writer nor a reader opens the store, and
// that both leave every byte as it is.
func requireRefused(t *testing.T, f *faultFS, when string) *embedded.DamageError {
	t.Helper()
	before := f.contents()
	_, err := f.openReadOnly()
	requireDamage(t, err, when)
	_, err = f.open(0)
	damage := requireDamage(t, err, when)
	require.Equal(t, before, f.contents(), when)
	return damage
}

// TestTailBelowMark: "a torn tail is tolerated only beyond the durable mark".
func TestTailBelowMark(t *testing.T) {
	f, _ := small(t, 0)
	name, content := f.lastSegment()
	for at := 64; at < len(content); at++ {
		damage := requireRefused(t, f.with(name, content[:at]), label("cut at %d", at))
		require.Contains(t, damage.Error(), "nothing was changed")
		if at%7 == 0 && strings.Trim(content[at:], "\x00") != "" {
			requireRefused(t, f.with(name, content[:at]+strings.Repeat("\x00", len(content)-at)), label("zeros from %d", at))
		}
	}
}

// TestDamageBeforeLaterGroup: the mark may be old, since it is not flushed. A
// frame of a later group proves all the same that what is before it was.
func TestDamageBeforeLaterGroup(t *testing.T) {
	f := newFaultFS(t, 1)
	s, err := f.open(0)
	require.NoError(t, err)
	mark := f.contents()["durable"]
	acked := fill(t, s)
	require.NoError(t, s.Close())
	f = f.with("durable", mark)
	name, content := f.lastSegment()
	for _, hole := range [][2]int{{64, 512}, {512, 1024}, {64, 1024}, {100, 101}, {65, 66}} {
		holed := content[:hole[0]] + strings.Repeat("\x00", hole[1]-hole[0]) + content[hole[1]:]
		damage := requireRefused(t, f.with(name, holed), label("hole %v", hole))
		require.Contains(t, damage.Reason, "later", label("hole %v", hole))
	}
	requireKept(t, f.mustOpen(), acked)
}

// TestTornGroup: a power cut tears a group of several frames anywhere; as long
// as no later group exists, all from the first frame that is not whole is torn.
func TestTornGroup(t *testing.T) {
	f := newFaultFS(t, 1)
	hold := newGate()
	f.before = hold.at("datasync", ".seg")
	s, err := f.open(0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	hold.close()
	var group sync.WaitGroup
	add := func(stream string) {
		group.Go(func() { storetest.Must(t, s, stream, eventstore.NoStream, storetest.Propose(stream, 0, 4)) })
	}
	add("first")
	hold.reached()
	for i := range 5 { // these wait for one flush together
		add(label("stream-%d", i))
	}
	waitFor(t, func() bool { return s.Waiting() == 5 })
	mark := f.contents()["durable"]
	hold.open()
	group.Wait()
	require.NoError(t, s.Close())
	f = f.with("durable", mark)
	name, content := f.lastSegment()
	from := strings.LastIndex(content[:strings.Index(content, "stream-")], "PFRM") // the group begins here
	for at := (from/sector + 1) * sector; at < len(content); at += sector {
		holed := content[:at] + strings.Repeat("\x00", min(sector, len(content)-at)) + content[min(len(content), at+sector):]
		s, err := f.with(name, holed).open(0)
		require.NoError(t, err, label("sector at %d is missing", at))
		require.Positive(t, s.Torn().Bytes)
		require.Len(t, storetest.All(t, s.ReadStream(t.Context(), "first", 0)), 4)
		require.NoError(t, s.Close())
	}
}
