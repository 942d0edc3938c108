package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
)

// loadName is the hidden subcommand that makes the load of pets bench stops.
const loadName = "load"

// loadPlan is the first line on standard input: it says which clients ask the server for what, all
// at once and without a pause.
type loadPlan struct {
	URL     string       `json:"url"`
	Permits []loadClient `json:"permits"` // each asks for permits without end
	Batches []loadClient `json:"batches"` // each sends batches of fills without end
	Size    int          `json:"size"`    // commands in a batch
	// Next lists the clients that senders of batches take over on a loadMove.
	Next []loadClient `json:"next"`
	// Readers read past states and page through the events of a portfolio.
	Readers   []loadClient `json:"readers"`
	Revisions int          `json:"revisions"` // the portfolio's length
	// Strangers is the number of silent connections. HalfBodies is the number of requests for a
	// permit, with a key, whose body never ends.
	Strangers  int `json:"strangers"`
	HalfBodies int `json:"half_bodies"`
	// PerSource is how many of them come from one address.
	PerSource int        `json:"per_source"`
	Half      loadClient `json:"half"`
}

// loadClient is a client of the load.
type loadClient struct {
	Key       string `json:"key"`
	Portfolio string `json:"portfolio"`
	Bot       string `json:"bot"`
}

// loadOrder is a further line on standard input; end of file ends the load.
type loadOrder struct {
	Report bool `json:"report,omitempty"`
	// Move makes a sender of batches act as a client of loadPlan.Next.
	Move *loadMove `json:"move,omitempty"`
}

type loadMove struct{ Sender, To int }

// loadReport counts what was done since the load began.
type loadReport struct {
	Seconds  float64 `json:"seconds"`
	Permits  int64   `json:"permits"`  // answered, granted or not
	Batches  int64   `json:"batches"`  // answered
	Commands int64   `json:"commands"` // accepted commands in batches
	Refused  int64   `json:"refused"`  // refused commands in batches
	Reads    int64   `json:"reads"`
	// Open and Half are the silent connections and the half bodies that the server holds at
	// this moment.
	Open int64 `json:"open"`
	Half int64 `json:"half"`
	// Others counts every other answer, and every connection that failed.
	Others map[string]int64 `json:"others"`
}

// load runs in the separate process.
type load struct {
	plan    loadPlan
	began   time.Time
	senders []atomic.Pointer[loadClient]
	client  func(loadKind) *http.Client

	permits, batches, commands, refused, reads, open, half atomic.Int64

	mu     sync.Mutex
	others map[string]int64
}

func (a *app) loadCommand() *cobra.Command {
	return &cobra.Command{
		Use: loadName, Hidden: true, Args: cobra.NoArgs, Short: "The load of pets bench stops, in a process of its own",
		RunE: func(c *cobra.Command, _ []string) error { return runLoad(c.Context(), a.In, a.Out) },
	}
}

// runLoad reads a plan, runs it, and answers orders until the end of its input.
func runLoad(ctx context.Context, in io.Reader, out io.Writer) error {
	orders := json.NewDecoder(in)
	l := &load{began: time.Now(), others: map[string]int64{}}
	if err := orders.Decode(&l.plan); err != nil {
		return fmt.Errorf("read the plan: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	var group sync.WaitGroup
	l.start(ctx, &group)
	defer group.Wait()
	defer stop()
	answers := json.NewEncoder(out)
	for {
		var o loadOrder
		if err := orders.Decode(&o); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if o.Move != nil {
			l.senders[o.Move.Sender].Store(&l.plan.Next[o.Move.To])
		}
		if o.Report {
			if err := answers.Encode(l.report()); err != nil {
				return err
			}
		}
	}
}

func (l *load) start(ctx context.Context, group *sync.WaitGroup) {
	l.senders = make([]atomic.Pointer[loadClient], len(l.plan.Batches))
	clients := map[loadKind]*http.Client{}
	for _, kind := range []loadKind{asking, batching, reading} {
		clients[kind] = &http.Client{Timeout: 60 * time.Second, Transport: &http.Transport{
			DialContext: (&net.Dialer{LocalAddr: sourceAddress(kind, 0)}).DialContext, MaxIdleConns: 256, MaxIdleConnsPerHost: 256,
		}}
	}
	l.client = func(kind loadKind) *http.Client { return clients[kind] }
	for i := range l.plan.Permits {
		group.Go(func() { l.forever(ctx, func() error { return l.permit(ctx, &l.plan.Permits[i]) }) })
	}
	for i := range l.plan.Batches {
		l.senders[i].Store(&l.plan.Batches[i])
		group.Go(func() { l.forever(ctx, func() error { return l.batch(ctx, l.senders[i].Load()) }) })
	}
	for i := range l.plan.Readers {
		group.Go(func() { l.forever(ctx, func() error { return l.read(ctx, &l.plan.Readers[i]) }) })
	}
	for i := range l.plan.Strangers {
		group.Go(func() { l.stay(ctx, strange, i, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", "", &l.open) })
	}
	half := "POST /v1/portfolios/" + l.plan.Half.Portfolio + "/permits HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + l.plan.Half.Key +
		"\r\nIdempotency-Key: " + uuid.NewString() + "\r\nContent-Type: application/json\r\nContent-Length: 200\r\nExpect: 100-continue\r\n\r\n"
	for i := range l.plan.HalfBodies {
		group.Go(func() { l.stay(ctx, halting, i, half, `{"bot":`, &l.half) })
	}
}

// forever repeats work. After an error it waits a little, as a client does.
func (l *load) forever(ctx context.Context, work func() error) {
	for ctx.Err() == nil {
		if err := work(); err != nil {
			l.note(err)
			pause(ctx, 20*time.Millisecond)
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// note counts an error by its text.
func (l *load) note(err error) {
	what := err.Error()
	var network net.Error
	if errors.As(err, &network) { // the text has addresses, which would count apart
		what = "no answer"
		if network.Timeout() {
			what = "no answer in time"
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.others) < 100 || l.others[what] > 0 {
		l.others[what]++
	}
}

func (l *load) report() loadReport {
	l.mu.Lock()
	defer l.mu.Unlock()
	return loadReport{
		Seconds: time.Since(l.began).Seconds(), Permits: l.permits.Load(), Batches: l.batches.Load(), Commands: l.commands.Load(), Refused: l.refused.Load(),
		Reads: l.reads.Load(), Open: l.open.Load(), Half: l.half.Load(), Others: maps.Clone(l.others),
	}
}

func (l *load) permit(ctx context.Context, c *loadClient) error {
	_, err := l.ask(ctx, asking, c, http.MethodPost, "/permits", permitBody(c.Bot))
	if err == nil {
		l.permits.Add(1)
	}
	return err
}

func (l *load) batch(ctx context.Context, c *loadClient) error {
	items := make([]string, l.plan.Size)
	for i := range items {
		items[i] = batchItem("record_fill", fillBody(c.Bot))
	}
	answer, err := l.ask(ctx, batching, c, http.MethodPost, "/batch", batchBody(items))
	if err != nil {
		return err
	}
	var v struct{ Results []struct{ Status int } }
	if err := json.Unmarshal(answer, &v); err != nil {
		return errors.New("the answer to a batch cannot be read")
	}
	for _, r := range v.Results {
		if r.Status == http.StatusOK {
			l.commands.Add(1)
		} else {
			l.refused.Add(1)
		}
	}
	l.batches.Add(1)
	return nil
}

// read reads a past state or a page of events.
func (l *load) read(ctx context.Context, c *loadClient) error {
	at := rand.IntN(max(l.plan.Revisions, 1)) //nolint:gosec // no secret
	path := fmt.Sprintf("/state?at=%d", at)
	if at%2 == 0 {
		path = fmt.Sprintf("/events?after=%d&limit=1000", at)
	}
	_, err := l.ask(ctx, reading, c, http.MethodGet, path, "")
	if err == nil {
		l.reads.Add(1)
	}
	return err
}

func (l *load) ask(ctx context.Context, kind loadKind, c *loadClient, method, path, body string) ([]byte, error) {
	d := door{l.client(kind), l.plan.URL + "/v1/portfolios/" + c.Portfolio, c.Key}
	return d.must(ctx, method, path, body)
}

// lines describes what was done between two reports.
func (r loadReport) lines(before loadReport) []string {
	seconds := max(r.Seconds-before.Seconds, 0.001)
	per := func(now, then int64) float64 { return float64(now-then) / seconds }
	out := []string{fmt.Sprintf("%.0f permits/s, %.1f batches/s (%.0f commands/s taken, %.0f refused), %.1f looks at the past/s, %d silent connections and %d half bodies held",
		per(r.Permits, before.Permits), per(r.Batches, before.Batches), per(r.Commands, before.Commands), per(r.Refused, before.Refused),
		per(r.Reads, before.Reads), r.Open, r.Half)}
	for _, what := range slices.Sorted(maps.Keys(r.Others)) {
		if n := r.Others[what] - before.Others[what]; n > 0 {
			out = append(out, fmt.Sprintf("%d × %s", n, what))
		}
	}
	return out
}
