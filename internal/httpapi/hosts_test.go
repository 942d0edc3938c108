package httpapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// "Allowed: loopback names, the listen address, configured names."
func TestHosts(t *testing.T) {
	certificate := httptest.NewTLSServer(http.NotFoundHandler()) // for example.com, and 127.0.0.1
	defer certificate.Close()
	for name, tt := range map[string]struct {
		hosts *Hosts
		yes   []string
		no    []string
	}{
		"loopback": {
			NewHosts("127.0.0.1:7433", nil, nil),
			[]string{"127.0.0.1:7433", "127.0.0.1", "localhost:9999", "LOCALHOST", "localhost.", "[::1]:7433", "::1", "127.3.2.1"},
			[]string{"", "evil.example", "evil.example:7433", "127.0.0.1.evil.example", "localhost.evil.example", "192.0.2.7", "0.0.0.0", "[::]:7433", "evil.example:127.0.0.1"},
		},
		"one address": {
			NewHosts("192.0.2.7:7433", nil, nil),
			[]string{"192.0.2.7:7433", "192.0.2.7", "localhost"},
			[]string{"192.0.2.8", "evil.example"},
		},
		"every address": {
			NewHosts("0.0.0.0:7433", []string{"pets", "pets.internal", "*.svc.local"}, nil),
			[]string{"192.0.2.8:1", "[2001:db8::1]:7433", "pets:7433", "PETS.internal.", "a.svc.local"},
			[]string{"evil.example", "pets.evil.example", "xpets", "svc.local", "a.b.svc.local", "evilsvc.local"},
		},
		"every address, without a host": {NewHosts(":7433", nil, nil), []string{"192.0.2.8"}, []string{"evil.example"}},
		"its certificate": {
			NewHosts("127.0.0.1:7433", nil, certificate.TLS),
			[]string{"example.com", "www.example.com", "127.0.0.1"},
			[]string{"evil.example", "example.com.evil.example"},
		},
	} {
		for _, host := range tt.yes {
			require.True(t, tt.hosts.Allowed(host), "%s: %q", name, host)
		}
		for _, host := range tt.no {
			require.False(t, tt.hosts.Allowed(host), "%s: %q", name, host)
		}
	}
}

// "Host is checked": a page whose name was made to lead here reads nothing, not even what
// needs no key, and the answer does not repeat its name.
func TestAnotherHostReadsNothing(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	guarded := httptest.NewServer(NewHosts("127.0.0.1:0", nil, nil).Guard(r.api))
	defer guarded.Close()
	r.base = guarded.URL
	for _, path := range []string{"/livez", "/readyz", "/openapi.json", main + "/state", "/v1/emergency-stop"} {
		require.NotEqual(t, http.StatusMisdirectedRequest, r.call("operator", http.MethodGet, path, "", "").status, path)
		req, err := http.NewRequest(http.MethodGet, r.base+path, http.NoBody)
		require.NoError(t, err)
		req.Host = "evil.example:7433"
		req.Header.Set("Authorization", "Bearer "+r.keys["operator"])
		a := r.send(req)
		require.Equal(t, http.StatusMisdirectedRequest, a.status, path)
		require.Equal(t, domain.CodeDenied, a.code(t))
		require.Contains(t, a.body, "PETS_ALLOWED_HOSTS")
		require.NotContains(t, a.body, "evil")
	}
}

// "/metrics beyond loopback needs a key (auditor)."
func TestGuardedMetrics(t *testing.T) {
	r := newRig(t, rigged{perDay: 200_000}).opened()
	text := strings.Repeat("pets_ready 1\n", 10_000)
	shown := httptest.NewServer(r.api.Guarded(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, text) })))
	defer shown.Close()
	api := r.base
	r.base = shown.URL
	for who, status := range map[string]int{"": 401, "operator": 403, "approver": 403, "alpha": 403, "elsewhere": 403, "feed": 403, "admin": 200, "auditor": 200} {
		a := r.call(who, http.MethodGet, "/metrics", "", "")
		require.Equal(t, status, a.status, who)
		require.Equal(t, status == http.StatusOK, a.body == text, who)
	}
	for range 5 {
		require.Equal(t, http.StatusOK, r.get("auditor", "/metrics").status, "a scrape uses up no bytes")
	}
	r.base = api
	require.Equal(t, http.StatusOK, r.get("auditor", main+"/state").status)
}
