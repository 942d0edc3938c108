//go:build unix

package index

import (
	"encoding/binary"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// cpu is the processor time of this process: on a machine that does other work,
// too, it says more than the time that passes.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchEntries is the size of the index that is measured.
const benchEntries = 1_000_000

// identity is the key of a fill, and absent one that is not in the index.
func identity(n int) Key { return IDKey("fill", "main", string(binary.AppendUvarint(nil, uint64(n)))) }

func absent(n int) Key { return IDKey("none", "main", string(binary.AppendUvarint(nil, uint64(n)))) }

// grown is an index on disk that has grown as in use: a run every 94,000 entries,
// which is what 50,000 events leave, and merged after each.
func grown(b *testing.B) *Index {
	b.Helper()
	x, err := open(must(openFolder(b.TempDir(), true)), testStore, rootAt, byHand)
	if err != nil {
		b.Fatal(err)
	}
	x.unpaced.Store(true)
	value := make([]byte, IDs.ValueLen())
	for n := range benchEntries {
		if err := x.Add(Position(n), Entry{IDs, identity(n), value}); err != nil {
			b.Fatal(err)
		}
		if n%94_000 == 93_999 {
			if err := x.Flush(ctx); err != nil {
				b.Fatal(err)
			}
			if err := x.mergeAll(ctx); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := x.Flush(ctx); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = x.Close() })
	return x
}

// The identities of a group of 128 commands, none of which was there before; and
// the same with all of them there.
func BenchmarkGroupOf128(b *testing.B) {
	x := grown(b)
	for name, key := range map[string]func(int) Key{"misses": absent, "hits": identity} {
		const groups = 256
		keys := make([]Key, groups*128)
		for i := range keys {
			keys[i] = key(i * 7919 % benchEntries)
		}
		values := make([][]byte, 128)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			before := cpu(b)
			for i := 0; b.Loop(); i++ {
				if _, err := x.GetMany(IDs, keys[i%groups*128:][:128], values); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

// Ten trades of a bot that closed 100,000, the newest first.
func BenchmarkRangeOf10(b *testing.B) {
	x, err := open(must(openFolder(b.TempDir(), true)), testStore, rootAt, byHand)
	if err != nil {
		b.Fatal(err)
	}
	p := PrefixOf("main", "bot")
	for n := range 100_000 {
		if err := x.Add(Position(n), Entry{Closed, p.At(uint64(n)), nil}); err != nil {
			b.Fatal(err)
		}
		if n%10_000 == 0 {
			if err := x.Flush(ctx); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Cleanup(func() { _ = x.Close() })
	for b.Loop() {
		if _, _, err := x.Range(Closed, p, 0, 1<<63, true, 10); err != nil {
			b.Fatal(err)
		}
	}
}

// A rebuild of a million entries, with what it leaves: entries in a second of processor time, bytes in memory
// and on disk for each entry, the number of runs, and how often a byte was written.
func BenchmarkRebuild(b *testing.B) {
	log := make([]Addition, benchEntries/2)
	value := make([]byte, IDs.ValueLen())
	for n := range log {
		log[n] = Addition{Position(n), []Entry{{IDs, identity(2 * n), value}, {IDs, identity(2*n + 1), value}}}
	}
	h := &history{log: log}
	for b.Loop() {
		x, err := open(must(openFolder(b.TempDir(), true)), testStore, rootAt, byHand)
		if err != nil {
			b.Fatal(err)
		}
		before, began := heap(), cpu(b)
		if err := x.Rebuild(ctx, h.all(), nil); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(benchEntries/(cpu(b)-began).Seconds(), "entries/cpu-s")
		report(b, x, before)
		if err := x.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// Growing as in use: the write amplification at a million entries.
func BenchmarkGrow(b *testing.B) {
	for b.Loop() {
		before := heap()
		report(b, grown(b), before)
	}
}

func report(b *testing.B, x *Index, before uint64) {
	total := x.Stats().Total()
	b.ReportMetric(float64(heap()-before)/benchEntries, "resident-B/entry")
	b.ReportMetric(float64(total.Bytes)/benchEntries, "disk-B/entry")
	b.ReportMetric(float64(total.Runs), "runs")
	b.ReportMetric(total.Amplification(), "written/live")
	runtime.KeepAlive(x)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
