package commands

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// others are the commands that wait or are refused under pressure. A new command is put
// here, or into classes, by decision.
var others = []string{
	"accept_rollback", "add_address", "allocate_capital", "approve_transfer", "ask_permit", "bootstrap_api_key", "broadcast_transfer",
	"change_limits", "change_treasury_policy", "claim_wallet", "complete_key_rotation", "confirm_clear", "confirm_override",
	"issue_api_key", "load_wallet", "open_portfolio", "post_adjustment", "prepare_transfer", "propose_rebalance",
	"record_denials", "record_key", "register_bot", "register_market", "register_wallet", "remove_address", "reprice_transfer",
	"request_clear", "request_override", "request_transfer", "reset_breaker", "set_row_aside", "sign_order", "sign_transfer",
	"start_bot", "start_key_rotation", "test_recovery", "use_key",
}

func TestEveryCommandHasAClass(t *testing.T) {
	known := slices.Sorted(maps.Keys(classes))
	require.ElementsMatch(t, commandNames(t), append(known, others...))
}

// commandNames reads the literals that Name methods return, so that no list has to be kept.
func commandNames(t *testing.T) []string {
	t.Helper()
	var names []string
	paths, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		require.NoError(t, err)
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv == nil || f.Name.Name != "Name" || len(f.Body.List) != 1 {
				continue
			}
			if r, ok := f.Body.List[0].(*ast.ReturnStmt); ok && len(r.Results) == 1 {
				if lit, ok := r.Results[0].(*ast.BasicLit); ok {
					name, err := strconv.Unquote(lit.Value)
					require.NoError(t, err)
					names = append(names, name)
				}
			}
		}
	}
	return names
}
