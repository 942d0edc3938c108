package httpapi

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// discarded drops what is answered, but for the status.
type discarded struct {
	header http.Header
	status int
}

func (a *discarded) Header() http.Header         { return a.header }
func (a *discarded) Write(b []byte) (int, error) { return len(b), nil }
func (a *discarded) WriteHeader(status int)      { a.status = status }

// BenchmarkRequests: a fill, or a batch of 100, and a permit, without the network.
func BenchmarkRequests(b *testing.B) {
	serve := func(b *testing.B, r *rig, path string, body func(i int) string) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			q := httptest.NewRequest(http.MethodPost, main+path, strings.NewReader(body(i)))
			q.Header.Set("Content-Type", "application/json")
			q.Header.Set("Authorization", "Bearer "+r.keys["operator"])
			q.Header.Set("Idempotency-Key", uuid.NewString())
			a := &discarded{header: http.Header{}}
			r.api.ServeHTTP(a, q)
			require.Equal(b, http.StatusOK, a.status)
		}
	}
	fill := func() string { return fillBodyOf("alpha", uuid.NewString(), "0.0001", "0.5") }
	b.Run("fill", func(b *testing.B) {
		r := newRig(b, rigged{}).opened()
		serve(b, r, "/fills", func(int) string { return fill() })
	})
	b.Run("permit preview", func(b *testing.B) {
		r := newRig(b, rigged{}).opened()
		serve(b, r, "/permits?dry_run=true", func(int) string { return permitBody("alpha", "0.01") })
	})
	b.Run("batch", func(b *testing.B) {
		r := newRig(b, rigged{}).opened()
		serve(b, r, "/batch", func(int) string {
			var items []string
			for range 100 {
				items = append(items, fmt.Sprintf(`{"idempotency_key":%q,"command":"record_fill","body":%s}`, uuid.NewString(), fill()))
			}
			return `{"commands":[` + strings.Join(items, ",") + `]}`
		})
	})
}
