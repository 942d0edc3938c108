package treasury

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

var noon = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

const (
	hotAddress  = "0x9858EfFD232B4033E47d90003D41EC34EcaEda94"
	coldAddress = "0x52908400098527886E0F7030069857D2E4169EE7"
	usdc        = "eip155:137/erc20:0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359"
)

// asked is a transfer with every field of the hash set.
func asked() domain.TransferRequested {
	e := domain.TransferRequested{
		Transfer: "x7", Kind: domain.TransferInternal, Wallet: "hot-1", FromPlace: domain.WalletHot, ToPlace: domain.WalletCold,
		Asset: "USDC", GasAsset: "POL", Reason: "test", User: "olga", ExpiresAt: noon.Add(24 * time.Hour),
		Payment: domain.Payment{Chain: "eip155:137", AssetID: usdc, From: hotAddress, To: coldAddress, Amount: dec("500"), HighestFee: dec("0.5")},
	}
	e.Hash = Hash("main", &e)
	return e
}

// “bound to the hash of (transfer id, portfolio, chain, asset, amount, from, to,
// kind, highest fee)”: each of them changes it, and nothing else does.
func TestHash(t *testing.T) {
	e := asked()
	seen := map[string]string{e.Hash: "the transfer itself", Hash("other", &e): "portfolio"}
	require.Len(t, seen, 2)
	for field, change := range map[string]func(*domain.TransferRequested){
		"transfer id":       func(e *domain.TransferRequested) { e.Transfer = "x8" },
		"chain":             func(e *domain.TransferRequested) { e.Chain = "eip155:1" },
		"asset":             func(e *domain.TransferRequested) { e.AssetID = "eip155:137/slip44:966" },
		"amount":            func(e *domain.TransferRequested) { e.Amount = dec("500.000001") },
		"from":              func(e *domain.TransferRequested) { e.From = coldAddress },
		"to":                func(e *domain.TransferRequested) { e.To = hotAddress },
		"kind":              func(e *domain.TransferRequested) { e.Kind = domain.TransferSweep },
		"highest fee":       func(e *domain.TransferRequested) { e.HighestFee = dec("0.500000000000000001") },
		"a border moved":    func(e *domain.TransferRequested) { e.From, e.To = hotAddress+"0", coldAddress[1:] },
		"two fields in one": func(e *domain.TransferRequested) { e.From, e.To = hotAddress+coldAddress, "" },
	} {
		changed := asked()
		change(&changed)
		hash := Hash("main", &changed)
		require.Empty(t, seen[hash], "%s gives the hash of %s", field, seen[hash])
		seen[hash] = field
		transfer := Transfer{TransferRequested: changed, ApprovedHash: e.Hash}
		transfer.ApprovalFor = []string{"x"}
		require.False(t, transfer.Intact("main"), "%s was changed after it was asked for", field)
		transfer.TransferRequested.Hash = hash // whoever changes the transfer may change its hash as well
		require.False(t, transfer.Intact("main"), "%s was changed after it was approved", field)
	}
	changed := asked()
	changed.Reason, changed.User, changed.Wallet = "other", "paul", "hot-2"
	require.Equal(t, e.Hash, Hash("main", &changed))
}

func TestIntact(t *testing.T) {
	transfer := Transfer{TransferRequested: asked(), Status: Approved}
	transfer.ToPlace = domain.WalletHot
	require.True(t, transfer.Intact("main"), "nobody has to approve it")
	require.False(t, transfer.Intact("other"), "of another portfolio")
	transfer.ApprovalFor = []string{"it is above the threshold"}
	require.False(t, transfer.Intact("main"), "nobody has approved it")
	transfer.Status = Requested
	require.True(t, transfer.Intact("main"), "nobody has approved it yet")
	transfer.Status, transfer.ApprovedHash = Approved, transfer.TransferRequested.Hash
	require.True(t, transfer.Intact("main"))
	// What always takes a second person does so whatever the transfer says of it.
	for _, kind := range []string{domain.TransferRebalance, domain.TransferWithdrawal, domain.TransferSweep} {
		forged := Transfer{TransferRequested: asked(), Status: Approved}
		forged.Kind, forged.ToPlace = kind, domain.WalletHot
		forged.TransferRequested.Hash = Hash("main", &forged.TransferRequested)
		require.False(t, forged.Intact("main"), kind)
	}
	for _, place := range [][2]string{{domain.WalletHot, domain.WalletCold}, {domain.WalletCold, domain.WalletHot}} {
		forged := Transfer{TransferRequested: asked(), Status: Approved}
		forged.FromPlace, forged.ToPlace = place[0], place[1]
		require.False(t, forged.Intact("main"), place)
	}
}

// “mutated approval”: what the bytes say is held against what was approved, field by
// field. A lower fee is no other payment, and an address in other letters no other
// address.
func TestMatches(t *testing.T) {
	e := asked()
	transfer := Transfer{TransferRequested: e}
	require.Empty(t, transfer.Matches(e.Payment))
	for field, change := range map[string]func(*domain.Payment){
		"chain":       func(p *domain.Payment) { p.Chain = "eip155:1" },
		"asset":       func(p *domain.Payment) { p.AssetID = "eip155:137/slip44:966" },
		"from":        func(p *domain.Payment) { p.From = coldAddress },
		"to":          func(p *domain.Payment) { p.To = hotAddress },
		"amount":      func(p *domain.Payment) { p.Amount = dec("499.999999") },
		"highest_fee": func(p *domain.Payment) { p.HighestFee = dec("0.500000000000000001") },
	} {
		p := e.Payment
		change(&p)
		require.Equal(t, field, transfer.Matches(p))
	}
	lower := e.Payment
	lower.HighestFee = dec("0.1")
	require.Empty(t, transfer.Matches(lower))
	letters := e.Payment
	letters.From, letters.To = "0x9858effd232b4033e47d90003d41ec34ecaeda94", "0x52908400098527886e0f7030069857d2e4169ee7"
	letters.AssetID = "eip155:137/erc20:0x3c499c542cef5e3811e1192ce70d8cc03d5c3359"
	require.Empty(t, transfer.Matches(letters), "the case of an address is its checksum only")
	// Every field of a payment is looked at.
	require.Equal(t, 6, reflect.TypeFor[domain.Payment]().NumField())
}

// “Approval is needed for: every transfer that touches the cold wallet, every
// withdrawal, every transfer > approval_threshold_usd (1,000), also when the 24-hour
// sum per sending wallet, this one included, of unapproved ones passes it.”
func TestApprovalFor(t *testing.T) {
	value := func(s string) *domain.Decimal { v := dec(s); return &v }
	for name, c := range map[string]struct {
		kind, from, to string
		value          *domain.Decimal
		recent         string
		needed         int
	}{
		"below the threshold":           {domain.TransferInternal, "hot", "hot", value("999.999999"), "0", 0},
		"at it":                         {domain.TransferInternal, "hot", "hot", value("1000"), "0", 0},
		"above it":                      {domain.TransferInternal, "hot", "hot", value("1000.000001"), "0", 1},
		"the sum below it":              {domain.TransferInternal, "hot", "hot", value("400"), "599.999999", 0},
		"the sum at it":                 {domain.TransferInternal, "hot", "hot", value("400"), "600", 0},
		"the sum above it":              {domain.TransferInternal, "hot", "hot", value("400"), "600.000001", 1},
		"out of cold":                   {domain.TransferInternal, "cold", "hot", value("0.000001"), "0", 1},
		"into cold":                     {domain.TransferRebalance, "hot", "cold", value("0.000001"), "0", 1},
		"a withdrawal":                  {domain.TransferWithdrawal, "hot", "external", value("0.000001"), "0", 1},
		"a withdrawal out of cold":      {domain.TransferWithdrawal, "cold", "external", value("1001"), "0", 3},
		"a sweep":                       {domain.TransferSweep, "hot", "cold", value("1"), "0", 2},
		"an evacuation":                 {domain.TransferEvacuation, "cold", "external", value("1"), "0", 3},
		"no mark to go by":              {domain.TransferInternal, "hot", "hot", nil, "0", 1},
		"a mark of 0 is none to go by":  {domain.TransferInternal, "hot", "hot", value("0"), "0", 1},
		"a sum of much with a bit more": {domain.TransferInternal, "hot", "hot", value("0.000001"), "1000", 1},
	} {
		e := asked()
		e.Kind, e.FromPlace, e.ToPlace = c.kind, c.from, c.to
		p := domain.DefaultTreasuryPolicy()
		require.Len(t, ApprovalFor(&e, c.value, value(c.recent), &p), c.needed, name)
	}
	e, p := asked(), domain.DefaultTreasuryPolicy()
	e.ToPlace, p.ApprovalThresholdUSD = domain.WalletHot, domain.Zero
	require.NotEmpty(t, ApprovalFor(&e, value("0.000001"), value("0"), &p), "0 has every transfer approved")
	p.ApprovalThresholdUSD = dec("1000")
	require.Len(t, ApprovalFor(&e, value("0.000001"), nil, &p), 1, "of a sum that nobody knows")
}

// “expires (approval_ttl, 24 h)”, to the nanosecond, and only what waits does.
func TestLapsed(t *testing.T) {
	for status, waits := range map[Status]bool{
		Requested: true, Approved: true, Prepared: true, Signed: false, Broadcast: false, Rejected: false, Expired: false, Confirmed: false, Failed: false,
	} {
		transfer := Transfer{TransferRequested: asked(), Status: status}
		require.False(t, transfer.Lapsed(noon.Add(24*time.Hour-1)), status)
		require.Equal(t, waits, transfer.Lapsed(noon.Add(24*time.Hour)), status)
	}
}

// The state machine in the words of the predicates.
func TestStatuses(t *testing.T) {
	for status, want := range map[Status][3]bool{ // open, waiting, under way
		Requested: {true, true, false}, Approved: {true, true, false}, Prepared: {true, true, true}, Signed: {true, false, true},
		Broadcast: {true, false, true}, Rejected: {}, Expired: {}, Confirmed: {}, Failed: {},
	} {
		transfer := Transfer{Status: status}
		require.Equal(t, want, [3]bool{transfer.Open(), transfer.Waiting(), transfer.UnderWay()}, status)
	}
}

func TestAttempts(t *testing.T) {
	var transfer Transfer
	require.Nil(t, transfer.Last())
	require.False(t, transfer.HasHash(""), "an attempt without a hash is nobody's")
	transfer.Attempts = []Attempt{{Digest: "a", TxHash: "0xa", Sent: true}, {Digest: "b"}}
	require.Equal(t, "b", transfer.Last().Digest)
	require.True(t, transfer.Sent())
	require.True(t, transfer.HasDigest("b"))
	require.False(t, transfer.HasDigest("c"))
	require.True(t, transfer.HasHash("0xa"))
	require.False(t, transfer.HasHash("0xb"))
	require.False(t, transfer.HasHash(""))
}

// “used its nonce”: after what is on the chain, no transaction of the wallet can have
// the same nonce, or a lower one.
func TestUsedNonce(t *testing.T) {
	for status, want := range map[Status]bool{Prepared: false, Signed: false, Broadcast: false, Rejected: false, Expired: false, Confirmed: true} {
		transfer := Transfer{Status: status, Attempts: []Attempt{{Nonce: 7}}}
		require.Equal(t, want, transfer.UsedNonce(7), status)
	}
	for code, want := range map[string]bool{domain.FailedReverted: true, domain.FailedReplaced: true, domain.FailedNotMoved: true, domain.FailedRefused: false} {
		transfer := Transfer{Status: Failed, Code: code, Attempts: []Attempt{{Nonce: 7}}}
		require.Equal(t, want, transfer.UsedNonce(7), code)
		require.Equal(t, want, transfer.UsedNonce(6), code)
		require.False(t, transfer.UsedNonce(8), code)
	}
	require.False(t, (&Transfer{Status: Confirmed}).UsedNonce(0), "without a transaction there is no nonce")
}

// What a transfer will still take: its amount until it is on its way, its highest fee,
// where that is of the same asset, until it is over.
func TestClaims(t *testing.T) {
	for status, want := range map[Status][2]string{ // of the amount's asset, of the fee's
		Requested: {"500", "0.5"}, Approved: {"500", "0.5"}, Prepared: {"500", "0.5"}, Signed: {"500", "0.5"}, Broadcast: {"0", "0.5"},
		Rejected: {"0", "0"}, Expired: {"0", "0"}, Confirmed: {"0", "0"}, Failed: {"0", "0"},
	} {
		transfer := Transfer{TransferRequested: asked(), Status: status}
		require.Equal(t, want, [2]string{transfer.Claims("USDC").String(), transfer.Claims("POL").String()}, status)
		require.Equal(t, "0", transfer.Claims("ETH").String())
	}
	coin := Transfer{TransferRequested: asked(), Status: Approved}
	coin.Asset = "POL"
	require.Equal(t, "500.5", coin.Claims("POL").String())
}

// “the 24-hour sum … of unapproved ones”, to the nanosecond; what has moved nothing
// for sure is not in it.
func TestCounts(t *testing.T) {
	for status, want := range map[Status]bool{
		Approved: true, Prepared: true, Signed: true, Broadcast: true, Confirmed: true, Failed: true, Rejected: false, Expired: false,
	} {
		transfer := Transfer{TransferRequested: asked(), Status: status, RequestedAt: noon}
		require.Equal(t, want, transfer.Counts(noon.Add(24*time.Hour-1)), status)
		require.False(t, transfer.Counts(noon.Add(24*time.Hour)), status)
		transfer.ApprovalFor = []string{"x"}
		require.False(t, transfer.Counts(noon), status)
	}
}

// “nothing was sent”: what was signed here and never sent can be given up, what was
// signed elsewhere, or sent once, cannot.
func TestWithdrawable(t *testing.T) {
	for status, want := range map[Status]bool{
		Requested: false, Approved: true, Prepared: true, Signed: true, Broadcast: false, Confirmed: false, Failed: false, Rejected: false, Expired: false,
	} {
		transfer := Transfer{Status: status, Attempts: []Attempt{{TxHash: "0xa"}}}
		require.Equal(t, want, transfer.Withdrawable(), status)
	}
	require.False(t, (&Transfer{Status: Signed, Attempts: []Attempt{{Raw: "0x02"}, {}}}).Withdrawable())
	require.False(t, (&Transfer{Status: Signed, Attempts: []Attempt{{Sent: true}, {}}}).Withdrawable())
}

// "A transfer to a new address takes two approvers", two different users: the same user
// twice is one.
func TestTheSameUserTwiceIsOneApprover(t *testing.T) {
	x := Transfer{Status: Requested, TransferRequested: domain.TransferRequested{Approvals: 2, ApprovalFor: []string{"new"}}}
	for _, user := range []string{"bob", "bob", "Bob"} {
		x.Approve(&domain.TransferApproved{User: user}, noon, 0)
		require.Equal(t, Requested, x.Status)
	}
	require.Equal(t, [2]int{1, 2}, [2]int{x.ApprovedTimes(), x.ApprovalsNeeded()})
	x.Approve(&domain.TransferApproved{User: "carl"}, noon, 0)
	require.Equal(t, Approved, x.Status)
}
