package embedded_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/eventstore/storetest"
	"pets/internal/testenv"
)

// TestBitFlips: "every bit of a sealed segment and of the live one: all
// detected". Here one bit, another one for each byte; the mark, of which there
// are two, survives a flip in one of them.
func TestBitFlips(t *testing.T) {
	f, acked := small(t, 700)
	segments := f.segmentNames()
	require.Greater(t, len(segments), 2)
	for _, name := range segments {
		content := f.contents()[name]
		used := len(content)
		if name == segments[len(segments)-1] { // behind it are zeros that belong to no frame yet
			used = len(strings.TrimRight(content, "\x00"))
		}
		for at := range used {
			if at%testenv.Rounds(11, 11, 1) != 0 {
				continue
			}
			_, err := f.with(name, flip(content, at)).open(0)
			damage := requireDamage(t, err, label("byte %d of %s", at, name))
			require.Equal(t, dir+"/"+name, damage.File)
			require.LessOrEqual(t, damage.Offset, uint64(at))
			_, err = f.with(name, flip(content, at)).openReadOnly()
			requireDamage(t, err, label("byte %d of %s", at, name))
		}
	}
	mark := f.contents()["durable"]
	for at := range len(mark) {
		s, err := f.with("durable", flip(mark, at)).open(0)
		require.NoError(t, err)
		requireKept(t, s, acked)
		require.NoError(t, s.Close())
	}
	requireRefused(t, f.with("durable", flip(flip(mark, 3), sector+3)), "both slots of the mark")
	requireRefused(t, f.with("durable", ""), "an empty mark")
}

func flip(content string, at int) string {
	b := []byte(content)
	b[at] ^= 1 << (at % 8)
	return string(b)
}

// TestFlipUnderReader: each frame is verified on every read, and what is wrong
// says where it is; what is before it can be read.
func TestFlipUnderReader(t *testing.T) {
	f, _ := small(t, 0)
	s := f.mustOpen()
	all := storetest.All(t, s.ReadAll(t.Context(), eventstore.Position{}))
	name, content := f.lastSegment()
	last := all[len(all)-1]
	f.mu.Lock()
	f.live[dir+"/"+name].cache = []byte(flip(content, int(last.Position.Commit)+40))
	f.mu.Unlock()

	got, err := storetest.Collect(t, s.ReadAll(t.Context(), eventstore.Position{}))
	damage := requireDamage(t, err, "read")
	var unavailable *eventstore.Unavailable
	require.ErrorAs(t, err, &unavailable)
	require.False(t, unavailable.Poisoned)
	require.Equal(t, last.Stream, damage.Stream)
	require.LessOrEqual(t, damage.Revision, last.Revision)
	require.Equal(t, all[:len(got)], got)
	require.GreaterOrEqual(t, len(got), len(all)-2)

	_, err = s.Verify(t.Context(), nil)
	require.Equal(t, damage, requireDamage(t, err, "verify"))
}

// TestMissingFiles: what was there and is not is damage.
func TestMissingFiles(t *testing.T) {
	f, _ := small(t, 700)
	for _, name := range f.segmentNames() {
		requireRefused(t, f.without(name), name)
	}
	requireRefused(t, f.without("durable"), "mark")
	for name := range f.contents() {
		if strings.HasSuffix(name, ".seg") {
			f = f.without(name)
		}
	}
	_, err := f.open(0)
	requireDamage(t, err, "all segments")
}

// TestMixedUpFiles: files that are whole, but of another store, at another
// place, or twice.
func TestMixedUpFiles(t *testing.T) {
	f, _ := small(t, 700)
	other, _ := small(t, 700)
	names := f.segmentNames()
	for _, name := range append(names, "durable") {
		requireRefused(t, f.with(name, other.contents()[name]), "another store's "+name)
	}
	requireRefused(t, f.with(names[1], f.contents()[names[2]]), "the wrong segment")
	requireRefused(t, f.with("00000000000000000001.seg", f.contents()[names[1]]), "a segment too many")
	requireRefused(t, f.with(names[1], f.contents()[names[1]]+"more"), "bytes behind a sealed segment")
	requireRefused(t, f.with("1.seg", ""), "not a segment's name")

	// Zeros behind a sealed segment are what filling ahead would leave.
	s, err := f.with(names[1], f.contents()[names[1]]+strings.Repeat("\x00", 5000)).open(0)
	require.NoError(t, err)
	require.NoError(t, s.Close())
}

// TestNewerFormat: "An open folder that is newer format version is refused clearly."
func TestNewerFormat(t *testing.T) {
	f, _ := small(t, 0)
	name, content := f.lastSegment()
	newer := []byte(content)
	newer[8] = 2
	resum(newer[:64])
	_, err := f.with(name, string(newer)).open(0)
	var version *embedded.VersionError
	require.ErrorAs(t, err, &version)
	require.Equal(t, embedded.VersionError{File: dir + "/" + name, Found: 2}, *version)
	require.ErrorContains(t, err, "newer program")
	_, err = f.with(name, string(newer)).openReadOnly()
	require.ErrorAs(t, err, &version)
}

// TestForeignFolder: creating in a folder that holds something else is refused,
// and leaves nothing in it.
func TestForeignFolder(t *testing.T) {
	f := newFaultFS(t, 1)
	f.dirs[dir] = true
	f = f.with("thesis.doc", "text")
	_, err := f.open(0)
	var foreign *embedded.NotStoreError
	require.ErrorAs(t, err, &foreign)
	require.ErrorContains(t, err, "thesis.doc")
	require.Equal(t, map[string]string{"thesis.doc": "text"}, f.contents())
	require.Nil(t, f.live[dir+"/LOCK"])
	_, err = f.openReadOnly()
	require.ErrorAs(t, err, &foreign)

	empty := newFaultFS(t, 1)
	_, err = empty.openReadOnly()
	require.ErrorAs(t, err, &foreign)
	empty.dirs[dir] = true
	_, err = empty.openReadOnly()
	require.ErrorAs(t, err, &foreign)
	require.Empty(t, empty.contents())

	// Who only wants a store that is there makes none.
	for _, made := range []bool{false, true} {
		none := newFaultFS(t, 1)
		none.dirs[dir] = made
		_, err = embedded.Open(dir, embedded.Options{FS: none, Existing: true})
		require.ErrorAs(t, err, &foreign)
		require.Equal(t, made, none.dirs[dir])
		require.Empty(t, none.live)
	}

	// What a server keeps beside its events may be there before the store is.
	server := newFaultFS(t, 1)
	server.dirs[dir] = true
	for _, name := range []string{"server.lock", "stop.sock", "emergency-stop.json", "snapshots", "tls", "finality"} {
		server = server.with(name, "")
	}
	require.NoError(t, server.mustOpen().Close())
	_, err = server.without("durable").without("00000000000000000000.seg").with("stop.sock.bak", "").open(0)
	require.ErrorAs(t, err, &foreign, "exactly these names")
	require.ErrorContains(t, err, "stop.sock.bak")

	// A store does not mind what others put beside it, for instance an index.
	s, acked := small(t, 0)
	requireKept(t, s.with("00000000000000000000.idx", "?").mustOpen(), acked)
}

// TestRevisionGap: frames with good checksums that do not follow one another.
func TestRevisionGap(t *testing.T) {
	f, _ := small(t, 0)
	name, content := f.lastSegment()
	b := []byte(content)
	at := strings.Index(content[100:], "PFRM") + 100
	b[at+24]++ // its first revision
	resum(b[at : at+48])
	damage := requireRefused(t, f.with(name, string(b)), "a gap")
	require.Contains(t, damage.Reason, "revision 1 follows where 0 must")
	require.Equal(t, "portfolio-b", damage.Stream)
	require.Equal(t, uint64(1), damage.Revision)
}

// TestReadErrorIsNotDamage: a disk that does not answer proves nothing about the
// bytes; nothing may be cut because of it.
func TestReadErrorIsNotDamage(t *testing.T) {
	l := newTail(t)
	f := l.with(l.name, l.whole[:l.from+100])
	for i := 1; ; i++ {
		again := f.restart()
		again.failAt = i
		n, failed := 0, ""
		again.before = func(_, path string) {
			if n++; n == i {
				failed = path
			}
		}
		s, err := again.openReadOnly()
		if strings.HasSuffix(failed, ".idx") { // disposable: the segment itself is read
			require.NoError(t, err)
			require.NoError(t, s.Close())
			continue
		}
		if again.ops < i {
			require.NoError(t, err)
			require.NoError(t, s.Close())
			require.Greater(t, i, 10)
			return
		}
		var damage *embedded.DamageError
		require.False(t, errors.As(err, &damage), "operation %d: %v", i, err)
		require.ErrorIs(t, err, errInjected)
	}
}

// TestFlipBehindMark: a flipped bit never looks like a torn tail, even where the
// mark does not vouch for the bytes.
func TestFlipBehindMark(t *testing.T) {
	l := newTail(t)
	for at := l.from; at < len(l.whole); at++ {
		if at%testenv.Rounds(11, 11, 1) == 0 {
			requireRefused(t, l.with(l.name, flip(l.whole, at)), label("byte %d", at))
		}
	}
}
