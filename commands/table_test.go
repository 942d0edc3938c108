package commands

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
)

func nameOf(c Command) string { return c.spec().Name }

// Every type of this package that decides has a row, and its spec method returns that
// row: a copied method would give a command the rights of another.
func TestEveryCommandHasItsRow(t *testing.T) {
	var types []string
	for name, s := range specs {
		require.Equal(t, name, s.Name)
		require.Same(t, s, s.Blank.spec(), "%s says it is %s", name, s.Blank.spec().Name)
		types = append(types, s.Type().Name())
	}
	require.ElementsMatch(t, deciders(t), types)
	rows := make([]string, len(mayDo))
	for i, tt := range mayDo {
		rows[i] = tt.name
		require.Equal(t, tt.name, reflect.TypeOf(tt.command("a")).Name())
	}
	require.ElementsMatch(t, types, rows)
}

// deciders returns the types that have a Decide or DecideSystem method.
func deciders(t *testing.T) []string {
	t.Helper()
	files, err := parser.ParseDir(token.NewFileSet(), ".", func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, 0) //nolint:staticcheck // one folder, no build tags
	require.NoError(t, err)
	var types []string
	ast.Inspect(files["commands"], func(n ast.Node) bool {
		f, ok := n.(*ast.FuncDecl)
		if !ok || f.Recv == nil || f.Name.Name != "Decide" && f.Name.Name != "DecideSystem" {
			return true
		}
		receiver, ok := f.Recv.List[0].Type.(*ast.Ident)
		require.True(t, ok, "a command's methods are on the value")
		if receiver.Name != "ImportRow" { // another command under its own name
			types = append(types, receiver.Name)
		}
		return true
	})
	return types
}

// The columns, read the other way: every entry here is a deliberate decision, and a new
// command is in none of the lists by default.
func TestColumnsOfTheTable(t *testing.T) {
	for column, tt := range map[string]struct {
		is   func(Spec) bool
		want string
	}{
		"stop": {func(s Spec) bool { return s.Class == ClassStop }, "engage_stop reject_transfer retire_wallet revoke_api_key revoke_approver stop_bot"},
		"fact": {func(s Spec) bool { return s.Class == ClassFact }, `change_sets confirm_fill confirm_transfer correct_settlement expire_transfers fail_transfer mark_prices place_permit
			reconcile record_deposit record_fee record_fill record_funding record_reencrypted record_trade record_withdrawal redeem_position release_permit reopen_transfer
			settle_market time_out_legs void_fill`},
		"other": {func(s Spec) bool { return s.Class == ClassOther }, `accept_rollback add_address allocate_capital approve_transfer ask_permit bootstrap_api_key
			broadcast_transfer cancel_transfer change_limits change_treasury_policy claim_wallet complete_key_rotation confirm_clear confirm_override
			issue_api_key load_wallet miss_key open_portfolio post_adjustment prepare_again prepare_transfer propose_rebalance raise_fee record_denials
			record_key register_approver register_bot register_market register_wallet remove_address reprice_transfer request_clear request_override
			request_transfer reset_breaker rotate_api_key set_row_aside sign_order sign_transfer start_bot start_key_rotation test_recovery use_key
			vouch_approver`},
		"batch": {func(s Spec) bool { return s.Batch }, `allocate_capital ask_permit change_sets confirm_fill mark_prices place_permit post_adjustment record_deposit
			record_fee record_fill record_funding record_trade record_withdrawal register_market release_permit settle_market start_bot stop_bot void_fill`},
		"import":          {func(s Spec) bool { return s.Import }, "change_sets open_portfolio record_deposit record_fee record_fill record_funding record_trade record_withdrawal redeem_position register_market set_row_aside settle_market"},
		"goes on":         {func(s Spec) bool { return s.GoesOn }, "confirm_clear confirm_override reset_breaker start_bot"},
		"waits for stops": {func(s Spec) bool { return s.waitsForStops }, "ask_permit broadcast_transfer sign_order sign_transfer start_bot"},
		"any clock":       {func(s Spec) bool { return s.anyClock }, "allocate_capital load_wallet miss_key post_adjustment record_key register_market remove_address set_row_aside test_recovery use_key"},
		"own bot":         {func(s Spec) bool { return s.own }, "ask_permit change_sets confirm_fill record_fee record_fill record_funding record_trade void_fill"},
		"of a bot":        {func(s Spec) bool { return s.bot != nil }, "ask_permit change_sets confirm_fill record_fee record_fill record_funding record_trade reset_breaker start_bot void_fill"},
		"confirms":        {func(s Spec) bool { return s.confirms != nil }, "approve_transfer confirm_clear confirm_override"},
		"approvers": {func(s Spec) bool { return s.approvers }, `approve_transfer broadcast_transfer confirm_clear confirm_override open_portfolio
			prepare_again prepare_transfer raise_fee reprice_transfer request_override sign_transfer`},
		"of no stream": {func(s Spec) bool { _, is := s.Blank.(PortfolioCommand); return !is }, `accept_rollback bootstrap_api_key claim_wallet complete_key_rotation
			issue_api_key record_denials record_reencrypted register_approver revoke_api_key revoke_approver rotate_api_key start_key_rotation vouch_approver`},
	} {
		require.Equal(t, strings.Fields(tt.want), Names(tt.is), column)
	}
}

// Columns that read a command read the fields of that one.
func TestColumnsReadTheCommand(t *testing.T) {
	for want, c := range map[string]Command{
		"a": AskPermit{Bot: "a"}, "b": StartBot{Bot: "b"}, "c": ResetBreaker{Bot: "c", Breaker: "x"}, "d": VoidFill{FillID: domain.FillID{Bot: "d"}}, "e": RecordFee{Bot: "e"},
	} {
		require.Equal(t, want, about(c))
	}
	require.Empty(t, about(StopBot{Bot: "a"}))
	require.Empty(t, actor(StartBot{Bot: "b"}), "no bot sends it")
	require.Equal(t, "f", actor(ImportRow{PortfolioCommand: RecordTrade{Bot: "f"}, Newcomers: Newcomers{Bot: "g"}}))
	require.Equal(t, "p7", confirmClear.confirms(ConfirmClear{Request: "p7"}))
}

// "A row that cannot be stops the program at its start."
func TestARowThatCannotBe(t *testing.T) {
	good := func(*portfolio.Decision) error { return nil }
	for what, s := range map[string]Spec{
		"is empty":                  {Blank: testCommand{f: good}, Roles: admins},
		"used twice":                {Name: "stop_bot", Blank: StopBot{}, Roles: admins},
		"is a command of no stream": {Name: "unheard_of", Roles: admins},
		"no role may send":          {Name: "unheard_of", Blank: testCommand{f: good}},
		"has no bot column":         {Name: "unheard_of", Blank: testCommand{f: good}, Roles: admins, own: true},
	} {
		func() {
			defer func() { require.Contains(t, recover(), what) }()
			command(s)
		}()
	}
	require.Nil(t, specs["unheard_of"])
}

// Decisions by a command's type also work for pointers: a stop is in force, and a column
// has the same value, however the command was sent.
func TestAPointerIsTheCommand(t *testing.T) {
	for want, c := range map[string]Command{"a": &AskPermit{Bot: "a"}, "b": &StartBot{Bot: "b"}, "c": &ResetBreaker{Bot: "c"}} {
		require.Equal(t, want, about(c))
	}
	for want, c := range map[string]Command{
		"a": &AskPermit{Bot: "a"}, "b": ImportRow{PortfolioCommand: &RecordTrade{Bot: "b"}}, "c": &ImportRow{PortfolioCommand: RecordFee{Bot: "c"}},
	} {
		require.Equal(t, want, actor(c))
	}
	stop, is := as[StopBot](&StopBot{Bot: "a"})
	require.True(t, is)
	require.Equal(t, "a", stop.Bot)
	_, is = as[StopBot]((*StopBot)(nil))
	require.False(t, is)
	_, is = as[StopBot](StartBot{})
	require.False(t, is)
}

func TestDecodeMakesAValue(t *testing.T) {
	for _, name := range Names(func(Spec) bool { return true }) {
		s, known := SpecNamed(name)
		require.True(t, known)
		c, err := s.Decode(func(into any) error {
			require.Equal(t, reflect.Pointer, reflect.TypeOf(into).Kind())
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, s.Type(), reflect.TypeOf(c))
		require.Equal(t, name, nameOf(c))
	}
	_, known := SpecNamed("no such command")
	require.False(t, known)
	require.True(t, slices.IsSorted(Names(func(Spec) bool { return true })))
}

// BenchmarkSpecOf: a permit is answered in well under a millisecond, and reading the
// table must not be noticeable in that.
func BenchmarkSpecOf(b *testing.B) {
	var c Command = AskPermit{Bot: "a"}
	for range b.N {
		if s := c.spec(); !s.waitsForStops || about(c) != "a" {
			b.Fatal("not the row of a permit")
		}
	}
}
