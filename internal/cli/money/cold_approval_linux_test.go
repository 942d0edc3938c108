package money_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/approval"
	"pets/domain/approval/approvaltest"
	"pets/domain/portfolio"
	"pets/domain/treasury"
	"pets/internal/chain"
	"pets/internal/cli"
	"pets/internal/cli/money"
	"pets/internal/evm"
	"pets/internal/pets/petstest"
	"pets/projections"
)

// approvedTransfer is unsignedTransfer with the signature of a user.
func approvedTransfer(t testing.TB, from, user string) money.ColdUnsigned {
	t.Helper()
	f := unsignedTransfer(t, from)
	f.Version = money.ColdSignedVersion
	f.Approvals = []money.ColdApproval{approvalOf(t, &f, user)}
	return f
}

// approvalOf signs a transfer as it stands in a file.
func approvalOf(t testing.TB, f *money.ColdUnsigned, user string) money.ColdApproval {
	t.Helper()
	return approvalBy(t, f, user, portfolio.TransferLines(askedFor(f)))
}

// askedFor is the request of a transfer in a file, which lasts longer than these tests.
func askedFor(f *money.ColdUnsigned) *domain.TransferRequested {
	return &domain.TransferRequested{
		Transfer: f.Transfer, Kind: domain.TransferWithdrawal, Wallet: "vault", FromPlace: domain.WalletCold, ToPlace: domain.PlaceExternal, Asset: "USDC", GasAsset: "POL",
		Payment: f.Payment, Hash: f.Hash, User: "olga", Reason: "the rent", ApprovalFor: []string{"it leaves"}, ExpiresAt: time.Date(2226, 3, 2, 9, 0, 0, 0, time.UTC),
	}
}

// approvalBy signs lines.
func approvalBy(t testing.TB, f *money.ColdUnsigned, user string, lines []string) money.ColdApproval {
	t.Helper()
	s := approval.Subject{Ledger: "ledger-1f", Portfolio: f.Portfolio, Kind: approval.KindTransfer, Lines: lines}
	return money.ColdApproval{Subject: s, Signature: *approvaltest.Sign(t, s, user)}
}

// "The approver's signature is in the file and verified against keys pinned there": it says
// who signed, and the hash to compare.
func TestColdSignSaysWhoApproved(t *testing.T) {
	s := brokenHome(t)
	f := approvedTransfer(t, petstest.OtherFirst, "bob")
	file := s.Carry("x12.cold.json", f)
	pins := s.File("approvers.txt", "# by hand\n\nledger ledger-1f\nbob "+approvaltest.Public("bob")+"\neve "+approvaltest.Public("eve")+"\n")
	seat := s.Sit("cold", "sign", file, "--approvers", pins).WaitFor("hash      " + f.Hash).WaitFor("Compare the hash with what the approver wrote down").
		WaitFor("Approved by bob: signed with key " + approval.Fingerprint(approvaltest.Public("bob"))).WaitFor("asked for by olga, because the rent")
	out := typesRecipient(seat, "8ba1f109", "d64DBA72").WaitFor("to        " + coldTo).WaitFor("not shown: ").Types(petstest.OtherWords + "\r").WaitFor("Signed: 0x").Ends(0)
	require.NotContains(t, out, "CLAIMS")

	// Without pinned keys it says that it could not check.
	s.Sit("cold", "sign", file, "--out", "b.json").WaitFor("It CLAIMS to be approved, with a signature of key").WaitFor("could not be checked").WaitFor("first 8 digits").Types("\x03").Ends(1)
	require.NoFileExists(t, filepath.Join(s.Dir, "b.json"))
}

// The approval of a higher fee is one of exactly this transfer, with that fee; one of two
// approvers' lines is, too.
func TestColdSignKnowsARaise(t *testing.T) {
	s := petstest.New(t)
	registry, err := chain.Default()
	require.NoError(t, err)
	asked := func(f *money.ColdUnsigned) *domain.TransferRequested {
		return &domain.TransferRequested{
			Transfer: f.Transfer, Kind: domain.TransferWithdrawal, Wallet: "vault", FromPlace: domain.WalletCold, ToPlace: domain.PlaceExternal, Asset: "USDC", GasAsset: "POL",
			Payment: f.Payment, Hash: f.Hash, User: "olga", Reason: "the rent", ApprovalFor: []string{"it leaves"}, ExpiresAt: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC),
		}
	}
	check := func(lines func(f *money.ColdUnsigned) []string) error {
		f := unsignedTransfer(t, petstest.OtherFirst)
		subject := approval.Subject{Ledger: "ledger-1f", Portfolio: f.Portfolio, Kind: approval.KindTransfer, Lines: lines(&f)}
		f.Version, f.Approvals = money.ColdSignedVersion, []money.ColdApproval{{Subject: subject, Signature: *approvaltest.Sign(t, subject, "bob")}}
		read, err := money.ReadColdFile(s.Carry("raised.cold.json", f))
		require.NoError(t, err)
		_, err = read.Check("raised.cold.json", evm.NewSignatory(registry))
		return err
	}
	require.NoError(t, check(func(f *money.ColdUnsigned) []string {
		return portfolio.ApprovedLines(asked(f), domain.MustDecimal("0.02"))
	}))
	require.NoError(t, check(func(f *money.ColdUnsigned) []string {
		ofTwo := asked(f)
		ofTwo.Approvals = 2
		return portfolio.TransferLines(ofTwo)
	}))
	require.ErrorContains(t, check(func(f *money.ColdUnsigned) []string {
		other := asked(f)
		other.HighestFee = domain.MustDecimal("0.02")
		return portfolio.ApprovedLines(other, domain.MustDecimal("0.01"))
	}), "its payment differs")
}

// "It takes as many different names as the signed lines say, and none of them is who asked for
// it": two keys of one name are one person, and a raise needs all who agreed to the first fee.
func TestColdSignTakesAllApprovers(t *testing.T) {
	s := brokenHome(t)
	s.Env = append(s.Env, "COLUMNS=900") // no message is cut in two
	pins := s.File("approvers.txt", "bob "+approvaltest.Public("bob"), "Bob "+approvaltest.Public("bob's other key"), "carl "+approvaltest.Public("carl"))
	n := 0
	sits := func(sign func(*money.ColdUnsigned) []money.ColdApproval) *petstest.Seat {
		f := unsignedTransfer(t, petstest.OtherFirst)
		f.Version, f.Approvals = money.ColdSignedVersion, sign(&f)
		n++
		return s.Sit("cold", "sign", s.Carry(fmt.Sprintf("x%d.cold.json", n), f), "--approvers", pins, "--out", "o.json")
	}
	// by returns approvals of a transfer for two people; or, of a raise of its fee, one more before.
	by := func(raised string, users ...string) func(f *money.ColdUnsigned) []money.ColdApproval {
		return func(f *money.ColdUnsigned) (all []money.ColdApproval) {
			asked := askedFor(f)
			asked.Approvals = 2
			if raised != "" {
				all = append(all, approvalBy(t, f, raised, portfolio.ApprovedLines(asked, domain.MustDecimal("0.02"))))
				asked.HighestFee = domain.MustDecimal("0.02")
				asked.Hash = treasury.Hash(f.Portfolio, asked)
			}
			for _, user := range users {
				all = append(all, approvalBy(t, f, user, portfolio.TransferLines(asked)))
			}
			return all
		}
	}
	for name, c := range map[string]struct {
		raised string
		users  []string
		says   string
	}{
		"one of two":                  {"", []string{"bob"}, "takes the approvals of 2 people, and has those of 1"},
		"two keys of one":             {"", []string{"bob", "bob's other key"}, "takes the approvals of 2 people, and has those of 1"},
		"two":                         {"", []string{"bob", "carl"}, "first 8 digits"},
		"a raise alone":               {"bob", nil, "before its fee was raised, takes the approvals of 2 people, and has those of 0"},
		"a raise, and one before":     {"carl", []string{"bob"}, "before its fee was raised, takes the approvals of 2 people, and has those of 1"},
		"a raise, and two before":     {"bob", []string{"bob", "carl"}, "first 8 digits"},
		"a raise of somebody unknown": {"mallory", []string{"bob", "carl"}, "which is not in"},
	} {
		t.Log(name)
		seat := sits(by(c.raised, c.users...)).WaitFor(c.says)
		if strings.HasPrefix(c.says, "first") { // it goes on
			seat.Types("\x03")
		}
		seat.Ends(1)
	}
	sits(func(f *money.ColdUnsigned) []money.ColdApproval {
		asked := askedFor(f)
		asked.User = "bob"
		return []money.ColdApproval{approvalBy(t, f, "bob", portfolio.TransferLines(asked))}
	}).WaitFor("is approved by bob, who asked for it").Ends(1)
	// What was approved before has to be this transfer, with a lower fee.
	sits(func(f *money.ColdUnsigned) []money.ColdApproval {
		other := *f
		other.Payment.Amount, other.Payment.HighestFee = domain.MustDecimal("1"), domain.MustDecimal("0.02")
		other.Hash = treasury.Hash(f.Portfolio, askedFor(&other))
		return append(by("bob")(f), by("", "bob", "carl")(&other)...)
	}).WaitFor("its hash differs").Ends(1)
	require.NoFileExists(t, filepath.Join(s.Dir, "o.json"))
}

// "After the approval has expired, by the clock of this machine, it asks first": no is the
// answer of who types nothing, and without a terminal nothing is signed.
func TestColdSignAsksAfterExpiry(t *testing.T) {
	s := brokenHome(t)
	f := approvedTransfer(t, petstest.OtherFirst, "bob")
	file := s.Carry("x12.cold.json", f)
	pins := s.File("approvers.txt", "bob "+approvaltest.Public("bob"))
	at := func(now time.Time, more ...string) *petstest.Seat {
		return s.SitWith(t.Context(), func(a *cli.App) { a.Wall = func() time.Time { return now } }, append([]string{"cold", "sign", file, "--out", "o.json"}, more...)...)
	}
	ends := askedFor(&f).ExpiresAt
	out := at(ends.Add(-time.Nanosecond), "--approvers", pins).WaitFor("first 8 digits").Types("\x03").Ends(1)
	require.NotContains(t, out, "EXPIRED")
	for _, more := range [][]string{{"--approvers", pins}, nil} {
		at(ends, more...).WaitFor("THE APPROVAL HAS EXPIRED, by the clock of this machine").WaitFor("Sign it all the same? [y/N] ").Types("\r").Ends(1)
		at(ends, more...).WaitFor("Sign it all the same? [y/N] ").Types("y\r").WaitFor("first 8 digits").Types("\x03").Ends(1)
	}
	require.Equal(t, 2, s.Run("cold", "sign", file, "--approvers", pins, "--out", "o.json").Code, "there is nobody to ask")
	require.NoFileExists(t, filepath.Join(s.Dir, "o.json"))
}

// What is exported after a raise has the approvals of the first fee, too.
func TestColdExportKeepsTheFirstApprovals(t *testing.T) {
	registry, err := chain.Default()
	require.NoError(t, err)
	f := unsignedTransfer(t, petstest.OtherFirst)
	first := *askedFor(&f)
	first.Approvals, first.HighestFee = 2, domain.MustDecimal("0.02")
	first.Hash = treasury.Hash(f.Portfolio, &first)
	raised := *askedFor(&f)
	raised.Approvals, raised.User, raised.Reason = 2, "oscar", "it waits"
	signed := func(user string, lines []string) *domain.ApprovalSignature {
		a := approvalBy(t, &f, user, lines)
		return &a.Signature
	}
	v := projections.Transfer{
		Transfer: f.Transfer, Kind: first.Kind, Wallet: first.Wallet, From: first.FromPlace, To: first.ToPlace, Asset: first.Asset, GasAsset: first.GasAsset,
		Payment: f.Payment, Hash: f.Hash, Reason: first.Reason, ApprovalFor: first.ApprovalFor, RequestedBy: first.User, ExpiresAt: first.ExpiresAt, Approvals: 2,
		FirstSignature: signed("bob", portfolio.TransferLines(&first)),
		Signature:      signed("bob", portfolio.ApprovedLines(&raised, first.HighestFee)),
		Raised:         &projections.Raise{HighestFee: f.Payment.HighestFee, Former: first.HighestFee, Hash: f.Hash, Reason: raised.Reason, RequestedBy: raised.User, ExpiresAt: raised.ExpiresAt},
		BeforeRaises:   &projections.EarlierApproval{HighestFee: first.HighestFee, Hash: first.Hash, ApprovedBy: "carl", Signature: signed("carl", portfolio.TransferLines(&first))},
	}
	f.Version, f.Approvals = money.ColdSignedVersion, money.ColdApprovals("ledger-1f", f.Portfolio, &v)
	require.Len(t, f.Approvals, 3)
	_, err = f.Check("x12.cold.json", evm.NewSignatory(registry))
	require.NoError(t, err)
}

// What cancels a transfer pays nothing, from the wallet to itself: nobody approved it, and
// there is no recipient to compare, also where keys and recipients are pinned. "What it may
// burn is typed."
func TestColdSignCancels(t *testing.T) {
	s := brokenHome(t)
	pins := s.File("approvers.txt", "bob "+approvaltest.Public("bob")+"\n")
	allow := s.File("allow.txt", coldTo+" the exchange\n")
	from := petstest.OtherFirst
	f := money.ColdUnsigned{
		Version: money.ColdFileVersion, Portfolio: "main", Transfer: "x12",
		Transaction: json.RawMessage(`{"chain_id":137,"from":"` + from + `","nonce":7,"to":"` + from + `","value":"0","data":"0x","gas":21000,"max_fee_per_gas":"200000000000","max_tip_per_gas":"30000000000","highest_fee":"50000000000000000"}`),
		Payment:     domain.Payment{Chain: "eip155:137", AssetID: "eip155:137/slip44:966", From: from, To: from, Amount: domain.Zero, HighestFee: domain.MustDecimal("0.05")},
	}
	f.Hash = treasury.Hash("main", &domain.TransferRequested{Transfer: "x12", Kind: domain.TransferCancel, Payment: f.Payment})
	file := s.Carry("x12.cold.json", f)
	sign := func(amount string) *petstest.Seat {
		return s.Sit("cold", "sign", file, "--approvers", pins, "--allow", allow).WaitFor("CANCELS it: nothing is paid").
			WaitFor("It may burn up to 0.05 POL").WaitFor("Type that amount, in POL, to agree: ").Types(amount + "\r")
	}
	for _, other := range []string{"", "y", "0.5", "5"} {
		sign(other).WaitFor("nothing was signed").Ends(1)
	}
	sign("0.05").WaitFor("not shown: ").Types(petstest.OtherWords + "\r").WaitFor("Signed: 0x").Ends(0)

	// "This machine's own bounds": a forged one would burn 4.99 coins, and pay nobody.
	dear := f
	dear.Payment.HighestFee = domain.MustDecimal("4.99")
	dear.Transaction = json.RawMessage(strings.NewReplacer("200000000000", "237000000000000", "50000000000000000", "4990000000000000000").Replace(string(f.Transaction)))
	dear.Hash = treasury.Hash("main", &domain.TransferRequested{Transfer: "x12", Kind: domain.TransferCancel, Payment: dear.Payment})
	forged := s.Carry("dear.cold.json", dear)
	s.Sit("cold", "sign", forged, "--approvers", pins, "--allow", allow, "--out", "d.json").WaitFor("ITS FEE IS ABOVE WHAT THIS MACHINE ALLOWS").
		WaitFor("Sign it all the same? [y/N] ").Types("\r").Ends(1)
	s.Sit("cold", "sign", forged, "--approvers", pins, "--allow", allow, "--out", "d.json").WaitFor("Sign it all the same? [y/N] ").Types("y\r").
		WaitFor("It may burn up to 4.99 POL").Types("0.05\r").WaitFor("nothing was signed").Ends(1)
	require.NoFileExists(t, filepath.Join(s.Dir, "d.json"))

	// Only what pays nothing is taken for a cancellation.
	pays := unsignedTransfer(t, from)
	pays.Hash = treasury.Hash("main", &domain.TransferRequested{Transfer: "x12", Kind: domain.TransferCancel, Payment: pays.Payment})
	s.Sit("cold", "sign", s.Carry("y.cold.json", pays), "--approvers", pins, "--out", "o.json").WaitFor("holds no signature of an approver").Ends(1)
	require.NoFileExists(t, filepath.Join(s.Dir, "o.json"))
}

// "The recipient is in the offline machine's own list (--allow FILE)": then it is not typed,
// and no other is signed for.
func TestColdSignAllows(t *testing.T) {
	s := brokenHome(t)
	file := s.Carry("x12.cold.json", unsignedTransfer(t, petstest.OtherFirst))
	allow := s.File("allow.txt", "# our exchange\n"+coldTo+" the exchange\n")
	s.Sit("cold", "sign", file, "--allow", allow).WaitFor("CLAIMS").WaitFor("The recipient is the exchange (" + coldTo + ")").
		WaitFor("not shown: ").Types(petstest.OtherWords + "\r").WaitFor("Signed: 0x").Ends(0)
	// An address that has the same first and last four digits is another one.
	vanity := (&moneyWorld{}).checksummed(coldTo[:6] + strings.Repeat("7", 32) + coldTo[38:])
	other := s.File("other.txt", vanity+" the exchange\n")
	s.Sit("cold", "sign", file, "--allow", other, "--out", "c.json").WaitFor("is not in").Ends(1)
	s.Sit("cold", "sign", file, "--out", "c.json").WaitFor("first 8 digits").Types(vanity[2:10] + "\r").WaitFor("other first 8 digits").Ends(1)
	typesRecipient(s.Sit("cold", "sign", file, "--out", "c.json"), coldTo[2:10], vanity[len(vanity)-8:]).WaitFor("other last 8 digits").Ends(1)
	require.NoFileExists(t, filepath.Join(s.Dir, "c.json"))
}

// "A file that anybody can make" is not signed where keys are pinned: without a signature,
// with one of an unknown key, of another ledger, or over another transfer.
func TestColdSignRefusesFilesOfAnybody(t *testing.T) {
	s := brokenHome(t)
	pins := s.File("approvers.txt", "bob "+approvaltest.Public("bob")+"\n")
	for want, f := range map[string]money.ColdUnsigned{
		"holds no signature of an approver": unsignedTransfer(t, petstest.OtherFirst),
		"which is not in":                   approvedTransfer(t, petstest.OtherFirst, "mallory"),
	} {
		s.Sit("cold", "sign", s.Carry("f.json", f), "--approvers", pins, "--out", "o.json").WaitFor(want).Ends(1)
	}
	file := s.Carry("x12.cold.json", approvedTransfer(t, petstest.OtherFirst, "bob"))
	for text, want := range map[string]string{
		"ledger ledger-2f\nbob " + approvaltest.Public("bob") + "\n": "is approved in ledger ledger-1f",
		"bob\n": "line 1",
		"":      "has no approver's key",
		"bob " + approvaltest.Public("bob") + "\nbob " + approvaltest.Public("bob") + "\n": "twice",
		"bob pets-approver-x\n": "line 1",
	} {
		s.Sit("cold", "sign", file, "--approvers", s.File("p.txt", text), "--out", "o.json").WaitFor(want).Ends(1)
	}
	require.NoError(t, os.Chmod(pins, 0o666))
	s.Sit("cold", "sign", file, "--approvers", pins, "--out", "o.json").WaitFor("others can write").Ends(1)
	link := filepath.Join(s.Dir, "link.txt")
	require.NoError(t, os.Symlink(pins, link))
	s.Sit("cold", "sign", file, "--approvers", link, "--out", "o.json").WaitFor("not a regular file").Ends(1)
	require.NoFileExists(t, filepath.Join(s.Dir, "o.json"))
}

// A file that is changed in any field is refused, but for what nobody approved: the number
// and the gas of the transaction, which pets cold import compares with what was prepared. And one with the approval of another transfer of the same approver is refused.
func TestColdFileMutated(t *testing.T) {
	s := petstest.New(t)
	registry, err := chain.Default()
	require.NoError(t, err)
	read := func(text string) error {
		f, err := money.ReadColdFile(s.File("m.json", text))
		if err == nil {
			_, err = f.Check("m.json", evm.NewSignatory(registry))
		}
		return err
	}
	f := approvedTransfer(t, petstest.OtherFirst, "bob")
	whole, err := json.Marshal(f)
	require.NoError(t, err)
	require.NoError(t, read(string(whole)))
	for at, changed := range mutations(t, whole) {
		if slices.Contains([]string{"/transaction/gas", "/transaction/nonce", "/transaction/max_fee_per_gas", "/transaction/max_tip_per_gas"}, at) {
			continue
		}
		require.Error(t, read(changed), "%s: %s", at, changed)
	}
	other := f
	other.Transfer = "x13"
	other.Hash = treasury.Hash("main", &domain.TransferRequested{Transfer: "x13", Kind: domain.TransferWithdrawal, Payment: f.Payment})
	require.ErrorContains(t, read(text(t, other)), "what was approved is not this transfer: its transfer differs")
	more := f
	more.Payment.HighestFee = domain.MustDecimal("0.06") // an approval of another payment under the same name
	more.Hash = treasury.Hash("main", &domain.TransferRequested{Transfer: "x12", Kind: domain.TransferWithdrawal, Payment: more.Payment})
	replaced := f
	replaced.Approvals = []money.ColdApproval{approvalOf(t, &more, "bob")}
	require.ErrorContains(t, read(text(t, replaced)), "its hash differs")
}

func text(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

// mutations returns a JSON text with each of its values changed, one at a time, by where
// that value is.
func mutations(t *testing.T, whole []byte) map[string]string {
	t.Helper()
	out := map[string]string{}
	for {
		var v any
		require.NoError(t, json.Unmarshal(whole, &v))
		done := false
		changed := mutate(v, "", func(at string) bool {
			if _, before := out[at]; before || done {
				return false
			}
			out[at], done = "", true
			return true
		})
		if !done {
			require.Greater(t, len(out), 30, "it has that many values")
			return out
		}
		for at, is := range out {
			if is == "" {
				out[at] = text(t, changed)
			}
		}
	}
}

// mutate changes those values below a place that are wanted.
func mutate(v any, at string, wanted func(at string) bool) any {
	switch v := v.(type) {
	case map[string]any:
		for name := range v {
			v[name] = mutate(v[name], at+"/"+name, wanted)
		}
		return v
	case []any:
		for i := range v {
			v[i] = mutate(v[i], fmt.Sprintf("%s/%d", at, i), wanted)
		}
		return v
	}
	if !wanted(at) {
		return v
	}
	switch v := v.(type) {
	case float64:
		return v + 1
	case string:
		last := v[len(v)-1]
		return v[:len(v)-1] + string('0'+(last+1)%10)
	}
	return fmt.Sprint(v)
}

// A payment's fee is held to the bounds of this machine, too, whatever was approved: its gas
// and its fee.
func TestColdSignBoundsFees(t *testing.T) {
	s := brokenHome(t)
	for what, change := range map[string][2]string{
		"237000000000000 wei per gas": {`"max_fee_per_gas":"200000000000"`, `"max_fee_per_gas":"237000000000000"`},
		"300001 gas":                  {`"gas":65000`, `"gas":300001`},
	} {
		f := unsignedTransfer(t, petstest.OtherFirst)
		f.Payment.HighestFee = domain.MustDecimal("100")
		f.Transaction = json.RawMessage(strings.NewReplacer(change[0], change[1], `"highest_fee":"50000000000000000"`, `"highest_fee":"100000000000000000000"`).Replace(string(f.Transaction)))
		f.Hash = treasury.Hash("main", &domain.TransferRequested{Transfer: "x12", Kind: domain.TransferWithdrawal, Payment: f.Payment})
		s.Sit("cold", "sign", s.Carry("x12.cold.json", f), "--out", "o.json").WaitFor("ITS FEE IS ABOVE WHAT THIS MACHINE ALLOWS").WaitFor(what).
			WaitFor("Sign it all the same? [y/N] ").Types("n\r").Ends(1)
	}
	require.NoFileExists(t, filepath.Join(s.Dir, "o.json"))
}

// "The file says what it is": one whose word is not what its transaction does is refused.
func TestColdFileSaysWhatItIs(t *testing.T) {
	s := brokenHome(t)
	f := unsignedTransfer(t, petstest.OtherFirst)
	f.What = "cancellation"
	s.Sit("cold", "sign", s.Carry("x12.cold.json", f), "--out", "o.json").WaitFor("says that it is a cancellation, and its transaction is a payment").Ends(1)
	f.What = "payment"
	s.Sit("cold", "sign", s.Carry("x12.cold.json", f), "--out", "o.json").WaitFor("first 8 digits").Types("\x03").Ends(1)
}
