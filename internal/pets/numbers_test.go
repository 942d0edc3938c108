package pets_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/pets/petstest"
)

// "In answers, decimals are canonical (no trailing zeros), ratios half-even at 12
// decimals, counts are numbers": no number in any answer has a point or exponent.
func TestNumbersInAnswers(t *testing.T) {
	for name, s := range map[string]*petstest.Shell{"small": petstest.Small(t), "wallet": wallet(t, "2", "250")} {
		for _, command := range []string{"state", "stats", "balances", "positions", "trades", "equity"} {
			var v any
			s.JSON(&v, command)
			checkNumbers(t, name+" "+command, "", v)
		}
	}
}

func checkNumbers(t *testing.T, where, key string, v any) {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			checkNumbers(t, where+"/"+k, k, inner)
		}
	case []any:
		for _, inner := range v {
			checkNumbers(t, where, key, inner)
		}
	case json.Number:
		require.Regexp(t, `^[0-9]+$`, v.String(), where)
	case string:
		if !decimalText.MatchString(v) || key == "trade" || key == "portfolio" {
			return
		}
		petstest.Canonical(t, v)
		_, fraction, _ := strings.Cut(v, ".")
		if ratioKeys.MatchString(key) && key != "gross_loss" {
			require.LessOrEqual(t, len(fraction), 12, "%s: %s", where, v)
		}
		require.LessOrEqual(t, len(fraction), 18, "%s: %s", where, v)
	}
}

var ratioKeys = regexp.MustCompile(`(drawdown|ratio|loss|win_rate|profit_factor|value|limit)$`)

var decimalText = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)
