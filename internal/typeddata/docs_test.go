package typeddata

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// The page for bot authors shows an order that is read, all the codes, all the
// contracts and all the roles.
func TestSigningPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/signing.md")
	require.NoError(t, err)
	text := string(page)
	_, example, _ := strings.Cut(text, "```json\n")
	example, _, _ = strings.Cut(example, "```")
	s := builtIn(t)
	order, _, err := s.Read([]byte(example))
	require.NoError(t, err)
	require.Equal(t, "polymarket-ctf-2", order.Shape)
	require.Equal(t, domain.Sell, order.Side)
	require.Equal(t, "100", order.Quantity.String())
	require.Equal(t, "52", order.Notional.String())
	_, codes, _ := strings.Cut(text, "## 4.")
	codes, _, _ = strings.Cut(codes, "## 5.")
	for _, code := range domain.SignatureCodes() {
		require.Contains(t, codes, "\n| `"+string(code)+"` |")
	}
	require.Equal(t, len(domain.SignatureCodes()), strings.Count(codes, "\n| `"))
	for _, sh := range s.all {
		require.Contains(t, text, "| `"+sh.name+"` | `"+sh.domain.contract.Hex()+"` | "+sh.domain.version+" |")
	}
	for _, r := range rules {
		require.Contains(t, text, "`"+string(r.role)+"`")
	}
	for _, name := range append(shapeFields, shapeOptionals...) {
		require.Contains(t, text, "`"+name+"`")
	}
}
