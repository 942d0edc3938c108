package embedded_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/eventstore/storetest"
	"pets/internal/testenv"
)

const target = "/salvaged"

func (f *faultFS) salvage() (embedded.SalvageReport, error) {
	return embedded.Salvage(f.t.Context(), dir, target, embedded.SalvageOptions{Options: embedded.Options{FS: f}})
}

// mustSalvage salvages a store that once held all these records, and checks that
// nothing sound was left behind, nothing made up, and nothing changed.
func mustSalvage(t testing.TB, f *faultFS, all []eventstore.Record, when string) embedded.SalvageReport {
	t.Helper()
	before := f.contents()
	report, err := f.salvage()
	require.NoError(t, err, when)
	after := f.contents()
	for name, content := range before {
		require.Equal(t, content, after[name], "%s: %s of the source", when, name)
	}
	requireCopy(t, f, report, all, when)
	return report
}

// requireCopy checks a copy against what the source held before it was damaged.
func requireCopy(t testing.TB, f *faultFS, report embedded.SalvageReport, all []eventstore.Record, when string) {
	t.Helper()
	s, err := embedded.Open(target, embedded.Options{FS: f})
	require.NoError(t, err, when)
	defer func() { require.NoError(t, s.Close()) }()
	known := map[string]eventstore.Record{}
	for _, r := range all {
		known[label("%s %d", r.Stream, r.Revision)] = r
	}
	next := map[string]uint64{}
	placed := storetest.All(t, s.ReadAll(t.Context(), eventstore.Position{}))
	for _, r := range placed {
		require.Equal(t, next[r.Stream], r.Revision, when)
		next[r.Stream]++
		require.Equal(t, bare(known[label("%s %d", r.Stream, r.Revision)]), bare(r), when)
	}
	require.Len(t, placed, int(report.Records), when)
	require.Len(t, next, int(report.Streams), when)

	side := f.unplaced(t)
	require.Len(t, side, int(report.Unplaced), when)
	for _, r := range side {
		want := known[label("%s %d", r.Stream, r.Revision)]
		require.Equal(t, bare(want), bare(r), when)
		require.GreaterOrEqual(t, r.Revision, next[r.Stream], when)
	}
	var written embedded.SalvageReport
	require.NoError(t, json.Unmarshal([]byte(f.contentsOf(target)["salvage.json"]), &written))
	require.Equal(t, report, written)
}

// bare is a record without its place in the store.
func bare(r eventstore.Record) string {
	return fmt.Sprint(r.Stream, r.Revision, r.ID, r.Type, r.Time.UnixNano(), string(r.Metadata), string(r.Data))
}

func (f *faultFS) unplaced(t testing.TB) []eventstore.Record {
	t.Helper()
	var out []eventstore.Record
	for line := range strings.Lines(f.contentsOf(target)["unplaced.jsonl"]) {
		var r struct {
			eventstore.Record
			Metadata, Data             json.RawMessage
			MetadataBase64, DataBase64 []byte
		}
		line = strings.ReplaceAll(line, "_base64", "Base64")
		require.NoError(t, json.Unmarshal([]byte(line), &r))
		r.Record.Metadata = append(r.MetadataBase64, r.Metadata...)
		r.Record.Data = append(r.DataBase64, r.Data...)
		out = append(out, r.Record)
	}
	return out
}

func (f *faultFS) contentsOf(dir string) map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	files := map[string]string{}
	for path, n := range f.live {
		if filepath.Dir(path) == dir {
			files[filepath.Base(path)] = string(n.cache)
		}
	}
	return files
}

// whole returns a store of several segments, and all its records.
func whole(t testing.TB) (*faultFS, []eventstore.Record) {
	t.Helper()
	f, _ := small(t, 700)
	r, err := f.openReadOnly()
	require.NoError(t, err)
	all := storetest.All(t, r.ReadAll(t.Context(), eventstore.Position{}))
	require.NoError(t, r.Close())
	require.Greater(t, len(f.segmentNames()), 3)
	return f, all
}

// TestSalvageSound: a store that nothing is wrong with is copied as it is.
func TestSalvageSound(t *testing.T) {
	f, all := whole(t)
	report := mustSalvage(t, f, all, "sound")
	require.True(t, report.Whole())
	require.Len(t, all, int(report.Records))
	require.Equal(t, uint64(3), report.Streams)
	require.NotContains(t, f.contentsOf(target), "unplaced.jsonl")
}

// TestSalvageMark: a mark that is missing, damaged or another store's costs no
// record.
func TestSalvageMark(t *testing.T) {
	f, all := whole(t)
	other, _ := small(t, 700)
	for when, damaged := range map[string]*faultFS{
		"missing": f.without("durable"), "empty": f.with("durable", ""), "garbage": f.with("durable", garbage(1024)),
	} {
		requireRefused(t, damaged, when)
		report := mustSalvage(t, damaged, all, when)
		require.Len(t, all, int(report.Records), when)
		require.Len(t, report.Places, 1, when)
		require.Equal(t, dir+"/durable", report.Places[0].File)
	}
	report := mustSalvage(t, f.with("durable", other.contents()["durable"]), all, "another store's")
	require.Zero(t, report.Records)
	require.GreaterOrEqual(t, len(report.Places), len(f.segmentNames()), "no segment is of the store that the mark names")
}

// TestSalvageHeaders: a segment is read by its name when its header is damaged,
// and by its header when its name is wrong.
func TestSalvageHeaders(t *testing.T) {
	f, all := whole(t)
	for _, name := range f.segmentNames() {
		content := f.contents()[name]
		for when, damaged := range map[string]*faultFS{
			"flipped": f.with(name, flip(content, 20)), "zeros": f.with(name, strings.Repeat("\x00", 64)+content[64:]),
			"renamed": f.without(name).with("00000000000000000123.seg", content), "no number": f.without(name).with("x.seg", content),
			"twice": f.with("00000000000000000123.seg", content),
		} {
			requireRefused(t, damaged, when)
			report := mustSalvage(t, damaged, all, when)
			require.Len(t, all, int(report.Records), when)
			require.Len(t, report.Places, map[bool]int{true: 2, false: 1}[when == "twice"], when)
			require.Zero(t, report.Unplaced)
		}
	}
}

// TestSalvageMissingSegment: what is behind a missing segment is placed where its
// stream has no hole, and kept aside where it has one.
func TestSalvageMissingSegment(t *testing.T) {
	f, all := whole(t)
	names := f.segmentNames()
	for i, name := range names {
		base, end := bounds(f, i)
		lost := slices.DeleteFunc(slices.Clone(all), func(r eventstore.Record) bool {
			return r.Position.Commit < base || r.Position.Commit >= end
		})
		report := mustSalvage(t, f.without(name), all, name)
		require.Equal(t, len(all)-len(lost), int(report.Records+report.Unplaced), name)
		require.Len(t, report.Places, 1, name)
		missing := 0
		for _, h := range report.Holes {
			require.Contains(t, revisions(lost, h.Stream), h.From)
			require.Contains(t, revisions(lost, h.Stream), h.To)
			missing += int(h.To - h.From + 1)
		}
		if i == 0 {
			require.Len(t, lost, missing, "all streams go on")
			require.Zero(t, report.Records)
		}
		require.LessOrEqual(t, missing, len(lost))
		if i == len(names)-1 {
			require.Empty(t, report.Holes)
			require.Contains(t, report.Places[0].Reason, "the durable mark is at")
		} else {
			require.Contains(t, report.Places[0].Reason, label("positions %d to %d", base, end))
		}
	}
}

func bounds(f *faultFS, i int) (base, end uint64) {
	names := f.segmentNames()
	_, _ = fmt.Sscanf(names[i], "%d", &base)
	end = base + uint64(len(strings.TrimRight(f.contents()[names[i]], "\x00")))
	if i+1 < len(names) {
		_, _ = fmt.Sscanf(names[i+1], "%d", &end)
	}
	return base, end
}

func revisions(records []eventstore.Record, stream string) []uint64 {
	var out []uint64
	for _, r := range records {
		if r.Stream == stream {
			out = append(out, r.Revision)
		}
	}
	return out
}

// TestSalvageFlips: wherever a bit is flipped, one frame is lost, its place is
// named, and every other record is in the copy or beside it.
func TestSalvageFlips(t *testing.T) {
	f, all := whole(t)
	for i, name := range f.segmentNames() {
		content := f.contents()[name]
		_, end := bounds(f, i)
		base, _ := bounds(f, i)
		for at := 64; at < int(end-base); at += testenv.Rounds(33, 33, 3) {
			when := label("byte %d of %s", at, name)
			report := mustSalvage(t, f.with(name, flip(content, at)), all, when)
			require.Len(t, report.Places, 1, when)
			p := report.Places[0]
			require.Equal(t, dir+"/"+name, p.File, when)
			require.LessOrEqual(t, p.Offset, uint64(at), when)
			require.Greater(t, p.Offset+p.Bytes, uint64(at), when)
			lost := 0
			for _, r := range all {
				if r.Position.Commit >= base+p.Offset && r.Position.Commit < base+p.Offset+p.Bytes {
					lost++
				}
			}
			require.Contains(t, []int{1, 2}, lost, when)
			require.Equal(t, len(all)-lost, int(report.Records+report.Unplaced), when)
			if p.Records > 0 {
				require.Equal(t, lost, int(p.Records), when)
			}
		}
	}
}

// TestSalvageTail: a torn tail was never acknowledged, and is none of the
// damage; below the mark, it is.
func TestSalvageTail(t *testing.T) {
	l := newTail(t)
	torn := l.with(l.name, l.whole[:len(l.whole)-700])
	all := records(t, torn)
	report := mustSalvage(t, torn, all, "torn")
	require.True(t, report.Whole())
	require.Equal(t, uint64(len(l.whole)-700-l.from), report.TornBytes)
	require.Len(t, all, int(report.Records))

	f, all := whole(t)
	name, content := f.lastSegment()
	base, _ := bounds(f, len(f.segmentNames())-1)
	end := int(all[len(all)-1].Position.Commit - base)
	report = mustSalvage(t, f.with(name, content[:end]), all, "cut below the mark")
	require.Zero(t, report.TornBytes)
	require.NotEmpty(t, report.Places)
	require.Less(t, int(report.Records), len(all))
}

func records(t testing.TB, f *faultFS) []eventstore.Record {
	t.Helper()
	r, err := f.openReadOnly()
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	return storetest.All(t, r.ReadAll(t.Context(), eventstore.Position{}))
}

// TestSalvageHoleOfZeros: sectors in the middle that the disk lost.
func TestSalvageHoleOfZeros(t *testing.T) {
	f, _ := small(t, 0)
	all := records(t, f)
	name, content := f.lastSegment()
	holed := content[:sector] + strings.Repeat("\x00", sector) + content[2*sector:]
	requireRefused(t, f.with(name, holed), "hole")
	report := mustSalvage(t, f.with(name, holed), all, "hole")
	require.NotEmpty(t, report.Places)
	require.NotZero(t, report.Unplaced)
	require.NotEmpty(t, report.Holes)
}

// TestSalvageUnreadable: where the disk does not answer, everything around is
// still copied, and the place is named to the sector.
func TestSalvageUnreadable(t *testing.T) {
	f, _ := small(t, 0)
	all := records(t, f)
	name, content := f.lastSegment()
	for at := 0; at+sector <= len(content); at += sector {
		bad := onDirs{f, func(d embedded.Dir) embedded.Dir {
			if d.(faultDir).dir != dir {
				return d
			}
			return badSector{Dir: d, name: name, from: int64(at)}
		}}
		report, err := embedded.Salvage(t.Context(), dir, target, embedded.SalvageOptions{Options: embedded.Options{FS: bad}})
		require.NoError(t, err)
		requireCopy(t, f, report, all, "bad sector")
		require.NotEmpty(t, report.Places)
		require.Less(t, int(report.Records+report.Unplaced), len(all))
		require.Greater(t, int(report.Records+report.Unplaced), len(all)-9, "a sector holds a few records")
		for _, p := range report.Places {
			require.Contains(t, p.Reason, syscall.EIO.Error())
		}
		f = f.restart()
		maps.DeleteFunc(f.live, func(path string, _ *inode) bool { return filepath.Dir(path) == target })
	}
}

type badSector struct {
	embedded.Dir
	name string
	from int64
}

func (b badSector) Open(name string, mode embedded.Mode) (embedded.File, error) {
	file, err := b.Dir.Open(name, mode)
	if name != b.name || err != nil {
		return file, err
	}
	return badSectorFile{file, b.from}, nil
}

type badSectorFile struct {
	embedded.File
	from int64
}

func (b badSectorFile) ReadAt(p []byte, off int64) (int, error) {
	if off < b.from+sector && off+int64(len(p)) > b.from {
		return 0, syscall.EIO
	}
	return b.File.ReadAt(p, off)
}

// TestSalvageRefuses: what it cannot do right it does not begin.
func TestSalvageRefuses(t *testing.T) {
	f, _ := whole(t)
	salvage := func(f *faultFS, from, to string) error {
		before := f.contents()
		_, err := embedded.Salvage(f.t.Context(), from, to, embedded.SalvageOptions{Options: embedded.Options{FS: f}})
		require.Equal(t, before, f.contents())
		return err
	}
	var invalid *eventstore.Invalid
	require.ErrorAs(t, salvage(f, dir, dir), &invalid)
	require.ErrorAs(t, salvage(f, dir, dir+"/salvaged"), &invalid)
	occupied := f.restart()
	occupied.dirs[target] = true
	occupied.live[target+"/thesis.doc"] = &inode{}
	require.ErrorAs(t, salvage(occupied, dir, target), &invalid)
	require.ErrorContains(t, salvage(occupied, dir, target), "thesis.doc")
	var foreign *embedded.NotStoreError
	require.ErrorAs(t, salvage(f, "/nowhere", target), &foreign)
	name, content := f.lastSegment()
	newer := []byte(content)
	newer[8] = 2
	resum(newer[:64])
	var version *embedded.VersionError
	require.ErrorAs(t, salvage(f.with(name, string(newer)), dir, target), &version)
	require.Equal(t, dir+"/"+name, version.File)
}

// TestSalvageBesideWriter: what is durable is copied; without a mark nobody can
// say what that is.
func TestSalvageBesideWriter(t *testing.T) {
	f, s, hold := held(t)
	done := make(chan struct{})
	hold.open()
	storetest.Must(t, s, "s", eventstore.NoStream, storetest.Propose("s", 0, 3))
	all := storetest.All(t, s.ReadAll(t.Context(), eventstore.Position{}))
	hold.close()
	go func() {
		defer close(done)
		storetest.Must(t, s, "s", eventstore.At(2), storetest.Propose("s", 3, 1))
	}()
	hold.reached()
	// The target's own flushes must not stand before the gate.
	f.mu.Lock()
	f.before = nil
	f.mu.Unlock()
	report := mustSalvage(t, f, all, "beside a writer")
	require.True(t, report.Whole())
	require.Equal(t, uint64(3), report.Records)
	hold.open()
	<-done
	f.mu.Lock()
	delete(f.live, dir+"/durable")
	f.mu.Unlock()
	_, err := embedded.Salvage(t.Context(), dir, "/other", embedded.SalvageOptions{Options: embedded.Options{FS: f}})
	var locked *embedded.LockedError
	require.ErrorAs(t, err, &locked)
}

// TestSalvageFailsCleanly: an error or a kill at any operation leaves the source
// alone, and never a target that claims to be finished and is not.
func TestSalvageFailsCleanly(t *testing.T) {
	f, _ := whole(t)
	all := records(t, f)
	damaged := f.without(f.segmentNames()[1])
	for i := 1; ; i++ {
		for _, kill := range []bool{false, true} {
			again := damaged.restart()
			again.lenient = true
			if kill {
				again.killAt = i
			} else {
				again.failAt = i
			}
			before := again.contentsOf(dir)
			report, err := again.salvage()
			require.Equal(t, before, again.contentsOf(dir))
			ops := again.ops
			after := again.restart()
			if err == nil {
				requireCopy(t, after, report, all, label("operation %d", i))
			} else if text := after.contentsOf(target)["salvage.json"]; text != "" {
				require.NoError(t, json.Unmarshal([]byte(text), &report))
				requireCopy(t, after, report, all, label("operation %d, only its end was not told", i))
			} else {
				requireNoStore(t, after, label("operation %d", i))
			}
			if ops < i {
				require.NoError(t, err)
				require.Greater(t, i, 60)
				return
			}
			if err != nil && !kill {
				require.True(t, errors.Is(err, errInjected) || errors.As(err, new(*eventstore.Unavailable)), "%v", err)
			}
		}
	}
}

// requireNoStore: "A target that was not finished is marked, and nobody opens it": neither
// a writer, nor a reader, nor another salvage.
func requireNoStore(t testing.TB, f *faultFS, when string) {
	t.Helper()
	if len(f.contentsOf(target)) == 0 {
		return // nothing was made
	}
	_, err1 := embedded.OpenReadOnly(target, embedded.Options{FS: f})
	_, err2 := embedded.Salvage(t.Context(), target, "/again", embedded.SalvageOptions{Options: embedded.Options{FS: f}})
	_, err3 := embedded.Open(target, embedded.Options{FS: f, Existing: true})
	for _, err := range []error{err1, err2, err3} {
		if foreign := (*embedded.NotStoreError)(nil); !errors.As(err, &foreign) {
			require.ErrorAs(t, err, new(*embedded.UnfinishedError), when)
		}
	}
}

// A salvage that was interrupted half way looks like a sound store: each of its checksums
// fits. "What an interrupted salvage has left is marked, and opened by nobody."
func TestSalvageInterrupted(t *testing.T) {
	f, _ := whole(t)
	ctx, cancel := context.WithCancel(t.Context())
	options := embedded.SalvageOptions{Options: embedded.Options{FS: f}}
	options.Progress = func(done, _ int64) {
		if done > 0 {
			cancel()
		}
	}
	_, err := embedded.Salvage(ctx, dir, target, options)
	require.ErrorIs(t, err, context.Canceled)
	require.Contains(t, slices.Collect(maps.Keys(f.contentsOf(target))), "durable", "there is half a store")
	requireNoStore(t, f, "interrupted")
	_, err = f.salvage()
	require.ErrorContains(t, err, "into another folder", "it says what to do")
}

// TestSalvageBytes: data that is not canonical JSON comes out byte for byte, and
// a context ends the work.
func TestSalvageBytes(t *testing.T) {
	f := newFaultFS(t, 1)
	s, err := f.open(300)
	require.NoError(t, err)
	for i, data := range []string{"first", `{"a":1}`, `{"a": 1}`, "\xff\x00", "", `"<&>\u2028"`, `null`, "{\"a\":\"\xff\"}"} {
		records := storetest.Propose("s", i, 1)
		records[0].Data, records[0].Metadata = []byte(data), []byte(data)
		storetest.Must(t, s, "s", eventstore.Expected(i-1), records)
	}
	require.NoError(t, s.Close())
	all := records(t, f)
	report := mustSalvage(t, f.without(f.segmentNames()[0]), all, "bytes")
	require.Positive(t, report.Unplaced)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = embedded.Salvage(ctx, dir, target, embedded.SalvageOptions{Options: embedded.Options{FS: f.restart()}})
	require.ErrorIs(t, err, context.Canceled)
	_, err = embedded.Salvage(t.Context(), dir, target, embedded.SalvageOptions{Options: embedded.Options{FS: f}, Progress: func(done, total int64) {
		require.LessOrEqual(t, done, total)
	}})
	require.NoError(t, err)
}
