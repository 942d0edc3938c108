package open_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/internal/chain"
	"pets/internal/config"
	"pets/internal/open"
)

// "PETS_RPC_TEST_CHAIN=true … Only for chain ids of test chains": on a main chain the rule
// of two endpoints cannot be switched off, neither by the setting nor by a registry file.
func TestOneEndpointOnlyOnATestChain(t *testing.T) {
	place := func(id string) *open.Place {
		return &open.Place{Config: config.Config{Chain: id, RPCTestChain: true, RPCURLs: config.NewSecret("https://rpc.example")}}
	}
	_, err := place("eip155:137").OpenChain()
	require.ErrorContains(t, err, "PETS_RPC_TEST_CHAIN")
	require.Equal(t, domain.CodeInvalid, domain.CodeOf(err))

	registry, err := chain.Default()
	require.NoError(t, err)
	polygon, err := registry.Chain("eip155:137")
	require.NoError(t, err)
	require.False(t, polygon.Test())
	for name, endpoints := range map[string][]chain.Endpoint{
		"one": {func() string { return "https://rpc.example" }},
		"two": {func() string { return "https://a.example" }, func() string { return "https://b.example" }},
	} {
		_, err = chain.New(chain.Config{Chain: polygon, Endpoints: endpoints})
		require.ErrorContains(t, err, "not a known test chain", name)
	}
}
