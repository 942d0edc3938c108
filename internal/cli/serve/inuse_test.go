package serve_test

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/pets/petstest"
)

// "An error says what to do": where an address is in use, which setting names another.
func TestAnAddressInUseNamesItsSetting(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, taken.Close()) }()
	for setting, flags := range map[string][]string{
		"PETS_METRICS_LISTEN": {"--listen", "127.0.0.1:0", "--metrics-listen", taken.Addr().String()},
		"PETS_LISTEN":         {"--listen", taken.Addr().String(), "--metrics-listen", "off"},
	} {
		s := petstest.New(t)
		r := s.Run(append([]string{"serve"}, flags...)...)
		require.Equal(t, 1, r.Code)
		require.Contains(t, r.Err, "address already in use; "+setting+" or --")
	}
}
