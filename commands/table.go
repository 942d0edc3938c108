package commands

import (
	"fmt"
	"reflect"
	"slices"

	"pets/domain"
)

// Spec is a row of the table: the properties of one type of command. What the command
// does is defined with its type.
type Spec struct {
	// Name is the literal in the metadata of its events, in request hashes and in
	// batches. It never changes.
	Name  string
	Blank Command
	Roles []domain.Role // who may send it
	Class Class
	// Batch: it may be part of a batch. Import: a row of an imported file may become one.
	Batch, Import bool
	// GoesOn: it lets trading go on. It must not undo a stop that was sent after it,
	// however long it took to arrive.
	GoesOn bool

	// waitsForStops: it could let a bot trade, or release a signature, so it is refused while a stop
	// is in force but not recorded yet.
	waitsForStops bool
	// anyClock: it opens no exposure and does not depend on the time, so it is accepted
	// while the wall clock is behind. Facts and stops always are, without this mark.
	anyClock bool
	// bot returns the bot that the command is about; it is nil if there is none, or if the
	// command is about all bots. own: a bot's key may send it only for its own bot.
	bot func(Command) string
	own bool
	// confirms returns the name of the other person's request that the command confirms.
	// Such a command is decided with the list of users whose keys work.
	confirms func(Command) string
	// approvers: it is decided with the list of the approvers' keys.
	approvers bool
}

// Roles that may send a command.
var (
	admins    = []domain.Role{domain.RoleAdmin}
	approvers = []domain.Role{domain.RoleApprover}
	operators = []domain.Role{domain.RoleOperator, domain.RoleAdmin}
	people    = []domain.Role{domain.RoleOperator, domain.RoleApprover, domain.RoleAdmin}
	traders   = []domain.Role{domain.RoleBot, domain.RoleOperator, domain.RoleAdmin}
)

// The table. A command's spec method returns its row. A command without a row does not
// compile, and an invalid row stops the program at its start (see [command]).

// Permits: permits.go.
var (
	askPermit     = command(Spec{Name: "ask_permit", Blank: AskPermit{}, Roles: traders, Batch: true, waitsForStops: true, own: true, bot: of(func(c AskPermit) string { return c.Bot })})
	placePermit   = command(Spec{Name: "place_permit", Blank: PlacePermit{}, Roles: traders, Class: ClassFact, Batch: true})
	releasePermit = command(Spec{Name: "release_permit", Blank: ReleasePermit{}, Roles: traders, Class: ClassFact, Batch: true})
	timeOutLegs   = command(Spec{Name: "time_out_legs", Blank: TimeOutLegs{}, Roles: admins, Class: ClassFact})
	signOrder     = command(Spec{Name: "sign_order", Blank: SignOrder{}, Roles: []domain.Role{domain.RoleBot, domain.RoleOperator}, waitsForStops: true})
)

// Fills: fills.go.
var (
	recordFill    = command(Spec{Name: "record_fill", Blank: RecordFill{}, Roles: traders, Class: ClassFact, Batch: true, Import: true, own: true, bot: of(func(c RecordFill) string { return c.Bot })})
	confirmFill   = command(Spec{Name: "confirm_fill", Blank: ConfirmFill{}, Roles: traders, Class: ClassFact, Batch: true, own: true, bot: of(func(c ConfirmFill) string { return c.Bot })})
	voidFill      = command(Spec{Name: "void_fill", Blank: VoidFill{}, Roles: traders, Class: ClassFact, Batch: true, own: true, bot: of(func(c VoidFill) string { return c.Bot })})
	recordFunding = command(Spec{Name: "record_funding", Blank: RecordFunding{}, Roles: traders, Class: ClassFact, Batch: true, Import: true, own: true, bot: of(func(c RecordFunding) string { return c.Bot })})
	recordTrade   = command(Spec{Name: "record_trade", Blank: RecordTrade{}, Roles: traders, Class: ClassFact, Batch: true, Import: true, own: true, bot: of(func(c RecordTrade) string { return c.Bot })})
)

// Markets: markets.go.
var (
	registerMarket    = command(Spec{Name: "register_market", Blank: RegisterMarket{}, Roles: operators, Batch: true, Import: true, anyClock: true})
	markPrices        = command(Spec{Name: "mark_prices", Blank: MarkPrices{}, Roles: []domain.Role{domain.RoleBot, domain.RoleFeed, domain.RoleOperator, domain.RoleAdmin}, Class: ClassFact, Batch: true})
	settleMarket      = command(Spec{Name: "settle_market", Blank: SettleMarket{}, Roles: []domain.Role{domain.RoleFeed, domain.RoleOperator, domain.RoleAdmin}, Class: ClassFact, Batch: true, Import: true})
	correctSettlement = command(Spec{Name: "correct_settlement", Blank: CorrectSettlement{}, Roles: operators, Class: ClassFact})
	changeSets        = command(Spec{Name: "change_sets", Blank: ChangeSets{}, Roles: traders, Class: ClassFact, Batch: true, Import: true, own: true, bot: of(func(c ChangeSets) string { return c.Bot })})
	redeemPosition    = command(Spec{Name: "redeem_position", Blank: RedeemPosition{}, Roles: operators, Class: ClassFact, Import: true})
)

// Stops, breakers and limits: breakers.go.
var (
	startBot        = command(Spec{Name: "start_bot", Blank: StartBot{}, Roles: operators, Batch: true, GoesOn: true, waitsForStops: true, bot: of(func(c StartBot) string { return c.Bot })})
	stopBot         = command(Spec{Name: "stop_bot", Blank: StopBot{}, Roles: operators, Class: ClassStop, Batch: true})
	resetBreaker    = command(Spec{Name: "reset_breaker", Blank: ResetBreaker{}, Roles: operators, GoesOn: true, bot: of(func(c ResetBreaker) string { return c.Bot })})
	engageStop      = command(Spec{Name: "engage_stop", Blank: EngageStop{}, Roles: people, Class: ClassStop})
	requestClear    = command(Spec{Name: "request_clear", Blank: RequestClear{}, Roles: []domain.Role{domain.RoleOperator, domain.RoleApprover}})
	confirmClear    = command(Spec{Name: "confirm_clear", Blank: ConfirmClear{}, Roles: approvers, GoesOn: true, confirms: of(func(c ConfirmClear) string { return c.Request }), approvers: true})
	requestOverride = command(Spec{Name: "request_override", Blank: RequestOverride{}, Roles: people, approvers: true})
	confirmOverride = command(Spec{Name: "confirm_override", Blank: ConfirmOverride{}, Roles: approvers, GoesOn: true, confirms: of(func(c ConfirmOverride) string { return c.Override }), approvers: true})
	changeLimits    = command(Spec{Name: "change_limits", Blank: ChangeLimits{}, Roles: admins})
)

// Money: money.go.
var (
	recordDeposit    = command(Spec{Name: "record_deposit", Blank: RecordDeposit{}, Roles: operators, Class: ClassFact, Batch: true, Import: true})
	recordWithdrawal = command(Spec{Name: "record_withdrawal", Blank: RecordWithdrawal{}, Roles: operators, Class: ClassFact, Batch: true, Import: true})
	recordFee        = command(Spec{Name: "record_fee", Blank: RecordFee{}, Roles: operators, Class: ClassFact, Batch: true, Import: true, own: true, bot: of(func(c RecordFee) string { return c.Bot })})
	postAdjustment   = command(Spec{Name: "post_adjustment", Blank: PostAdjustment{}, Roles: admins, Batch: true, anyClock: true})
	allocateCapital  = command(Spec{Name: "allocate_capital", Blank: AllocateCapital{}, Roles: operators, Batch: true, anyClock: true})
)

// Wallets, their keys, and the address book: wallets.go.
var (
	registerWallet = command(Spec{Name: "register_wallet", Blank: RegisterWallet{}, Roles: admins})
	claimWallet    = command(Spec{Name: "claim_wallet", Blank: ClaimWallet{}, Roles: admins})
	recordKey      = command(Spec{Name: "record_key", Blank: RecordKey{}, Roles: operators, anyClock: true})
	useKey         = command(Spec{Name: "use_key", Blank: UseKey{}, Roles: operators, anyClock: true})
	loadWallet     = command(Spec{Name: "load_wallet", Blank: LoadWallet{}, Roles: operators, anyClock: true})
	missKey        = command(Spec{Name: "miss_key", Blank: MissKey{}, Roles: admins, anyClock: true})
	retireWallet   = command(Spec{Name: "retire_wallet", Blank: RetireWallet{}, Roles: people, Class: ClassStop})
	testRecovery   = command(Spec{Name: "test_recovery", Blank: TestRecovery{}, Roles: operators, anyClock: true})
	addAddress     = command(Spec{Name: "add_address", Blank: AddAddress{}, Roles: admins})
	removeAddress  = command(Spec{Name: "remove_address", Blank: RemoveAddress{}, Roles: operators, anyClock: true})
)

// Transfers and the treasury: transfers.go.
var (
	requestTransfer      = command(Spec{Name: "request_transfer", Blank: RequestTransfer{}, Roles: operators})
	approveTransfer      = command(Spec{Name: "approve_transfer", Blank: ApproveTransfer{}, Roles: approvers, confirms: of(func(c ApproveTransfer) string { return c.Transfer }), approvers: true})
	rejectTransfer       = command(Spec{Name: "reject_transfer", Blank: RejectTransfer{}, Roles: people, Class: ClassStop})
	prepareTransfer      = command(Spec{Name: "prepare_transfer", Blank: PrepareTransfer{}, Roles: admins, approvers: true})
	signTransfer         = command(Spec{Name: "sign_transfer", Blank: SignTransfer{}, Roles: operators, waitsForStops: true, approvers: true})
	broadcastTransfer    = command(Spec{Name: "broadcast_transfer", Blank: BroadcastTransfer{}, Roles: admins, waitsForStops: true, approvers: true})
	repriceTransfer      = command(Spec{Name: "reprice_transfer", Blank: RepriceTransfer{}, Roles: admins, approvers: true})
	raiseFee             = command(Spec{Name: "raise_fee", Blank: RaiseFee{}, Roles: operators, approvers: true})
	cancelTransfer       = command(Spec{Name: "cancel_transfer", Blank: CancelTransfer{}, Roles: operators})
	prepareAgain         = command(Spec{Name: "prepare_again", Blank: PrepareAgain{}, Roles: operators, approvers: true})
	reopenTransfer       = command(Spec{Name: "reopen_transfer", Blank: ReopenTransfer{}, Roles: admins, Class: ClassFact})
	confirmTransfer      = command(Spec{Name: "confirm_transfer", Blank: ConfirmTransfer{}, Roles: admins, Class: ClassFact})
	failTransfer         = command(Spec{Name: "fail_transfer", Blank: FailTransfer{}, Roles: admins, Class: ClassFact})
	expireTransfers      = command(Spec{Name: "expire_transfers", Blank: ExpireTransfers{}, Roles: admins, Class: ClassFact})
	proposeRebalance     = command(Spec{Name: "propose_rebalance", Blank: ProposeRebalance{}, Roles: operators})
	changeTreasuryPolicy = command(Spec{Name: "change_treasury_policy", Blank: ChangeTreasuryPolicy{}, Roles: admins})
	reconcile            = command(Spec{Name: "reconcile", Blank: Reconcile{}, Roles: operators, Class: ClassFact})
)

// Portfolios and imports: portfolios.go, imports.go.
var (
	openPortfolio = command(Spec{Name: "open_portfolio", Blank: OpenPortfolio{}, Roles: operators, Import: true, approvers: true})
	registerBot   = command(Spec{Name: "register_bot", Blank: RegisterBot{}, Roles: operators})
	setRowAside   = command(Spec{Name: "set_row_aside", Blank: SetRowAside{}, Roles: operators, Import: true, anyClock: true})
)

// The system stream: keys.go, rollback.go.
var (
	bootstrapKey        = command(Spec{Name: "bootstrap_api_key", Blank: BootstrapKey{}, Roles: admins})
	issueKey            = command(Spec{Name: "issue_api_key", Blank: IssueKey{}, Roles: admins})
	rotateKey           = command(Spec{Name: "rotate_api_key", Blank: RotateKey{}, Roles: admins})
	revokeKey           = command(Spec{Name: "revoke_api_key", Blank: RevokeKey{}, Roles: admins, Class: ClassStop})
	registerApprover    = command(Spec{Name: "register_approver", Blank: RegisterApprover{}, Roles: admins})
	vouchApprover       = command(Spec{Name: "vouch_approver", Blank: VouchApprover{}, Roles: approvers})
	revokeApprover      = command(Spec{Name: "revoke_approver", Blank: RevokeApprover{}, Roles: []domain.Role{domain.RoleApprover, domain.RoleAdmin}, Class: ClassStop})
	recordDenials       = command(Spec{Name: "record_denials", Blank: RecordDenials{}, Roles: admins})
	startKeyRotation    = command(Spec{Name: "start_key_rotation", Blank: StartKeyRotation{}, Roles: admins})
	recordReencrypted   = command(Spec{Name: "record_reencrypted", Blank: RecordReencrypted{}, Roles: admins, Class: ClassFact})
	completeKeyRotation = command(Spec{Name: "complete_key_rotation", Blank: CompleteKeyRotation{}, Roles: admins})
	acceptRollback      = command(Spec{Name: "accept_rollback", Blank: AcceptRollback{}, Roles: []domain.Role{domain.RoleOperator}})
)

// specs maps names to rows.
var specs = map[string]*Spec{}

// command adds a row. It panics if the row is invalid, so that the program does not start.
func command(s Spec) *Spec {
	_, ofPortfolio := s.Blank.(PortfolioCommand)
	_, ofSystem := s.Blank.(SystemCommand)
	switch {
	case s.Name == "" || specs[s.Name] != nil:
		panic(fmt.Sprintf("commands: the name %q is empty, or used twice", s.Name))
	case ofPortfolio == ofSystem:
		panic("commands: " + s.Name + " is a command of no stream, or of two")
	case len(s.Roles) == 0:
		panic("commands: no role may send " + s.Name)
	case s.own && s.bot == nil:
		panic("commands: " + s.Name + " has no bot column")
	}
	specs[s.Name] = &s
	return &s
}

// of makes a function of one type of command a column of the table.
func of[C Command](f func(C) string) func(Command) string {
	return func(c Command) string {
		own, _ := as[C](c) // the table calls it for this type only
		return f(own)
	}
}

// as returns a command as its own type, whether it was sent as a value or as a pointer.
func as[C Command](c Command) (own C, is bool) {
	switch c := any(c).(type) {
	case C:
		return c, true
	case *C:
		if c != nil {
			return *c, true
		}
	}
	return own, false
}

// SpecOf returns the row of a command.
func SpecOf(c Command) Spec { return *c.spec() }

// SpecNamed returns the row with a name, or false if no command has that name.
func SpecNamed(name string) (Spec, bool) {
	if s := specs[name]; s != nil {
		return *s, true
	}
	return Spec{}, false
}

// Names returns the sorted names of the commands for which column is true.
func Names(column func(Spec) bool) []string {
	var names []string
	for name, s := range specs {
		if column(*s) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Type is the Go type of the command.
func (s Spec) Type() reflect.Type { return reflect.TypeOf(s.Blank) }

// Decode returns a new command of this type. read fills it in, through the pointer that it
// is passed.
func (s Spec) Decode(read func(into any) error) (Command, error) {
	into := reflect.New(s.Type())
	if err := read(into.Interface()); err != nil {
		return nil, err
	}
	c, ok := into.Elem().Interface().(Command)
	if !ok {
		return nil, domain.Errorf(domain.CodeInternal, "%s is not a command", s.Name)
	}
	return c, nil
}

// actor returns the bot that a command acts for, or "". A bot's key may name no other bot.
func actor(c Command) string {
	if r, is := as[ImportRow](c); is {
		c = r.PortfolioCommand
	}
	s := c.spec()
	if !s.own {
		return ""
	}
	return s.bot(c)
}

// about returns the bot that a command is about, or "" if it is about none or all.
func about(c Command) string {
	if s := c.spec(); s.bot != nil {
		return s.bot(c)
	}
	return ""
}

// Class says what a command is for. It decides which commands are still accepted under
// pressure: when the disk is nearly full, the clock is wrong, a key has used up its
// budget, or the queue is long.
type Class int

// The classes. The domain decides what a command may do; a class never overrides a
// refusal of the domain.
const (
	// ClassOther is everything else: permits, starts, signatures, transfers, limits, keys.
	// Under pressure these commands wait or are refused.
	ClassOther Class = iota
	// ClassFact records what has already happened outside: fills, settlements, marks,
	// flows, the fate of transfers and of permits. Refusing one loses money on paper only,
	// but then the books are wrong.
	ClassFact
	// ClassStop stops something: a bot, a portfolio, a key, a transfer. It is served before
	// every other class.
	ClassStop
)

// ClassOf returns the class of a command.
func ClassOf(c Command) Class { return c.spec().Class }

// Keeps returns how much of a reserve of disk space a class must leave free. Facts may use
// three quarters of the reserve; the last quarter is for stops alone.
func (c Class) Keeps(reserve int64) int64 {
	switch c {
	case ClassStop:
		return 0
	case ClassFact:
		return reserve / 4
	default:
		return reserve
	}
}

// authorise is the one place that decides whether a caller may send a command. A caller
// of role bot acts only for its own bot.
func authorise(r *Request) error {
	c := r.Caller
	if c.User == "" || c.Role == "" {
		return domain.Errorf(domain.CodeUnauthenticated, "the caller is not known")
	}
	s := r.Command.spec()
	roles := s.Roles
	if _, brings := as[ImportRow](r.Command); brings { // the row may also register a bot or a market
		roles = registerBot.Roles
	}
	if !slices.Contains(roles, c.Role) {
		return domain.Errorf(domain.CodeDenied, "role %s may not send %s", c.Role, s.Name)
	}
	if bot := actor(r.Command); c.Role == domain.RoleBot && (c.Bot == "" || bot != "" && bot != c.Bot) {
		return domain.Errorf(domain.CodeDenied, "a bot's key acts for its own bot only")
	}
	return nil
}

// Allowed refuses a command that the caller may not send. It is for previews.
func Allowed(caller domain.Caller, c Command) error {
	return authorise(&Request{Caller: caller, Command: c})
}
