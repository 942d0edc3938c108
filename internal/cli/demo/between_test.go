package demo_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// between is a proxy between a bot and its server that sees every command. Other requests pass
// through; the first event stream is cut off after a moment.
type between struct {
	url   string
	proxy *httputil.ReverseProxy
	bot   chan *os.Process // the process to kill

	mu    sync.Mutex // one command at a time, as the bot sends them
	post  func(w http.ResponseWriter, q *http.Request, body []byte)
	known map[string]bool // reported fills and sets; a bot reports them again when it starts
	// unanswered is the command during which the bot was killed, with its key: the bot's next life
	// has to start with it.
	unanswered string

	deaf    atomic.Bool // refuses every stream
	streams sync.Mutex  // separate, because a command may wait for an event of a stream
	lasts   []string    // Last-Event-ID of every stream
}

func newBetween(r *botRig) *between {
	target, err := url.Parse(r.server.URL)
	require.NoError(r.t, err)
	b := &between{bot: make(chan *os.Process, 1), known: map[string]bool{}}
	b.proxy = &httputil.ReverseProxy{
		Rewrite:  func(p *httputil.ProxyRequest) { p.SetURL(target) },
		ErrorLog: log.New(io.Discard, "", 0), // errors caused by killed bots
	}
	server := httptest.NewServer(b)
	r.t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	b.url = server.URL
	return b
}

func (b *between) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	if q.Method != http.MethodPost {
		b.get(w, q)
		return
	}
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.post(w, q, body)
}

// onPost sets what happens to commands.
func (b *between) onPost(do func(w http.ResponseWriter, q *http.Request, body []byte)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.post = do
}

func (b *between) resumed() []string {
	b.streams.Lock()
	defer b.streams.Unlock()
	return slices.Clone(b.lasts)
}

func (b *between) get(w http.ResponseWriter, q *http.Request) {
	if strings.HasSuffix(q.URL.Path, "/stream") {
		if b.deaf.Load() {
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return
		}
		b.streams.Lock()
		b.lasts = append(b.lasts, q.Header.Get("Last-Event-ID"))
		first := len(b.lasts) == 1
		b.streams.Unlock()
		if first {
			ctx, cancel := context.WithTimeout(q.Context(), 300*time.Millisecond)
			defer cancel()
			q = q.WithContext(ctx)
		}
	}
	b.proxy.ServeHTTP(w, q)
}

// forward passes a command to the server; with w nil, the answer is dropped.
func (b *between) forward(w http.ResponseWriter, q *http.Request, body []byte) {
	if w == nil {
		w = httptest.NewRecorder()
	}
	q.Body = io.NopCloser(bytes.NewReader(body))
	b.proxy.ServeHTTP(w, q)
}

// killAt kills the next life of the bot at its n-th command, not counting known fills: before
// the server receives it, before the bot receives the answer, or just after that.
func (b *between) killAt(t *testing.T, n int, when string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	first := b.unanswered
	b.unanswered = ""
	b.post = func(w http.ResponseWriter, q *http.Request, body []byte) {
		sent := q.Header.Get("Idempotency-Key") + " " + q.URL.Path + " " + string(body)
		if first != "" && sent != first {
			t.Errorf("the journal was to be sent again: %s, not %s", first, sent)
		}
		first = ""
		var fact struct {
			TradeID string `json:"trade_id"`
			SetID   string `json:"set_id"`
		}
		_ = json.Unmarshal(body, &fact)
		id := fact.TradeID + fact.SetID
		if b.known[id] {
			b.forward(w, q, body)
			return
		}
		if n--; n > 0 {
			if id != "" {
				b.known[id] = true
			}
			b.forward(w, q, body)
			return
		}
		if n < 0 {
			panic(http.ErrAbortHandler) // it is being killed
		}
		switch when {
		case "before":
			b.unanswered = sent
		case "unheard":
			b.unanswered = sent
			b.forward(nil, q, body)
		case "heard":
			b.forward(w, q, body)
			_ = http.NewResponseController(w).Flush() // send the answer before the bot is killed
		}
		_ = (<-b.bot).Kill()
		panic(http.ErrAbortHandler)
	}
}
