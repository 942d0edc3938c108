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
	"pets/internal/notice"
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
	// PrepareAgain makes the transaction of a cold wallet again, with the fees of now.
	PrepareAgain(ctx context.Context, portfolio string, r commands.Request) (commands.Answer, error)
	// RegisterMarket compares the tokens of a market with the condition on the chain.
	RegisterMarket(ctx context.Context, portfolio string, r commands.Request) (commands.Answer, error)
	// RequestOverride and ConfirmOverride compare what two people say of a transfer, or of
	// the tokens of a market, with the chain.
	RequestOverride(ctx context.Context, portfolio string, r commands.Request) (commands.Answer, error)
	ConfirmOverride(ctx context.Context, portfolio string, r commands.Request) (commands.Answer, error)
	// Reconcile compares the ledger with the chain.
	Reconcile(ctx context.Context, portfolio string, r commands.Request) (commands.Answer, error)
	// RotateKeys seals every key under the current encryption key. KeyStatus says which
	// encryption keys are in use, and how far a rotation is.
	RotateKeys(ctx context.Context, caller domain.Caller, reason string) (custody.RotationReport, error)
	KeyStatus(ctx context.Context) (custody.KeyStatus, error)
}

var errNoCustody = domain.Errorf(domain.CodeConflict, "this server has no keystore and no chain; see docs/custody.md")

// Bodies of custody's routes that are no commands.
type (
	rotateBody struct {
		Reason string `json:"reason,omitempty"`
	}
	rawBody struct {
		// Raw are the signed bytes: 0x and hex.
		Raw string `json:"raw"`
	}
	treasuryBody struct {
		TreasuryPatch
		Reason string `json:"reason"`
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
		custom[commands.RegisterWallet]("/wallets", "Register a wallet; its address belongs to this portfolio from then on", nil, Custodian.RegisterWallet),
		post("/wallets/{wallet}/key", "A wallet's key was put into the keystore", func(c *commands.RecordKey, r *http.Request) { c.Wallet = r.PathValue("wallet") }),
		outOfBody(custom("/wallets/{wallet}/verify", "Open a wallet's key and compare it with the address", func(c *commands.UseKey, r *http.Request) {
			c.Wallet, c.Purpose = r.PathValue("wallet"), "verify"
		}, Custodian.VerifyWallet), "purpose"),
		custom("/wallets/{wallet}/load", "Verify a wallet's key, and record what the chain says it holds", func(c *commands.LoadWallet, r *http.Request) { c.Wallet = r.PathValue("wallet") }, Custodian.LoadWallet),
		post("/wallets/{wallet}/recovery-test", "The words of a wallet gave its address; the stored key was not touched", func(c *commands.TestRecovery, r *http.Request) { c.Wallet = r.PathValue("wallet") }),
		post("/wallets/{wallet}/retire", "Retire a wallet whose key may have leaked, for ever: nothing is sent to it, and money leaves it by a sweep or an evacuation only", func(c *commands.RetireWallet, r *http.Request) { c.Wallet = r.PathValue("wallet") }),
		custom[commands.AddAddress]("/address-book", "Put an address into the book: transfers may go there", nil, Custodian.AddAddress),
		post[commands.RemoveAddress]("/address-book/remove", "Take an address out of the book", nil),
		treasuryPolicyRoute(),
		nudging(post[commands.RequestTransfer]("/transfers", "Ask for money to be moved between wallets, or to an address of the book", nil)),
		nudging(post("/transfers/{transfer}/approve", "The second of two people agrees to exactly this transfer, by its hash", func(c *commands.ApproveTransfer, r *http.Request) { c.Transfer = r.PathValue("transfer") })),
		post("/transfers/{transfer}/reject", "End a transfer of which nothing was sent", func(c *commands.RejectTransfer, r *http.Request) { c.Transfer = r.PathValue("transfer") }),
		nudging(post("/transfers/{transfer}/raise", "Ask for a higher fee for a transfer whose fee is too low; another user approves it, by the new hash", func(c *commands.RaiseFee, r *http.Request) { c.Transfer = r.PathValue("transfer") })),
		nudging(post("/transfers/{transfer}/cancel", "Cancel a transfer that holds a nonce, by a transaction of the wallet to itself with that nonce", func(c *commands.CancelTransfer, r *http.Request) { c.Transfer = r.PathValue("transfer") })),
		custom("/transfers/{transfer}/prepare", "Prepare the unsigned transaction of a cold wallet again, with the fees of now and the same nonce", func(c *commands.PrepareAgain, r *http.Request) { c.Transfer = r.PathValue("transfer") }, Custodian.PrepareAgain),
		importSignedRoute(), signRoute(),
		nudging(post[commands.ProposeRebalance]("/rebalance", "Propose a move between the wallets, where one is due", nil)),
		custom[commands.Reconcile]("/reconcile", "Reconcile the ledger with the chain; a difference stops outgoing transfers", nil, Custodian.Reconcile),

		by(readers[1:], get("/wallets", "wallets", "The wallets, without anything of their keys", walletsView, paging...)),
		by(readers[1:], get("/address-book", "address_book", "The addresses that transfers may go to", bookView, paging...)),
		by(readers[1:], get("/treasury", "treasury", "Where the money lies, where it should, and what stands in the way", func(l *looker) (*treasuryAnswer, error) {
			return &treasuryAnswer{l.head(), projections.TreasuryOf(l.state, l.clock()), l.problems()}, nil
		})),
		by(readers[1:], get("/transfers", "transfers", "Transfers, oldest first: those that are open, and the last 1,000 that are over", func(l *looker) (*transfersAnswer, error) {
			return transfersView(l, func(*treasury.Transfer) bool { return true })
		}, paging...)),
		by(readers[1:], get("/emergency-stop/goes-on", "goes_on", "Transfers that clearing the emergency stop does not end: they go on after it, or may be on their way", func(l *looker) (*transfersAnswer, error) {
			v := &transfersAnswer{Head: l.head(), Transfers: projections.GoingOn(l.state)}
			return v, v.page(l.values, listOf("transfers", &v.Transfers, func(t *projections.Transfer) string { return t.Transfer }))
		}, paging...)),
		by(readers[1:], get("/approvals", "approvals", "What waits for a second person: transfers, overrides and the clearing of a stop, with what an approver signs", approvalsView, paging...)),
		by(readers[1:], get("/approvals/{kind}/{id}", "approval", "One of them, or how an open transfer was approved", approvalView)),
	}
}

func (l *looker) problems() []notice.Standing {
	if l.q.api.config.Problems == nil || l.values.Get("at") != "" {
		return []notice.Standing{}
	}
	return l.q.api.config.Problems(l.state.Portfolio)
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
	v := &transfersAnswer{Head: l.head(), Transfers: projections.TransfersAt(l.state, l.clock(), which)}
	return v, v.page(l.values, listOf("transfers", &v.Transfers, func(t *projections.Transfer) string { return t.Transfer }))
}

func approvalsView(l *looker) (*approvalsAnswer, error) {
	now := l.clock()
	v := &approvalsAnswer{
		Head:      l.head(),
		Transfers: projections.TransfersOf(l.state, func(t *treasury.Transfer) bool { return t.Pending(now) != nil }),
		Approvals: projections.ApprovalsOf(l.state, l.q.api.keys.Approvers().Ledger, now),
	}
	return v, v.page(l.values, listOf("transfers", &v.Transfers, func(t *projections.Transfer) string { return t.Transfer }),
		listOf("approvals", &v.Approvals, func(a *projections.Approval) string { return joined(a.Kind, a.ID) }))
}

func approvalView(l *looker) (*approvalAnswer, error) {
	kind, id := l.q.r.PathValue("kind"), l.q.r.PathValue("id")
	a, known := projections.ApprovalOf(l.state, l.q.api.keys.Approvers().Ledger, kind, id, l.clock())
	if !known {
		return nil, domain.Errorf(domain.CodeNotFound, "no such transfer, override or clear waits for a second person")
	}
	return &approvalAnswer{l.head(), a}, nil
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
	approvalsAnswer struct {
		Head
		Transfers []projections.Transfer `json:"transfers"`
		// Approvals are all that wait, the transfers among them.
		Approvals []projections.Approval `json:"approvals"`
		Pages
	}
	approvalAnswer struct {
		Head
		projections.Approval
	}
	treasuryAnswer struct {
		Head
		projections.Treasury
		// Problems are what needs a person now, as the log has it; none of a past moment.
		Problems []notice.Standing `json:"problems"`
	}
)

// custom is a route whose command goes through custody.
func custom[C commands.Command](path, summary string, inPath func(*C, *http.Request), send func(Custodian, context.Context, string, commands.Request) (commands.Answer, error)) route {
	var blank C
	return sending(blank, inPortfolio+path, summary, func(q *request) error {
		c, err := readCommand(q, inPath)
		if err != nil {
			return err
		}
		answer, err := sendTo(q, c, send)
		if err == nil {
			q.answer(&answer)
		}
		return err
	})
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

// settling sends a command whose content is compared with the chain, where there is a
// custodian that can: an override, or a market with tokens.
func settling(q *request, c commands.Command, send func(Custodian, context.Context, string, commands.Request) (commands.Answer, error)) error {
	if q.api.config.Custody == nil {
		return q.do(c)
	}
	answer, err := sendTo(q, c, send)
	if err == nil {
		q.answer(&answer)
	}
	return err
}

func marketRoute() route {
	return sending(commands.RegisterMarket{}, inPortfolio+"/markets", "Register a market: its kind, outcomes and category, and the tokens that its orders are of", func(q *request) error {
		c, err := readCommand[commands.RegisterMarket](q, nil)
		if err != nil {
			return err
		}
		if len(c.Tokens) == 0 && c.Condition == "" {
			return q.do(c)
		}
		return settling(q, c, Custodian.RegisterMarket)
	})
}

// confirmOverrideRoute is the route of the second of two people.
func confirmOverrideRoute() route {
	return sending(commands.ConfirmOverride{}, inPortfolio+"/overrides/{override}/confirm", "The second of two people agrees to an override", func(q *request) error {
		c, err := readCommand(q, func(c *commands.ConfirmOverride, r *http.Request) { c.Override = r.PathValue("override") })
		if err != nil {
			return err
		}
		return settling(q, c, Custodian.ConfirmOverride)
	})
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
	r := sending(commands.ChangeTreasuryPolicy{}, inPortfolio+"/treasury-policy", "Change rules of the treasury, with a reason", func(q *request) error {
		var b treasuryBody
		if err := q.readBody(&b); err != nil {
			return err
		}
		patch, err := json.Marshal(b.TreasuryPatch)
		if err != nil {
			return err
		}
		return q.do(commands.ChangeTreasuryPolicy{Policy: patch, Reason: b.Reason})
	})
	r.body = reflect.TypeFor[treasuryBody]()
	return r
}

// TreasuryPatch is domain.TreasuryPolicy with every field optional. It is exported for
// the document: what is embedded is seen there only then.
type TreasuryPatch struct {
	HotWalletPercentage  *domain.Decimal  `json:"hot_wallet_percentage,omitempty"`
	MinRebalanceUSD      *domain.Decimal  `json:"min_rebalance_usd,omitempty"`
	ApprovalThresholdUSD *domain.Decimal  `json:"approval_threshold_usd,omitempty"`
	ApprovalTTL          *domain.Duration `json:"approval_ttl,omitempty"`
	MaxTransferFee       *domain.Decimal  `json:"max_transfer_fee,omitempty"`
}

func importSignedRoute() route {
	r := sending(commands.SignTransfer{}, inPortfolio+"/transfers/{transfer}/signed", "Bring the transaction that a cold wallet has signed elsewhere", func(q *request) error {
		var b rawBody
		if err := q.readBody(&b); err != nil {
			return err
		}
		answer, err := sendTo(q, commands.SignTransfer{Transfer: q.r.PathValue("transfer"), Raw: b.Raw}, Custodian.ImportSigned)
		if err == nil {
			q.answer(&answer)
		}
		return err
	})
	r.name, r.body = "import_signed", reflect.TypeFor[rawBody]()
	return nudging(r)
}

func signRoute() route {
	r := sending(commands.SignOrder{}, inPortfolio+"/sign", "Sign this: an order under its permit, or an approved transfer. A refusal is an answer, with every reason", signIt)
	r.body, r.answer = reflect.TypeFor[signBody](), reflect.TypeFor[signAnswer]()
	return r
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
		return domain.Invalid("permit", "and typed_data, or transfer, are required")
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
		return domain.Errorf(domain.CodeInternal, "the answer has no signature")
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
			method: http.MethodPost, path: "/v1/keys/rotate", name: commands.SpecOf(commands.StartKeyRotation{}).Name, roles: admins, global: true, handle: rotateKeys,
			summary: "Seal every key under the current encryption key; begun before, it goes on. Done again it changes nothing",
			body:    reflect.TypeFor[rotateBody](), answer: reflect.TypeFor[custody.RotationReport](),
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
	var b rotateBody
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
