package operate_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/cli"
	"pets/internal/pets/petstest"
)

// between hands requests on to a server. answered may change the results of a batch; reads counts
// the reads of events, which events answers if it is set; asked is told of every request.
type between struct {
	address  string
	answered func(results []map[string]any)
	events   http.HandlerFunc
	asked    func(*http.Request)
	reads    atomic.Int32
}

func standsBetween(t *testing.T, p *petstest.Process) *between {
	t.Helper()
	there, err := url.Parse(p.URL)
	require.NoError(t, err)
	b := &between{answered: func([]map[string]any) {}, asked: func(*http.Request) {}}
	proxy := httputil.NewSingleHostReverseProxy(there)
	proxy.ModifyResponse = func(r *http.Response) error {
		if !strings.HasSuffix(r.Request.URL.Path, "/batch") {
			return nil
		}
		var v map[string][]map[string]any
		if err := json.NewDecoder(r.Body).Decode(&v); err != nil {
			return err
		}
		b.answered(v["results"])
		raw, err := json.Marshal(v)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
		r.Header.Set("Content-Length", strconv.Itoa(len(raw)))
		return err
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.asked(r)
		if strings.HasSuffix(r.URL.Path, "/events") {
			b.reads.Add(1)
			if b.events != nil {
				b.events(w, r)
				return
			}
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	b.address = server.URL
	return b
}

// shorten makes the answers short, as a server does where those of a batch are too long.
func shorten(results []map[string]any) {
	for _, one := range results {
		if answer, is := one["answer"].(map[string]any); is {
			answer["events"], one["short"] = []any{}, true
		}
	}
}

const (
	voids   = `{"command":"void_fill","body":{"bot":"alpha","market":"m","trade_id":"typo-1"}}`
	settles = `{"command":"settle_market","body":{"market":"rian","outcome":"YES","payout":"1"}}`
	fills   = `{"command":"record_fill","body":{"bot":"alpha","market":"m","outcome":"NO","side":"sell","quantity":"10","price":"0.5","trade_id":"v-1"}}`
	trades  = `{"command":"record_trade","body":{"bot":"alpha","market":"m","pnl":"-900","trade_id":"t-1"}}`
)

// "An answer with "short":true has no reasons and events": what its command would have said is
// read by its revision, also where the command changed nothing, and where it tripped a breaker, so
// that its last record is not the one that is sought.
func TestAShortAnswerIsLookedAt(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func([]map[string]any){
		"all are short": shorten, "the last are": func(all []map[string]any) { shorten(all[2:]) },
	} {
		t.Run(name, func(t *testing.T) {
			s, p := traded(t)
			b := standsBetween(t, p)
			b.answered = change
			again := strings.ReplaceAll(fills, `"10"`, `"10.0"`)
			r := s.Run("--server", b.address, "batch", batchOf(s, voids, deposit7, settles, trades,
				withKey("6d0ea9f4-97e9-4e9b-a1a0-2d1d3b7c1c4e", fills), withKey("5d0ea9f4-97e9-4e9b-a1a0-2d1d3b7c1c4e", again)))
			require.Equal(t, 0, r.Code, r.Err)
			for _, want := range []string{
				"1 void_fill NO SUCH FILL IS KNOWN", "3 settle_market rian / YES: nobody holds it", "4 record_trade FLAGGED: halted",
				"5 record_fill FLAGGED: ", "1 of them changed nothing",
			} {
				require.Contains(t, plain(r.Out), want)
			}
			require.NotContains(t, r.Out, "6  record_fill")
			require.NotEmpty(t, s.EventsOf("breaker.tripped"))
			require.NotContains(t, r.Out, "not looked at")
		})
	}
}

// "What it cannot read of them it counts as not looked at": any of them may have tripped something.
func TestWhatIsNotLookedAtIsCounted(t *testing.T) {
	t.Parallel()
	s, p := traded(t)
	b := standsBetween(t, p)
	b.answered = shorten
	b.events = func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) }
	r := s.Run("--server", b.address, "batch", batchOf(s, voids, settles, deposit7))
	require.Equal(t, 0, r.Code, r.Err)
	require.Contains(t, plain(r.Out), "not looked at: 3: how fills were flagged, what was voided or settled, and what has tripped, cannot be read: ")
}

// "What it cannot read of them it counts as not looked at", and so it does what was recorded
// before, which is not read again, however long ago that was.
func TestWhatWasRecordedBeforeIsNotReadAgain(t *testing.T) {
	t.Parallel()
	s, p := traded(t)
	b := standsBetween(t, p)
	file := batchOf(s, voids, settles, deposit7)
	const key = "5d0ea9f4-97e9-4e9b-a1a0-2d1d3b7c1c4e"
	require.Contains(t, s.Run("--server", b.address, "batch", file, "--key", key).Out, "NO SUCH FILL IS KNOWN")
	b.reads.Store(0)
	r := s.Run("--server", b.address, "batch", file, "--key", key)
	require.Equal(t, 0, r.Code, r.Err)
	require.Contains(t, plain(r.Out), "not looked at: 2 that were recorded before")
	require.Zero(t, b.reads.Load())
}

// The reading ends, however much was recorded between the first command of a batch and the last.
func TestTheReadingOfWarningsIsBounded(t *testing.T) {
	t.Parallel()
	s, p := traded(t)
	b := standsBetween(t, p)
	b.answered = func(all []map[string]any) {
		shorten(all)
		all[1]["answer"].(map[string]any)["revision"] = 1 << 40 //nolint:forcetypeassert // it is one
	}
	b.events = func(w http.ResponseWriter, r *http.Request) {
		after, err := strconv.Atoi(r.URL.Query().Get("after"))
		if err != nil || b.reads.Load() > 30 {
			http.Error(w, "it goes on for ever", http.StatusForbidden)
			return
		}
		lines := make([]string, 1000)
		for i := range lines {
			lines[i] = fmt.Sprintf(`{"revision":%d,"type":"command.noted.v1","data":{"code":"unchanged","note":"so it was"}}`, after+1+i)
		}
		_, _ = fmt.Fprintf(w, `{"events":[%s],"next":"%d"}`, strings.Join(lines, ","), after+1000)
	}
	r := s.Run("--server", b.address, "batch", batchOf(s, voids, settles))
	require.Equal(t, 0, r.Code, r.Err)
	require.LessOrEqual(t, b.reads.Load(), int32(12))
	require.Contains(t, plain(r.Out), "not looked at: 1: how fills were flagged, what was voided or settled, and what has tripped, cannot be read: too much was recorded meanwhile")
}

// The reading ends, however long a server takes to answer.
func TestTheReadingOfWarningsTakesNoLongTime(t *testing.T) {
	t.Parallel()
	s, p := traded(t)
	b := standsBetween(t, p)
	b.events = func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	r := s.Run("--server", b.address, "batch", batchOf(s, voids, settles))
	require.Equal(t, 0, r.Code, r.Err)
	require.Contains(t, plain(r.Out), "not looked at: 2: how fills were flagged, what was voided or settled, and what has tripped, cannot be read: reading it takes too long")
}

// An answer that was lost on the way makes no replay of what this run did itself: it is looked at.
func TestABatchThatWasSentTwiceByItselfIsLookedAt(t *testing.T) {
	t.Parallel()
	s, p := traded(t)
	b := standsBetween(t, p)
	b.answered = func(all []map[string]any) {
		for _, one := range all {
			one["replayed"] = true
		}
	}
	r := s.Run("--server", b.address, "batch", batchOf(s, voids, deposit7))
	require.Equal(t, 0, r.Code, r.Err)
	require.Contains(t, r.Out, "1  void_fill  NO SUCH FILL IS KNOWN")
	require.NotContains(t, r.Out, "already recorded")
}

// breaks is an output that takes no line of some words.
type breaks struct {
	io.Writer
	at string
}

func (b breaks) Write(text []byte) (int, error) {
	if bytes.Contains(text, []byte(b.at)) {
		return 0, errors.New("the disk is full")
	}
	return b.Writer.Write(text)
}

// What a person has to look at and could not be printed is a failure.
func TestAWarningThatCannotBePrinted(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"NO SUCH FILL", "REFUSED"} {
		s, _ := traded(t)
		r := s.RunWith(func(a *cli.App) { a.Out = breaks{a.Out, at} }, "batch", batchOf(s, voids, strings.ReplaceAll(fills, "alpha", "nobody")))
		require.Equal(t, 1, r.Code, r.Err)
		require.Contains(t, plain(r.Err), "but printing this failed: the disk is full", at)
	}
}
