package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/eventstore"
	"pets/eventstore/memory"
)

// gatedStore blocks one append to portfolio main until its gate is opened.
type gatedStore struct {
	eventstore.Store

	mu      sync.Mutex
	left    int // appends until then
	gate    chan struct{}
	reached chan struct{}
}

// block lets so many appends pass, and blocks the next one.
func (s *gatedStore) block(after int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left, s.gate, s.reached = after, make(chan struct{}), make(chan struct{})
}

func (s *gatedStore) Append(ctx context.Context, stream string, expected eventstore.Expected, records []eventstore.Proposed) (eventstore.Appended, error) {
	s.mu.Lock()
	var gate chan struct{}
	if s.gate != nil && stream == "portfolio-main" {
		if s.left--; s.left == -1 {
			gate = s.gate
			close(s.reached)
		}
	}
	s.mu.Unlock()
	if gate != nil {
		<-gate
	}
	return s.Store.Append(ctx, stream, expected, records)
}

// longBatch is a batch of 1,000 fills, which is more than one append takes.
func longBatch() string {
	items := make([]string, maxBatch)
	for i := range items {
		items[i] = item("record_fill", fmt.Sprintf(`{"bot":"alpha","market":"m","outcome":"YES","side":"buy","quantity":"0.0001","price":"0.5","trade_id":"%0128d"}`, i))
	}
	return batchOf(items...)
}

func (r *rig) fills() (n int) {
	for _, rec := range r.records("portfolio-main") {
		if rec.Type == "fill.recorded.v1" {
			n++
		}
	}
	return n
}

// "Answers are written as they come": the first ones are there while others are not durable
// yet, and all together they are one answer by index.
func TestABatchIsAnsweredInParts(t *testing.T) {
	store := &gatedStore{Store: memory.New()}
	r := newRig(t, rigged{store: store, now: time.Now}).opened() // without a monotonic clock no decision takes long, and ends its append
	store.block(1)
	open := sync.OnceFunc(func() { close(store.gate) })
	t.Cleanup(open)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.base+main+"/batch", strings.NewReader(longBatch()))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+r.keys["alpha"])
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, int64(-1), resp.ContentLength, "its end is not known yet")
	beginning := make([]byte, batchPiece)
	_, err = io.ReadFull(resp.Body, beginning)
	require.NoError(t, err)
	require.Contains(t, string(beginning[:40]), `{"results":[{"status":200,`)
	<-store.reached
	require.Less(t, r.fills(), maxBatch, "the others wait in an append")
	open()
	rest, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	var v struct {
		Results []struct {
			Status int
			Answer struct{ Revision uint64 }
		}
	}
	whole := append(beginning, rest...)
	require.NoError(t, json.Unmarshal(whole, &v))
	require.Len(t, v.Results, maxBatch)
	last := uint64(0)
	for i, one := range v.Results {
		require.Equal(t, http.StatusOK, one.Status, "%d", i)
		require.Greater(t, one.Answer.Revision, last)
		last = one.Answer.Revision
	}
	require.True(t, bytes.HasSuffix(whole, []byte("}]}\n")))
}

// A short answer is sent at once, with its length.
func TestAShortBatchHasALength(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	a := r.post("alpha", main+"/batch", batchOf(fills(3, "x")...))
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, fmt.Sprint(len(a.body)), a.header.Get("Content-Length"))
}

// "A client that does not read must not block the writer or other clients", and one that
// leaves takes nothing back: all of its commands are decided.
func TestABatchWhoseAnswerIsNotRead(t *testing.T) {
	for name, leave := range map[string]bool{"deaf": false, "gone": true} {
		t.Run(name, func(t *testing.T) {
			r, address := served(t)
			c, err := net.Dial("tcp", address)
			require.NoError(t, err)
			defer c.Close()
			require.NoError(t, c.(*net.TCPConn).SetReadBuffer(4096))
			body := longBatch()
			_, err = fmt.Fprintf(c, "POST %s/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
				main, r.keys["alpha"], len(body), body)
			require.NoError(t, err)
			if leave {
				require.NoError(t, c.Close())
			}
			require.Eventually(t, func() bool { return r.fills() == maxBatch }, time.Minute, time.Millisecond)
			r.must("beta", main+"/permits", permitBody("beta", "1"))
			require.Equal(t, http.StatusOK, r.post("operator", main+"/emergency-stop", `{"kind":"manual","reason":"x"}`).status)
		})
	}
}

// "It keeps that promise": a body that is refused, wherever the fault is, or that does not
// come to its end, has had no effect.
func TestARefusedBatchHasNoEffect(t *testing.T) {
	r, address := served(t)
	good := strings.TrimSuffix(longBatch(), "]}")
	before := len(r.records("portfolio-main"))
	for end, field := range map[string]string{
		`,{"idempotency_key":"x","command":"record_fill","bodi":{}}]}`:     "commands[1000].bodi",
		`,{"idempotency_key":"x","command":"record_fill"}]}`:               "commands[1000].body",
		`,{"idempotency_key":7,"command":"record_fill","body":{}}]}`:       "commands.1000.idempotency_key",
		`,{"idempotency_key":"é","command":"record_fill","body":{"a":1,}}`: "body",
		`,` + item("record_fill", "{}") + `]}`:                             "commands",
		`]}{}`:                                                             "body", `],"more":1}`: "more", `]`: "body", ``: "body",
	} {
		a := r.post("alpha", main+"/batch", good+end)
		require.Equal(t, http.StatusBadRequest, a.status, "%s: %s", end, a.body)
		var p Problem
		a.into(t, &p)
		require.Equal(t, field, p.Field, "%s: %s", end, a.body)
	}
	a := r.post("alpha", main+"/batch", good+strings.Repeat(" ", maxBatchBody)+"]}")
	require.Equal(t, http.StatusRequestEntityTooLarge, a.status, a.body)
	a = r.post("alpha", main+"/batch", `{"commands":[{]}`+strings.Repeat(" ", maxBatchBody))
	require.Equal(t, http.StatusRequestEntityTooLarge, a.status, "that it is too long goes before what else is wrong: %s", a.body)

	c, err := net.Dial("tcp", address)
	require.NoError(t, err)
	_, err = fmt.Fprintf(c, "POST %s/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		main, r.keys["alpha"], len(good)+2, good)
	require.NoError(t, err)
	require.NoError(t, c.(*net.TCPConn).CloseWrite())
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
	require.NoError(t, c.Close())
	require.Len(t, r.records("portfolio-main"), before)
}

// halfAnswered is an engine that answers some commands of a batch, and then no more.
type halfAnswered struct {
	Engine
	some int
}

func (e *halfAnswered) DoInParts(ctx context.Context, p string, all []commands.Request, told func(int, []commands.Result)) error {
	if e.some > 0 {
		if err := e.Engine.DoInParts(ctx, p, all[:e.some], told); err != nil {
			return err
		}
	}
	return context.DeadlineExceeded
}

// When the time is over, what was decided is answered, and the others are told to ask again,
// each in its place. If nothing was, the batch is.
func TestABatchThatIsAnsweredInHalf(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	body := batchOf(append(append(fills(1, "x"), item("record_fill", `{}`)), fills(3, "y")...)...)
	whole := r.api.engine
	r.api.engine = &halfAnswered{whole, 2}
	a := r.post("alpha", main+"/batch", body)
	require.Equal(t, http.StatusOK, a.status)
	var v batchAnswer
	a.into(t, &v)
	var statuses []int
	for _, one := range v.Results {
		statuses = append(statuses, one.Status)
	}
	require.Equal(t, []int{200, 400, 200, 503, 503}, statuses)
	require.Contains(t, v.Results[4].Problem.Detail, "send it again with the same Idempotency-Key")
	r.api.engine = &halfAnswered{whole, 0}
	require.Equal(t, http.StatusServiceUnavailable, r.post("alpha", main+"/batch", body).status)
	r.api.engine = whole
	r.post("alpha", main+"/batch", body).into(t, &v)
	require.True(t, v.Results[0].Replayed)
	require.Equal(t, http.StatusOK, v.Results[4].Status)
}

// Bodies of batches are read in places, and a body that waits for bytes keeps none.
func TestSlowBodiesKeepNoPlace(t *testing.T) {
	r, address := served(t)
	for range 3 { // there is one place
		c, err := net.Dial("tcp", address)
		require.NoError(t, err)
		defer c.Close()
		_, err = fmt.Fprintf(c, "POST %s/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"commands\":[",
			main, r.keys["operator"])
		require.NoError(t, err)
	}
	require.Equal(t, http.StatusOK, r.post("alpha", main+"/batch", batchOf(fills(3, "x")...)).status)
}
