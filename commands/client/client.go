// Package client is the Go client of the HTTP API. Bots written in Go and the command
// line use it.
//
// It owns the retry. Every command has a reference that its caller chooses, such as an
// order's id. The reference stands for one Idempotency-Key, which is kept in a file
// before the first attempt. So after a lost answer, a restart of either side or a crash,
// a command is sent again under the same key, and has one effect. It refuses to retry
// refused commands, and to interpret directives: it passes them on.
package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"pets/commands"
	"pets/domain"
	"pets/internal/loopback"
	"pets/internal/proof"
)

const (
	// maxAnswer is the most bytes read of one answer.
	maxAnswer = 64 << 20
	// firstPause and longestPause limit the time between two attempts.
	firstPause   = 20 * time.Millisecond
	longestPause = 2 * time.Second
	// longestAnswer is how long the client waits for the answer to one request.
	longestAnswer = 45 * time.Second
	// DefaultPatience is how long a command is retried.
	DefaultPatience = 30 * time.Second
)

// Options of a client.
type Options struct {
	// URL of the server, such as http://127.0.0.1:7433.
	URL string
	// Key is the API key. It is kept in a closure and sent in a header only, and never in
	// clear to another machine: New refuses an http:// URL beyond this one.
	Key string
	// KeysFile keeps Idempotency-Keys across restarts; "" keeps them in memory only.
	KeysFile string
	// OwnKeys: a reference is itself the Idempotency-Key, a UUID that the caller keeps.
	OwnKeys bool
	// CAFile is a PEM file with the certificate of a server that signed its own.
	CAFile string
	// Proof is a secret that is known to the server and to those who found its address
	// locally. The server must prove that it knows the secret before it is sent the key.
	// If Proof is "" no proof is requested.
	Proof string
	// Dial connects to the server in another way than by its URL, such as through a socket
	// in a folder. No proxy is used then.
	Dial func(ctx context.Context) (net.Conn, error)
	// Patience is how long one command is retried; DefaultPatience by default. A request
	// that is under way at the end may still finish.
	Patience time.Duration
	// Within limits the whole time of one command, and ends a request that is under way; 0
	// is no limit.
	Within time.Duration
	// Once sends a command only once. If there is no answer the caller gets an error, and
	// should check before sending it again. It is for commands that let trading go on: a
	// stop may be engaged while a retry waits, and the retry must not undo it.
	Once bool
	// Refused is how long to retry if the connection is refused; 0 is as long as after any
	// other failure.
	Refused time.Duration
	// Waiting is called once for a command that has no answer yet. why is the last failure,
	// or nil if the server just takes its time; left is how long the command is still
	// retried. It may be nil.
	Waiting func(why error, left time.Duration)
	// Silence is how long [Portfolio.Follow] hears nothing before it makes its connection
	// again; DefaultSilence by default. Less than what lies between two signs of life of
	// the server is for tests.
	Silence time.Duration
	// Lost is called with the cause when the connection of [Portfolio.Follow] is lost and
	// is being made again, and with nil when it is made. It may be nil.
	Lost func(why error)
	// Replayed is called for an answer that says that the command was recorded under its
	// key before, by an earlier attempt or another sender with the key. It may be nil.
	Replayed func()
	// OnDirective receives the directives for bots, from answers and from the event
	// stream. It may be nil.
	OnDirective func(commands.Directive)
}

// Client talks to one server with one API key. It may be used by many goroutines.
type Client struct {
	base     string
	key      func() string
	proof    func() string
	proved   *atomic.Bool
	http     *http.Client
	keys     *keyFile
	own      bool
	patience time.Duration
	silence  time.Duration
	within   time.Duration
	refused  time.Duration
	once     bool
	waiting  func(why error, left time.Duration)
	lost     func(why error)
	replayed func()
	direct   func(commands.Directive)
}

// New returns a client. It does not connect yet.
func New(o Options) (*Client, error) {
	u, err := url.Parse(o.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil {
		return nil, domain.Invalid("URL", "must be http://host:port or https://host:port")
	}
	if o.Key != "" && o.Dial == nil && loopback.Clear(u) {
		return nil, ErrClear
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, MaxIdleConns: 256, MaxIdleConnsPerHost: 256, IdleConnTimeout: 50 * time.Second,
		ResponseHeaderTimeout: longestAnswer, TLSHandshakeTimeout: 10 * time.Second,
	}
	if u.Scheme == "http" { // a proxy would read the key, and a name may lead anywhere
		transport.Proxy, transport.DialContext = nil, dialHere
	}
	if o.Dial != nil {
		transport.Proxy = nil
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return o.Dial(ctx) }
	}
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read the certificate of the server: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, domain.Invalid("CAFile", "holds no PEM certificate")
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	keys, err := openKeyFile(o.KeysFile)
	if err != nil {
		return nil, err
	}
	c := &Client{
		base: strings.TrimSuffix(u.Scheme+"://"+u.Host, "/"), key: func() string { return o.Key }, proof: func() string { return o.Proof }, proved: &atomic.Bool{}, keys: keys, own: o.OwnKeys,
		http: &http.Client{Transport: transport, CheckRedirect: noRedirect}, patience: o.Patience, silence: o.Silence, direct: o.OnDirective,
		within: o.Within, refused: o.Refused, once: o.Once, waiting: o.Waiting, lost: o.Lost, replayed: o.Replayed,
	}
	if c.silence <= 0 {
		c.silence = DefaultSilence
	}
	if c.patience <= 0 {
		c.patience = DefaultPatience
	}
	if c.replayed == nil {
		c.replayed = func() {}
	}
	if c.direct == nil {
		c.direct = func(commands.Directive) {}
	}
	return c, nil
}

// ErrClear means that the key would go to another machine in clear. Nothing was sent.
var ErrClear error = domain.Invalid("URL", "is an http:// address of another machine, and the API key would go there in clear: use https://, or a tunnel from a port of this machine (ssh -L 7433:127.0.0.1:7433)")

// dialHere connects to this machine only.
func dialHere(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := (&net.Dialer{Timeout: dialWithin}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return stays(c)
}

// stays closes a connection that leaves this machine.
func stays(c net.Conn) (net.Conn, error) {
	if loopback.Conn(c) {
		return c, nil
	}
	return nil, errors.Join(ErrClear, c.Close())
}

// dialWithin limits the time to connect to a port of this machine.
const dialWithin = 10 * time.Second

// noRedirect leaves a redirect as it is: pets sends none, and another address would get the
// key, in clear where it begins with http://.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Close closes idle connections and the file of keys.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return c.keys.close()
}

// Problem is an answer that is an error: RFC 9457, as the server sends it.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Field  string `json:"field,omitempty"`
	// RetryAfter is how long to wait before a retry, as the server said, or zero.
	RetryAfter time.Duration `json:"-"`
}

func (p *Problem) Error() string {
	if p.Detail != "" {
		return p.Detail
	}
	return p.Title
}

// Code is the last part of the problem's type, such as conflict.
func (p *Problem) Code() domain.Code {
	return domain.Code(strings.TrimPrefix(p.Type, "urn:pets:problem:"))
}

// CodeForeign is the code of an answer that does not come from a pets server.
const CodeForeign domain.Code = "about:blank"

// CodeOf returns the code of the Problem in err's chain, or "".
func CodeOf(err error) domain.Code {
	var p *Problem
	if errors.As(err, &p) {
		return p.Code()
	}
	return ""
}

// Get reads a view, such as /v1/portfolios/main/state, into a value.
func (c *Client) Get(ctx context.Context, path string, into any) error {
	return c.retry(ctx, func(ctx context.Context) error { return c.send(ctx, http.MethodGet, path, "", nil, into) })
}

// Send sends a command under a reference. Sending it again with the same reference
// repeats the same command, whatever happened in between, so give every command its own.
// Once it is answered, or refused for good, release the reference with [Client.Forget].
func (c *Client) Send(ctx context.Context, method, path, reference string, body, into any) error {
	key := reference
	if !c.own {
		var err error
		if key, err = c.keys.keyOf(reference); err != nil {
			return err
		}
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode the command: %w", err)
	}
	return c.retry(ctx, func(ctx context.Context) error { return c.send(ctx, method, path, key, raw, into) })
}

// Forget releases the reference of a finished command. The reference may then be used for
// another command.
func (c *Client) Forget(reference string) error { return c.keys.forget(reference) }

var errUnreadable = errors.New("the answer cannot be read")

func (c *Client) send(ctx context.Context, method, path, key string, body []byte, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%w: %w", errUnreadable, quiet(err))
	}
	c.authorise(req)
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.do(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, schemed(quiet(err)))
	}
	defer func() { _ = resp.Body.Close() }() // it was read to its end, or is not needed
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, quiet(err))
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		return later(problemOf(resp.StatusCode, raw), resp.Header.Get("Retry-After"))
	}
	if resp.Header.Get("Idempotency-Replayed") == "true" {
		c.replayed()
	}
	return c.take(raw, into)
}

// ErrStranger means that another program than the server answers at the address.
var ErrStranger = errors.New("another program answers at the address in the server's lock; nothing was sent to it")

// do sends a request after the server has proved its identity.
func (c *Client) do(req *http.Request) (*http.Response, error) {
	if err := c.ask(req.Context()); err != nil {
		return nil, err
	}
	return c.http.Do(req)
}

// ask requests the server's proof, once, if one is required.
func (c *Client) ask(ctx context.Context) error {
	if c.proof() == "" || c.proved.Load() {
		return nil
	}
	at := ""
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { at = i.Conn.RemoteAddr().String() }})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/livez", http.NoBody)
	if err != nil {
		return err
	}
	challenge := proof.New()
	req.Header.Set(proof.Challenge, challenge)
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // only its header matters
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxProofBody))
	if !proof.Holds(c.proof(), challenge, at, resp.Header.Get(proof.Answer)) {
		return ErrStranger
	}
	c.proved.Store(true)
	return nil
}

// maxProofBody is how much of the answer is read, so that its connection can be reused.
const maxProofBody = 4 << 10

func (c *Client) authorise(req *http.Request) {
	if k := c.key(); k != "" {
		req.Header.Set("Authorization", "Bearer "+k)
	}
	req.Header.Set("Accept", "application/json")
}

// quiet drops the URL that net/http puts into its errors.
func quiet(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// notOurs is the title of an answer that something between here and the server gave.
const notOurs = "an answer that is not pets'"

func problemOf(status int, raw []byte) error {
	p := &Problem{Status: status}
	if err := json.Unmarshal(raw, p); err != nil || p.Type == "" {
		p.Type, p.Title = "urn:pets:problem:"+string(domain.CodeUnavailable), notOurs
		if status < http.StatusInternalServerError {
			p.Type = string(CodeForeign)
		}
		if bytes.Contains(raw, []byte("HTTP request to an HTTPS server")) { // from Go's net/http
			return fmt.Errorf("%w: the server speaks TLS; its address begins with https://", ErrWrongScheme)
		}
	}
	return p
}

// later adds the server's Retry-After to a problem.
func later(err error, retryAfter string) error {
	var p *Problem
	if seconds, bad := strconv.Atoi(retryAfter); bad == nil && errors.As(err, &p) {
		p.RetryAfter = time.Duration(seconds) * time.Second
	}
	return err
}

// take decodes an answer and passes on its directives.
func (c *Client) take(raw []byte, into any) error {
	var told struct {
		Directives []commands.Directive `json:"directives"`
	}
	if err := json.Unmarshal(raw, &told); err == nil {
		for _, d := range told.Directives {
			c.direct(d)
		}
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("%w: %w", errUnreadable, err)
	}
	return nil
}
