package chaintest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// Request is one JSON-RPC request as a proxy saw it.
type Request struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	HTTP   *http.Request   `json:"-"`
	body   []byte
	proxy  *Proxy
}

// Fault answers instead of the node. It returns false to let the request through.
type Fault func(w http.ResponseWriter, r Request) bool

// Proxy is a proxy in front of a node. It lets every request through until a fault is set.
type Proxy struct {
	t        testing.TB
	upstream string
	server   *httptest.Server
	closed   chan struct{}

	mu    sync.Mutex
	fault Fault
	calls map[string]int
}

// Proxy starts a proxy in front of the chain's node.
func (c *Chain) Proxy() *Proxy {
	p := &Proxy{t: c.t, upstream: c.URL(), closed: make(chan struct{}), calls: map[string]int{}}
	p.server = httptest.NewServer(p)
	c.t.Cleanup(func() {
		close(p.closed)
		p.server.CloseClientConnections()
		p.server.Close()
	})
	return p
}

// URL returns the address of the proxy.
func (p *Proxy) URL() string { return p.server.URL }

// Set replaces the fault; nil removes it.
func (p *Proxy) Set(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
}

// Calls counts the calls of a method so far.
func (p *Proxy) Calls(method string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[method]
}

func (p *Proxy) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	body, err := io.ReadAll(io.LimitReader(hr.Body, 1<<20))
	r := Request{HTTP: hr, body: body, proxy: p}
	if err != nil || json.Unmarshal(body, &r) != nil {
		http.Error(w, "not a request", http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	p.calls[r.Method]++
	fault := p.fault
	p.mu.Unlock()
	if fault != nil && fault(w, r) {
		return
	}
	answer, err := r.forward()
	if err != nil {
		http.Error(w, "no node", http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(answer)
}

// toNode keeps the connections to nodes open, and does not ask them to compress: half of the work
// of a test would be that.
var toNode = &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 32, IdleConnTimeout: time.Second}}

// forward sends the request to the node and returns its answer.
func (r Request) forward() ([]byte, error) {
	ask, err := http.NewRequestWithContext(r.HTTP.Context(), http.MethodPost, r.proxy.upstream, bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	ask.Header.Set("Content-Type", "application/json")
	response, err := toNode.Do(ask)
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(response.Body)
	return answer, errors.Join(err, response.Body.Close())
}

// On limits a fault to one method.
func On(method string, f Fault) Fault {
	return func(w http.ResponseWriter, r Request) bool { return r.Method == method && f(w, r) }
}

// WithParam limits a fault to calls that have a text among their parameters.
func WithParam(text string, f Fault) Fault {
	return func(w http.ResponseWriter, r Request) bool {
		return bytes.Contains(r.Params, []byte(`"`+text+`"`)) && f(w, r)
	}
}

// Hang does not answer until the client is gone.
func Hang(_ http.ResponseWriter, r Request) bool {
	select {
	case <-r.HTTP.Context().Done():
	case <-r.proxy.closed:
	case <-time.After(time.Minute):
	}
	return true
}

// Cut closes the connection without an answer.
func Cut(http.ResponseWriter, Request) bool { panic(http.ErrAbortHandler) }

// Status answers with an HTTP status and a body.
func Status(code int, body string) Fault {
	return func(w http.ResponseWriter, _ Request) bool {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
		return true
	}
}

// Redirect redirects the client to another URL.
func Redirect(to string) Fault {
	return func(w http.ResponseWriter, _ Request) bool {
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusTemporaryRedirect)
		return true
	}
}

// Body answers every request with these bytes.
func Body(text string) Fault { return Status(http.StatusOK, text) }

// Huge answers with a JSON string of size bytes.
func Huge(size int) Fault {
	return func(w http.ResponseWriter, r Request) bool {
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":"0x`, r.ID)
		block := strings.Repeat("0", 1<<16)
		for written := 0; written < size; written += len(block) {
			if _, err := io.WriteString(w, block); err != nil {
				return true
			}
		}
		_, _ = io.WriteString(w, `"}`)
		return true
	}
}

// Truncated cuts the node's answer in the middle.
func Truncated(w http.ResponseWriter, r Request) bool {
	answer, err := r.forward()
	if err == nil {
		_, _ = w.Write(answer[:len(answer)/2])
	}
	return true
}

// Result answers with a false result.
func Result(result string) Fault {
	return func(w http.ResponseWriter, r Request) bool {
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":%s}`, r.ID, result)
		return true
	}
}

// Refuse answers with a JSON-RPC error.
func Refuse(code int, message string) Fault {
	return func(w http.ResponseWriter, r Request) bool {
		text, _ := json.Marshal(message)
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":%d,"message":%s}}`, r.ID, code, text)
		return true
	}
}

// Twist falsifies the node's result: change edits it before it is passed on. A result
// that is not an object is passed on unchanged.
func Twist(change func(result map[string]any)) Fault {
	return func(w http.ResponseWriter, r Request) bool {
		var answer map[string]any
		text, err := r.forward()
		if err != nil || json.Unmarshal(text, &answer) != nil {
			return false
		}
		if result, ok := answer["result"].(map[string]any); ok {
			change(result)
		}
		text, _ = json.Marshal(answer)
		_, _ = w.Write(text)
		return true
	}
}

// Twice forwards the request twice, as a retrying proxy does, and returns the second
// answer.
func Twice(w http.ResponseWriter, r Request) bool {
	_, err := r.forward()
	answer, again := r.forward()
	if err == nil && again == nil {
		_, _ = w.Write(answer)
	}
	return true
}
