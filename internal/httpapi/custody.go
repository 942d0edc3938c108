package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"

	"pets/commands"
	"pets/commands/custody"
	"pets/domain"
	"pets/domain/treasury"
	"pets/projections"
)

// Custodian reaches keys and chains: a [custody.Custodian], or a fake in tests.
type Custodian interface {
	// RegisterWallet claims the wallet's address for the portfolio and registers it.
	RegisterWallet(ctx context.Context, portfolio string, r commands.Request) (commands.Answer, error)
	// AddAddress adds an address to the book.
	AddAddress(ctx context.Context, portfolio string, r commands.Request) (commands.Answer, error)
	// VerifyWallet opens a wallet's key and compares it with its address.
	VerifyWallet(ctx context.Context, portfolio string, r commands.Request) (commands.Answer, error)
	// LoadWallet does the same, and reads the wallet's balances from the chain.
	LoadWallet(ctx context.Context, portfolio string, r commands.Request) (commands.Answer, error)
	// ReadOrder reads typed data of a known shape.
	ReadOrder(typedData json.RawMessage) (domain.TypedOrder, error)
	// SignOrder signs under a permit, and SignTransfer under an approved transfer.
	SignOrder(ctx context.Context, portfolio string, r commands.Request) (commands.Answer, string, error)
	SignTransfer(ctx context.Context, portfolio string, r commands.Request) (commands.Answer, custody.SignedTransaction, error)
	// ImportSigned takes what a cold wallet has signed elsewhere.
	ImportSigned(ctx context.Context, portfolio string, r commands.Request) (commands.Answer, error)
	// Reconcile compares the ledger with the chain.
	Reconcile(ctx context.Context, portfolio string, r commands.Request) (commands.Answer, error)
	// RotateKeys seals every key under the current encryption key. KeyStatus says which
	// encryption keys are in use, and how far a rotation is.
	RotateKeys(ctx context.Context, caller domain.Caller, reason string) (custody.RotationReport, error)
	KeyStatus(ctx context.Context) (custody.KeyStatus, error)
}

var errNoCustody = domain.Errorf(domain.CodeConflict, "this server has no keystore and no chain; see docs/custody.md")

// Bodies of custody's routes.
type (
	walletKeyBody struct {
		Address string `json:"address"`
		Origin  string `json:"origin" enum:"created,recovered"`
		Path    string `json:"path,omitempty"`
		KeyID   string `json:"key_id"`
	}
	addressBody struct {
		Address string `json:"address"`
	}
	hashBody struct {
		// Hash is the hash of the transfer, as …/approvals shows it. Exactly this
		// is approved.
		Hash string `json:"hash"`
	}
	rawBody struct {
		// Raw are the signed bytes: 0x and hex.
		Raw string `json:"raw"`
	}
	treasuryBody struct {
		HotWalletPercentage  *domain.Decimal  `json:"hot_wallet_percentage,omitempty"`
		MinRebalanceUSD      *domain.Decimal  `json:"min_rebalance_usd,omitempty"`
		ApprovalThresholdUSD *domain.Decimal  `json:"approval_threshold_usd,omitempty"`
		ApprovalTTL          *domain.Duration `json:"approval_ttl,omitempty"`
		MaxTransferFee       *domain.Decimal  `json:"max_transfer_fee,omitempty"`
		Reason               string           `json:"reason"`
	}
	// signBody requests the signature of an order, or of a transfer.
	signBody struct {
		Permit string `json:"permit,omitempty"`
		// TypedData is what eth_signTypedData_v4 takes, of a shape that is known here.
		TypedData json.RawMessage `json:"typed_data,omitempty"`
		Transfer  string          `json:"transfer,omitempty"`
	}
)

// signAnswer holds the signature, which is in no record and is returned only
// while it may be used.
type signAnswer struct {
	commands.SignatureAnswer
	Revision uint64              `json:"revision"`
	Events   []commands.EventRef `json:"events"`
	// ClockBehind is how far the wall clock was behind the last record.
	ClockBehind domain.Duration `json:"clock_behind,omitzero"`
	// Signature is 0x, r, s and v (27 or 28), of an order.
	Signature string `json:"signature,omitempty"`
	// Raw is the signed transaction of a transfer, TxHash its hash.
	Raw    string `json:"raw,omitempty"`
	TxHash string `json:"tx_hash,omitempty"`
}

func custodyRoutes() []route {
	return []route{
		custom("/wallets", "Register a wallet; its address belongs to this portfolio from then on", walletOf, Custodian.RegisterWallet),
		post("/wallets/{wallet}/key", "A wallet's key was put into the keystore", func(b walletKeyBody, r *http.Request) commands.Command {
			return commands.RecordKey{Wallet: r.PathValue("wallet"), Address: b.Address, Origin: b.Origin, Path: b.Path, KeyID: b.KeyID}
		}),
		custom("/wallets/{wallet}/verify", "Open a wallet's key and compare it with the address", func(_ emptyBody, r *http.Request) commands.UseKey {
			return commands.UseKey{Wallet: r.PathValue("wallet"), Purpose: "verify"}
		}, Custodian.VerifyWallet),
		custom("/wallets/{wallet}/load", "Verify a wallet's key, and record what the chain says it holds", func(_ emptyBody, r *http.Request) commands.LoadWallet {
			return commands.LoadWallet{Wallet: r.PathValue("wallet")}
		}, Custodian.LoadWallet),
		post("/wallets/{wallet}/recovery-test", "The words of a wallet gave its address; the stored key was not touched", func(b addressBody, r *http.Request) commands.Command {
			return commands.TestRecovery{Wallet: r.PathValue("wallet"), Address: b.Address}
		}),
		custom("/address-book", "Put an address into the book: transfers may go there", func(b commands.AddAddress, _ *http.Request) commands.AddAddress { return b }, Custodian.AddAddress),
		post("/address-book/remove", "Take an address out of the book", func(b commands.RemoveAddress, _ *http.Request) commands.Command { return b }),
		treasuryPolicyRoute(),
		nudging(post("/transfers", "Ask for money to be moved between wallets, or to an address of the book", func(b commands.RequestTransfer, _ *http.Request) commands.Command { return b })),
		nudging(post("/transfers/{transfer}/approve", "The second of two people agrees to exactly this transfer, by its hash", func(b hashBody, r *http.Request) commands.Command {
			return commands.ApproveTransfer{Transfer: r.PathValue("transfer"), Hash: b.Hash}
		})),
		post("/transfers/{transfer}/reject", "End a transfer of which nothing was sent", func(b neededReason, r *http.Request) commands.Command {
			return commands.RejectTransfer{Transfer: r.PathValue("transfer"), Reason: b.Reason}
		}),
		importSignedRoute(), signRoute(),
		nudging(post("/rebalance", "Propose a move between the wallets, where one is due", func(_ emptyBody, _ *http.Request) commands.Command { return commands.ProposeRebalance{} })),
		custom("/reconcile", "Reconcile the ledger with the chain; a difference stops outgoing transfers", func(_ emptyBody, _ *http.Request) commands.Reconcile { return commands.Reconcile{} }, Custodian.Reconcile),

		by(readers[1:], get("/wallets", "wallets", "The wallets, without anything of their keys", walletsView, paging...)),
		by(readers[1:], get("/address-book", "address_book", "The addresses that transfers may go to", bookView, paging...)),
		by(readers[1:], get("/treasury", "treasury", "Where the money lies, where it should, and what stands in the way", func(l *looker) (*treasuryAnswer, error) {
			return &treasuryAnswer{l.head(), projections.TreasuryOf(l.state, l.clock())}, nil
		})),
		by(readers[1:], get("/transfers", "transfers", "Transfers, oldest first: those that are open, and the last 1,000 that are over", func(l *looker) (*transfersAnswer, error) {
			return transfersView(l, func(*treasury.Transfer) bool { return true })
		}, paging...)),
		by(readers[1:], get("/approvals", "approvals", "Transfers that wait for a second person", func(l *looker) (*transfersAnswer, error) {
			return transfersView(l, func(t *treasury.Transfer) bool { return t.Status == treasury.Requested && !t.Lapsed(l.clock()) })
		}, paging...)),
	}
}

func walletsView(l *looker) (*walletsAnswer, error) {
	v := &walletsAnswer{Head: l.head(), Wallets: projections.WalletsOf(l.state)}
	return v, v.page(l.values, listOf("wallets", &v.Wallets, func(w *projections.Wallet) string { return w.Wallet }))
}

func bookView(l *looker) (*bookAnswer, error) {
	v := &bookAnswer{Head: l.head(), Addresses: projections.BookOf(l.state)}
	return v, v.page(l.values, listOf("addresses", &v.Addresses, func(c *projections.Contact) string { return joined(c.Chain, c.Address) }))
}

func transfersView(l *looker, which func(*treasury.Transfer) bool) (*transfersAnswer, error) {
	v := &transfersAnswer{Head: l.head(), Transfers: projections.TransfersOf(l.state, which)}
	return v, v.page(l.values, listOf("transfers", &v.Transfers, func(t *projections.Transfer) string { return t.Transfer }))
}

// Answers of custody's reads.
type (
	walletsAnswer struct {
		Head
		Wallets []projections.Wallet `json:"wallets"`
		Pages
	}
	bookAnswer struct {
		Head
		Addresses []projections.Contact `json:"addresses"`
		Pages
	}
	transfersAnswer struct {
		Head
		Transfers []projections.Transfer `json:"transfers"`
		Pages
	}
	treasuryAnswer struct {
		Head
		projections.Treasury
	}
)

func walletOf(b commands.RegisterWallet, _ *http.Request) commands.RegisterWallet { return b }

// custom is a route whose command goes through custody.
func custom[B any, C commands.Command](path, summary string, build func(B, *http.Request) C, send func(Custodian, context.Context, string, commands.Request) (commands.Answer, error)) route {
	var blank C
	return route{
		method: http.MethodPost, path: inPortfolio + path, name: blank.Name(), summary: summary, roles: blank.Roles(), command: blank.Name(),
		body: reflect.TypeFor[B](), answer: reflect.TypeFor[commands.Answer](),
		handle: func(q *request) error {
			var b B
			if err := q.readBody(&b); err != nil {
				return err
			}
			answer, err := sendTo(q, build(b, q.r), send)
			if err == nil {
				q.answer(&answer)
			}
			return err
		},
	}
}

// sendTo sends a command through custody.
func sendTo(q *request, c commands.Command, send func(Custodian, context.Context, string, commands.Request) (commands.Answer, error)) (commands.Answer, error) {
	r, err := q.custodial(c)
	if err != nil {
		return commands.Answer{}, err
	}
	ctx, cancel := q.deciding(custodyWithin)
	defer cancel()
	answer, err := send(q.api.config.Custody, ctx, q.portfolio(), r)
	q.decided(commands.ClassOf(c), &answer, err)
	return answer, err
}

// custodial builds the request of a command that goes through custody.
func (q *request) custodial(c commands.Command) (commands.Request, error) {
	if err := q.exists(); err != nil {
		return commands.Request{}, err
	}
	k, err := idempotencyKey(q.r)
	if err != nil {
		return commands.Request{}, err
	}
	if q.api.config.Custody == nil {
		return commands.Request{}, errNoCustody
	}
	return q.asks(k, c), nil
}

// nudging triggers work on transfers as soon as the route was answered.
func nudging(r route) route {
	handle := r.handle
	r.handle = func(q *request) error {
		err := handle(q)
		if err == nil && q.api.config.Nudge != nil {
			q.api.config.Nudge()
		}
		return err
	}
	return r
}

func treasuryPolicyRoute() route {
	c := commands.ChangeTreasuryPolicy{}
	return route{
		method: http.MethodPost, path: inPortfolio + "/treasury-policy", name: c.Name(), roles: c.Roles(), command: c.Name(),
		summary: "Change rules of the treasury, with a reason", body: reflect.TypeFor[treasuryBody](), answer: reflect.TypeFor[commands.Answer](),
		handle: func(q *request) error {
			var b treasuryBody
			if err := q.readBody(&b); err != nil {
				return err
			}
			reason := b.Reason
			patch, err := b.patch()
			if err != nil {
				return err
			}
			return q.do(commands.ChangeTreasuryPolicy{Policy: patch, Reason: reason})
		},
	}
}

// patch writes the named rules in the order of the policy.
func (b treasuryBody) patch() (json.RawMessage, error) {
	p := treasuryPatch{b.HotWalletPercentage, b.MinRebalanceUSD, b.ApprovalThresholdUSD, b.ApprovalTTL, b.MaxTransferFee}
	return json.Marshal(p)
}

// treasuryPatch is domain.TreasuryPolicy with every field optional.
type treasuryPatch struct {
	HotWalletPercentage  *domain.Decimal  `json:"hot_wallet_percentage,omitempty"`
	MinRebalanceUSD      *domain.Decimal  `json:"min_rebalance_usd,omitempty"`
	ApprovalThresholdUSD *domain.Decimal  `json:"approval_threshold_usd,omitempty"`
	ApprovalTTL          *domain.Duration `json:"approval_ttl,omitempty"`
	MaxTransferFee       *domain.Decimal  `json:"max_transfer_fee,omitempty"`
}

func importSignedRoute() route {
	c := commands.SignTransfer{}
	return route{
		method: http.MethodPost, path: inPortfolio + "/transfers/{transfer}/signed", name: "import_signed", roles: c.Roles(), command: c.Name(),
		summary: "Bring the transaction that a cold wallet has signed elsewhere", body: reflect.TypeFor[rawBody](), answer: reflect.TypeFor[commands.Answer](),
		handle: nudging(route{handle: func(q *request) error {
			var b rawBody
			if err := q.readBody(&b); err != nil {
				return err
			}
			answer, err := sendTo(q, commands.SignTransfer{Transfer: q.r.PathValue("transfer"), Raw: b.Raw}, Custodian.ImportSigned)
			if err == nil {
				q.answer(&answer)
			}
			return err
		}}).handle,
	}
}

func signRoute() route {
	return route{
		method: http.MethodPost, path: inPortfolio + "/sign", name: commands.SignOrder{}.Name(), command: commands.SignOrder{}.Name(),
		roles:   []domain.Role{domain.RoleBot, domain.RoleOperator},
		summary: "Sign this: an order under its permit, or an approved transfer. A refusal is an answer, with every reason",
		body:    reflect.TypeFor[signBody](), answer: reflect.TypeFor[signAnswer](), handle: signIt,
	}
}

func signIt(q *request) error {
	var b signBody
	if err := q.readBody(&b); err != nil {
		return err
	}
	q.w.Header().Set("Cache-Control", "no-store")
	switch order := b.Permit != "" || len(b.TypedData) > 0; {
	case order && b.Transfer != "":
		return domain.Invalid("transfer", "does not go with permit and typed_data")
	case !order && b.Transfer == "":
		return domain.Invalid("permit", "and typed_data are missing, or a transfer")
	case !order:
		return q.signTransfer(b.Transfer)
	case b.Permit == "" || len(b.TypedData) == 0:
		return domain.Invalid("permit", "and typed_data go together")
	}
	return q.signOrder(b)
}

func (q *request) signOrder(b signBody) error {
	if q.api.config.Custody == nil {
		return errNoCustody
	}
	order, err := q.api.config.Custody.ReadOrder(b.TypedData)
	if err != nil {
		return err
	}
	r, err := q.custodial(commands.SignOrder{Permit: b.Permit, Order: order})
	if err != nil {
		return err
	}
	ctx, cancel := q.deciding(answerWithin)
	defer cancel()
	answer, signature, err := q.api.config.Custody.SignOrder(ctx, q.portfolio(), r)
	q.decided(commands.ClassOther, &answer, err)
	if err != nil {
		return err
	}
	return q.answerSigned(&answer, signAnswer{Signature: signature})
}

func (q *request) signTransfer(transfer string) error {
	r, err := q.custodial(commands.SignTransfer{Transfer: transfer})
	if err != nil {
		return err
	}
	ctx, cancel := q.deciding(answerWithin)
	defer cancel()
	answer, signed, err := q.api.config.Custody.SignTransfer(ctx, q.portfolio(), r)
	q.decided(commands.ClassOther, &answer, err)
	if err != nil {
		return err
	}
	if answer.Signature == nil {
		answer.Signature = &commands.SignatureAnswer{Signed: true, Purpose: domain.PurposeTransfer, Transfer: transfer, Reasons: []domain.SignatureObstacle{}}
	}
	return q.answerSigned(&answer, signAnswer{Raw: signed.Raw, TxHash: signed.Hash})
}

func (q *request) answerSigned(a *commands.Answer, v signAnswer) error {
	if a.Signature == nil {
		return domain.Errorf(domain.CodeInternal, "the answer says nothing of a signature")
	}
	if a.Replayed {
		q.w.Header().Set("Idempotency-Replayed", "true")
	}
	v.SignatureAnswer, v.Revision, v.Events, v.ClockBehind = *a.Signature, a.Revision, a.Events, a.ClockBehind
	writeJSON(q.w, http.StatusOK, v)
	return nil
}

func encryptionRoutes() []route {
	return []route{
		{
			method: http.MethodGet, path: "/v1/keys", name: "key_status", roles: keyLists, global: true, handle: keyStatus,
			summary: "The encryption keys of the keystore, by their ids: which are in use, how old, and any rotation under way", answer: reflect.TypeFor[custody.KeyStatus](),
		},
		{
			method: http.MethodPost, path: "/v1/keys/rotate", name: commands.StartKeyRotation{}.Name(), roles: admins, global: true, handle: rotateKeys,
			summary: "Seal every key under the current encryption key; begun before, it goes on. Done again it changes nothing",
			body:    reflect.TypeFor[reasonBody](), answer: reflect.TypeFor[custody.RotationReport](),
		},
	}
}

func keyStatus(q *request) error {
	if _, err := q.query(); err != nil {
		return err
	}
	if q.api.config.Custody == nil {
		return errNoCustody
	}
	v, err := q.api.config.Custody.KeyStatus(q.r.Context())
	if err != nil {
		return err
	}
	return q.deliver(v)
}

func rotateKeys(q *request) error {
	var b reasonBody
	if err := q.readBody(&b); err != nil {
		return err
	}
	if q.api.config.Custody == nil {
		return errNoCustody
	}
	ctx, cancel := q.deciding(rotateWithin)
	defer cancel()
	v, err := q.api.config.Custody.RotateKeys(ctx, q.key.caller, b.Reason)
	if err == nil {
		writeJSON(q.w, http.StatusOK, v)
	}
	return err
}
