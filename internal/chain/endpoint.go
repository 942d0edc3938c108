package chain

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ethereum/go-ethereum/rpc"

	"pets/domain"
)

// maxAnswer limits the size of an endpoint's answer. The largest one is a block
// with its transactions, read when searching for a rival transaction.
const maxAnswer = 8 << 20

// Endpoint returns the URL of a JSON-RPC endpoint. It is a function because the
// URL holds a token, and a function prints as nothing. The Reveal method of a
// config.Secret is an Endpoint.
type Endpoint func() string

// endpoint is one dialled endpoint. Its URL and client are only in the closure,
// so that nothing that prints or compares a Client can reach them.
type endpoint struct {
	index  int
	call   func(ctx context.Context, result any, method string, args ...any) error
	hangUp func()
	// finalizes is set once the endpoint has named a finalized block. One that stops
	// doing so is not believed to have no such tag.
	finalizes *atomic.Bool
	keep      func() // has that remembered
}

// dial returns an endpoint without connecting. The text is its witness.
func dial(index int, at Endpoint, live bool, timeout time.Duration) (*endpoint, string, error) {
	field := fmt.Sprintf("endpoint %d", index)
	if at == nil {
		return nil, "", domain.Invalid(field, "is missing")
	}
	u, err := url.Parse(at())
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return nil, "", domain.Invalid(field, "must be an http or https URL")
	}
	if live && u.Scheme != "https" && !loopback(u.Hostname()) {
		return nil, "", domain.Invalid(field, "must be https: otherwise a third party in the network could answer in its place")
	}
	client, err := rpc.DialOptions(context.Background(), u.String(), rpc.WithHTTPClient(httpClient()))
	if err != nil {
		return nil, "", domain.Invalid(field, "must be an http or https URL")
	}
	e := &endpoint{index: index, hangUp: client.Close, finalizes: new(atomic.Bool), keep: func() {}}
	e.call = func(ctx context.Context, result any, method string, args ...any) error {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		if err := client.CallContext(ctx, result, method, args...); err != nil {
			if refusesTag(err, args) {
				return &EndpointError{Endpoint: e.index, Call: method, Problem: "knows no finalized block", kind: errNoTag}
			}
			return e.failed(method, err)
		}
		return nil
	}
	return e, witness(u), nil
}

// witness identifies the operator of an endpoint: other ports or paths of a host
// count as the same one. On this machine, each port counts as another.
func witness(u *url.URL) string {
	if loopback(u.Hostname()) {
		return u.Host
	}
	return strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// httpClient uses a new connection for each call: net/http logs unsolicited data
// on an idle connection, and that may repeat the URL. It follows no redirect,
// which would carry the URL's token to another host. The time-out is that of the
// call's context and covers the whole answer.
func httpClient() *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &limited{&http.Transport{
			Proxy:             proxied,
			TLSClientConfig:   &tls.Config{MinVersion: tls.VersionTLS12},
			DisableKeepAlives: true,
			ForceAttemptHTTP2: true,
		}},
	}
}

// proxied spares what goes in clear: a proxy would read the URL's token, and could write the
// answer.
func proxied(r *http.Request) (*url.URL, error) {
	if r.URL.Scheme == "http" {
		return nil, nil
	}
	return http.ProxyFromEnvironment(r)
}

var errTooLong = errors.New("too long")

// limited limits every answer, uncompressed, whatever its status.
type limited struct{ next http.RoundTripper }

func (l *limited) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := l.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	response.Body = &boundedBody{response.Body, maxAnswer}
	return response, nil
}

type boundedBody struct {
	io.ReadCloser
	left int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	return n, err
}

// failed converts an error of the transport or the endpoint to an error of this
// package.
func (e *endpoint) failed(call string, err error) error {
	if kind := refusalOf(err); kind != nil {
		return &EndpointError{Endpoint: e.index, Call: call, Problem: kind.Error(), kind: kind}
	}
	return &EndpointError{Endpoint: e.index, Call: call, Problem: problem(err), kind: ErrUnavailable}
}

// malformed reports an answer that is JSON, but has an unexpected form.
func (e *endpoint) malformed(call string) error {
	return &EndpointError{Endpoint: e.index, Call: call, Problem: "answered with something other than what was requested", kind: ErrUnavailable}
}

// problem describes, in this package's own words, what went wrong between the
// client and an endpoint.
func problem(err error) string {
	var (
		status    rpc.HTTPError
		answer    rpc.Error
		dns       *net.DNSError
		timeout   net.Error
		syntax    *json.SyntaxError
		mistyped  *json.UnmarshalTypeError
		hostname  x509.HostnameError
		authority x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		alert     tls.AlertError
	)
	switch {
	case errors.Is(err, context.Canceled):
		return "was not waited for"
	case errors.As(err, &status):
		return fmt.Sprintf("answered with HTTP status %d", status.StatusCode)
	case errors.As(err, &answer):
		return fmt.Sprintf("answered with JSON-RPC error %d", answer.ErrorCode())
	case errors.Is(err, errTooLong):
		return fmt.Sprintf("answered with more than %d bytes", maxAnswer)
	case errors.As(err, &dns):
		return "its host name cannot be resolved"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "did not answer in time"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused the connection"
	case errors.As(err, &hostname), errors.As(err, &authority), errors.As(err, &invalid):
		return "its certificate is not accepted"
	case errors.As(err, &record), errors.As(err, &alert):
		return "does not speak TLS correctly"
	case errors.As(err, &syntax), errors.As(err, &mistyped):
		return "answered with malformed JSON"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return "ended its answer too early"
	default:
		return "cannot be reached, or gives an answer that cannot be understood"
	}
}

// refusals are the messages with which nodes refuse a transaction. There is no
// standard: the texts are those of geth, bor, Erigon, Nethermind, Besu and Reth,
// in lower case. Order matters.
var refusals = []struct {
	kind  error
	words []string
}{
	{errKnown, []string{"already known", "known transaction", "alreadyknown", "already imported", "already in mempool", "already exists"}},
	{ErrUnderpriced, []string{
		"underpriced", "gas price below minimum", "less than block base fee", "feetoolow", "fee too low", "gas price too low",
		"below configured minimum", "replacementnotallowed", "gas tip cap",
	}},
	{ErrNonceTooLow, []string{"nonce too low", "nonce is too low", "oldnonce", "nonce below"}},
	{ErrNonce, []string{"nonce too high", "noncegap", "nonce gap", "gapped"}},
	{ErrInsufficientFunds, []string{"insufficient funds", "insufficientfunds", "insufficient balance", "upfront cost exceeds account balance"}},
	{ErrWouldFail, []string{"execution reverted", "reverted"}},
	{ErrRefused, []string{
		"intrinsic gas", "exceeds block gas limit", "invalid sender", "exceeds the configured cap", "out of gas",
		"gas required exceeds", "invalid chain id", "max priority fee per gas higher", "insufficient gas", "gas limit too high",
		"invalid opcode", "floor data gas",
	}},
}

// errKnown means success: an earlier broadcast of the same bytes was accepted.
var errKnown = errors.New("already known")

// refusalOf interprets an answer that is about the transaction and not about the
// endpoint. It returns nil for any other answer.
func refusalOf(err error) error {
	var answer rpc.Error
	if !errors.As(err, &answer) {
		return nil
	}
	const reverted = 3 // the only code that is in common use
	if answer.ErrorCode() == reverted {
		return ErrWouldFail
	}
	text := strings.ToLower(answer.Error())
	for _, r := range refusals {
		for _, words := range r.words {
			if strings.Contains(text, words) {
				return r.kind
			}
		}
	}
	return nil
}
