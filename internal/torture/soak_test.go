package torture

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/embedded"
)

const (
	soakEnv     = "PETS_TORTURE_EVENTS"
	soakStreams = 64
	soakBatch   = 5 // events of one append: about what a command writes
)

// soakFigures is what the soak worker measured.
type soakFigures struct {
	Events            int
	WriteSeconds      float64
	OpenSeconds       float64
	ReadSeconds       float64
	LogBytes          uint64
	HeapBytes         uint64 // that an opened store keeps, after a collection
	PeakHeapBytes     uint64 // while it was written and read
	PeakAnonymous     uint64 // memory of the process that is no file's, at its end
	HeapBytesPerEvent float64
}

// TestSoak: "soak: bounded memory, rebuilt state = live state". A process
// appends, folding what it appends; opens the store anew, folds what it reads,
// and compares.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("a soak is not short")
	}
	events := rounds(*soakEvents, 100_000, 20_000, 10_000)
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), roleEnv+"=soak", folderEnv+"="+t.TempDir(), soakEnv+"="+strconv.Itoa(events))
	c.Stderr = os.Stderr
	out, err := c.Output()
	require.NoError(t, err, string(out))
	var f soakFigures
	require.NoError(t, json.Unmarshal(out, &f))
	t.Logf("soak: %s", out)
	require.GreaterOrEqual(t, f.Events, events)
	require.Less(t, f.HeapBytesPerEvent, 64.0, "what an event costs for as long as the store is open")
	require.Less(t, f.PeakHeapBytes, 256<<20+3*f.HeapBytes, "memory grows with what is open, not with what was done")
}

func soakWorker(folder string) error {
	events, err := strconv.Atoi(os.Getenv(soakEnv))
	if err != nil {
		return err
	}
	var f soakFigures
	stop := watchHeap(&f.PeakHeapBytes)
	before := heap()
	live, err := soakWrite(folder, events, &f)
	if err != nil {
		return err
	}
	begun := time.Now()
	s, err := embedded.Open(folder, embedded.Options{})
	if err != nil {
		return err
	}
	f.OpenSeconds = time.Since(begun).Seconds()
	begun = time.Now()
	rebuilt, err := soakRead(s)
	if err != nil {
		return err
	}
	f.ReadSeconds = time.Since(begun).Seconds()
	if *live != *rebuilt {
		return errors.New("what was read is not what was written")
	}
	f.HeapBytes = max(heap(), before) - before
	stop()
	report, err := s.Verify(context.Background(), nil)
	if err != nil {
		return err
	}
	f.Events, f.LogBytes = int(report.Records), report.Bytes
	f.HeapBytesPerEvent = float64(f.HeapBytes) / float64(f.Events)
	f.PeakAnonymous = anonymous()
	return errors.Join(json.NewEncoder(os.Stdout).Encode(f), s.Close())
}

// soakState is a fold over all streams: in each, a running hash of everything a
// record holds, so that one record changed, lost, doubled or moved shows.
type soakState [soakStreams]struct {
	count uint64
	sum   [sha256.Size]byte
}

func (s *soakState) apply(h hash.Hash, stream int, r *eventstore.Proposed) {
	at := &s[stream]
	h.Reset()
	h.Write(at.sum[:])
	h.Write(r.ID[:])
	h.Write(binary.LittleEndian.AppendUint64([]byte(r.Type), uint64(r.Time.UnixNano())))
	h.Write(r.Metadata)
	h.Write(r.Data)
	h.Sum(at.sum[:0])
	at.count++
}

func soakWrite(folder string, events int, f *soakFigures) (*soakState, error) {
	s, err := embedded.Open(folder, embedded.Options{})
	if err != nil {
		return nil, err
	}
	begun, live := time.Now(), &soakState{}
	failed := make([]error, soakStreams)
	var group sync.WaitGroup
	for w := range soakStreams {
		group.Go(func() { failed[w] = soakStream(s, w, (events+soakStreams-1)/soakStreams, live) })
	}
	group.Wait()
	f.WriteSeconds = time.Since(begun).Seconds()
	return live, errors.Join(errors.Join(failed...), s.Close())
}

func soakStream(s *embedded.Store, w, events int, live *soakState) error {
	h, start := sha256.New(), time.Unix(1_700_000_000, 0)
	name, metadata := fmt.Sprintf("portfolio-%02d", w), []byte(`{"v":1,"user":"soak","key":"00000000-0000-0000-0000-000000000000"}`)
	for n := 0; n < events; n += soakBatch {
		batch := make([]eventstore.Proposed, soakBatch)
		for i := range batch {
			var id uuid.UUID
			binary.BigEndian.PutUint64(id[:], uint64(w)<<48|uint64(n+i+1))
			batch[i] = eventstore.Proposed{
				ID: id, Type: "fill.recorded.v1", Time: start.Add(time.Duration(n+i) * time.Millisecond), Metadata: metadata,
				Data: fmt.Appendf(nil, `{"bot":"soak","instrument":"BTC-USDC","side":"buy","quantity":"0.%09d","price":"64000.%d","fee":"0.01"}`, n+i, n%97),
			}
		}
		if _, err := s.Append(context.Background(), name, eventstore.Expected(n-1), batch); err != nil {
			return err
		}
		for i := range batch {
			live.apply(h, w, &batch[i])
		}
	}
	return nil
}

func soakRead(s *embedded.Store) (*soakState, error) {
	h, state := sha256.New(), &soakState{}
	for r, err := range s.ReadAll(context.Background(), eventstore.Position{}) {
		if err != nil {
			return nil, err
		}
		w, err := strconv.Atoi(strings.TrimPrefix(r.Stream, "portfolio-"))
		if err != nil || r.Revision != state[w].count {
			return nil, fmt.Errorf("revision %d of %s where %d must come", r.Revision, r.Stream, state[w].count)
		}
		state.apply(h, w, &eventstore.Proposed{ID: r.ID, Type: r.Type, Time: r.Time, Metadata: r.Metadata, Data: r.Data})
	}
	return state, nil
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// watchHeap notes the largest heap until it is stopped.
func watchHeap(peak *uint64) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			*peak = max(*peak, m.HeapInuse)
			select {
			case <-done:
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	}()
	return func() { close(done); <-ended }
}

// anonymous is what the process occupies besides files, or 0 where the system
// does not say.
func anonymous() uint64 {
	b, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(b), "RssAnon:")
	kilobytes := uint64(0)
	_, _ = fmt.Sscanf(rest, "%d", &kilobytes)
	return kilobytes << 10
}
