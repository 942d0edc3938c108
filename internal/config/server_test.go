package config

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

func TestServerSettings(t *testing.T) {
	c, err := Load(t.TempDir(), nil)
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:7433", c.Listen)
	require.Equal(t, "127.0.0.1:7434", c.MetricsListen)

	const canary = "canary-0f7a"
	for _, tt := range []struct{ setting, want string }{
		{"PETS_LISTEN=" + canary, "PETS_LISTEN must be host:port"},
		{"PETS_LISTEN=127.0.0.1:99999", "PETS_LISTEN must be host:port"},
		{"PETS_METRICS_LISTEN=" + canary, "PETS_METRICS_LISTEN must be host:port"},
		{"PETS_TLS_CERT=" + canary, "PETS_TLS_CERT and PETS_TLS_KEY must be set together"},
		{"PETS_RATE_LIMIT=-1", "PETS_RATE_LIMIT must be a whole number"},
		{"PETS_RATE_BURST=0", "PETS_RATE_BURST must be a whole number"},
		{"PETS_ADMIN_KEY=" + canary, "PETS_ADMIN_KEY must be at least 32"},
		{"PETS_ADMIN_KEY=" + canary + " with spaces in it, long enough", "PETS_ADMIN_KEY must be at least 32"},
		{"PETS_SERVER=ftp://" + canary, "PETS_SERVER must be"},
		{"PETS_SERVER=http://127.0.0.1:99999", "PETS_SERVER must be http://host:port or https://host:port, with a port"},
		{"PETS_SERVER=http://127.0.0.1:0", "with a port from 1 to 65535"},
		{"PETS_SERVER=https://user:" + canary + "@host:1", "PETS_SERVER must be"},
	} {
		_, err := Load(t.TempDir(), []string{tt.setting})
		require.ErrorContains(t, err, tt.want, tt.setting)
		require.Equal(t, domain.CodeInvalid, domain.CodeOf(err))
		require.NotContains(t, err.Error(), canary)
	}
	_, err = Load(t.TempDir(), []string{"PETS_METRICS_LISTEN=off"})
	require.NoError(t, err)
}

// Secrets cannot be printed.
func TestSecretIsNotPrinted(t *testing.T) {
	const canary = "canary-0f7a-canary-0f7a-canary-0f7a"
	c, err := Load(t.TempDir(), []string{"PETS_ADMIN_KEY=" + canary, "PETS_KEY=" + canary})
	require.NoError(t, err)
	require.Equal(t, canary, c.AdminKey.Reveal())
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		require.NotContains(t, fmt.Sprintf(verb, c), canary)
		require.NotContains(t, fmt.Sprintf(verb, c.AdminKey), canary)
	}
	_, err = json.Marshal(c.AdminKey)
	require.Error(t, err)
	require.Empty(t, Secret{}.Reveal())
}

func TestIsLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:7433": true, "127.9.9.9:1": true, "[::1]:7433": true, "localhost:1": true,
		"0.0.0.0:7433": false, ":7433": false, "192.0.2.1:1": false, "example.com:1": false, "": false,
	} {
		require.Equal(t, want, IsLoopback(address), address)
	}
}
