package domain

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// registry has a row for every type of event that this build reads. The row gives
// its Go type and what a bot's key sees of it. Everything that reads or shows
// events uses these rows: [Decode], [EventTypes], [Viewer.Sees],
// [RawEvent.Current].
//
// A change of meaning needs a new version. Its struct takes over the row, under
// the new literal. The old literal gets a row that converts an old event into a
// new one:
//
//	formerly("fill.recorded.v1", func(old *fillRecordedV1) *FillRecorded { … }),
//
// Nothing else has to know the old version. After any change here, or of a struct, run
// go generate ./domain: events are written and read by generated code.
//
//go:generate go run pets/internal/codecgen
var registry = []row{
	partly(PortfolioOpenedType, ownOpening),
	public[LimitsChanged](LimitsChangedType),
	seenIf(CommandNotedType, func(_ *CommandNoted, v Viewer) bool { return v.Asked }),
	partly(MarketRegisteredType, ownRegistration),
	ofBot(BotRegisteredType, func(e *BotRegistered) string { return e.Bot }),
	ofBot(BotCapitalAllocatedType, func(e *BotCapitalAllocated) string { return e.Bot }),
	ofBot(BotStartedType, func(e *BotStarted) string { return e.Bot }),
	ofBot(BotStoppedType, func(e *BotStopped) string { return e.Bot }),

	hidden[DepositRecorded](DepositRecordedType),
	hidden[WithdrawalRecorded](WithdrawalRecordedType),
	ofBot(FeeRecordedType, func(e *FeeRecorded) string { return e.Bot }),
	hidden[AdjustmentPosted](AdjustmentPostedType),

	ofBot(PermitGrantedType, func(e *PermitGranted) string { return e.Bot }),
	ofBot(PermitDeniedType, func(e *PermitDenied) string { return e.Bot }),
	ofPermit(PermitPlacedType, func(e *PermitPlaced) string { return e.Permit }),
	ofPermit(PermitReleasedType, func(e *PermitReleased) string { return e.Permit }),
	ofBot(ArbitragePermittedType, func(e *ArbitragePermitted) string { return e.Bot }),
	ofBot(ArbitrageDeniedType, func(e *ArbitrageDenied) string { return e.Bot }),
	ofBot(ArbitrageTimedOutType, func(e *ArbitrageTimedOut) string { return e.Bot }),
	partly(ClockJumpedType, ownJump),

	ofBot(FillRecordedType, func(e *FillRecorded) string { return e.Bot }),
	ofBot(FillConfirmedType, func(e *FillConfirmed) string { return e.Bot }),
	ofBot(FillVoidedType, func(e *FillVoided) string { return e.Bot }),
	partly(MarketSettledType, ownSettlement),
	partly(MarketPaidOutType, ownPayouts),
	partly(MarketCorrectedType, ownCorrection),
	hidden[MarketArchived](MarketArchivedType),
	hidden[MarketRestored](MarketRestoredType),
	ofBot(SetsChangedType, func(e *SetsChanged) string { return e.Bot }),
	ofBot(FundingRecordedType, func(e *FundingRecorded) string { return e.Bot }),
	ofBot(FillReinstatedType, func(e *FillReinstated) string { return e.Bot }),
	partly(PriceMarkedType, ownMarks),
	public[MarkConfirmed](MarkConfirmedType),
	ofBot(TradeClosedType, func(e *TradeClosed) string { return e.Bot }),
	ofBot(TradeRevisedType, func(e *TradeRevised) string { return e.Bot }),
	partly(TradesClosedType, func(e *TradesClosed, v Viewer) *TradesClosed {
		if own := ofViewer(e.Rows, func(t *TradeClosed) bool { return t.Bot == v.Bot }); own != nil {
			return &TradesClosed{Rows: own}
		}
		return nil
	}),
	partly(TradesRevisedType, func(e *TradesRevised, v Viewer) *TradesRevised {
		if own := ofViewer(e.Rows, func(t *TradeRevised) bool { return t.Bot == v.Bot }); own != nil {
			return &TradesRevised{Rows: own}
		}
		return nil
	}),

	hidden[DayOpened](DayOpenedType),
	seenIf(BreakerWarnedType, func(e *BreakerWarned, v Viewer) bool { return !v.elsewhere(e.Bot) }),
	partly(BreakerTrippedType, ownTrip),
	partly(BreakersTrippedType, ownTrips),
	partly(BreakersWarnedType, func(e *BreakersWarned, v Viewer) *BreakersWarned {
		if own := ofViewer(e.Rows, func(w *BreakerWarned) bool { return !v.elsewhere(w.Bot) }); own != nil {
			return &BreakersWarned{Rows: own}
		}
		return nil
	}),
	partly(BreakerResetType, ownReset),
	partly(EmergencyStopEngagedType, ownStop),
	hidden[EmergencyStopClearRequested](EmergencyStopClearRequestedType),
	partly(EmergencyStopClearedType, ownClearing),
	hidden[OverrideRequested](OverrideRequestedType),
	hidden[OverrideRecorded](OverrideRecordedType),

	hidden[WalletRegistered](WalletRegisteredType),
	hidden[WalletLoaded](WalletLoadedType),
	hidden[WalletRecoveryTested](WalletRecoveryTestedType),
	hidden[WalletRetired](WalletRetiredType),
	hidden[WalletKeyMissing](WalletKeyMissingType),
	hidden[KeyCreated](KeyCreatedType),
	hidden[KeyImported](KeyImportedType),
	hidden[KeyUsed](KeyUsedType),
	hidden[AddressAdded](AddressAddedType),
	hidden[AddressRemoved](AddressRemovedType),
	// Shown with the wallet and its address, because the bot's order names them.
	ofBot(SignatureMadeType, func(e *SignatureMade) string { return e.Bot }),
	ofBot(SignatureRefusedType, func(e *SignatureRefused) string { return e.Bot }),

	hidden[TransferRequested](TransferRequestedType),
	hidden[TransferApproved](TransferApprovedType),
	hidden[TransferRejected](TransferRejectedType),
	hidden[TransferExpired](TransferExpiredType),
	hidden[TransferPrepared](TransferPreparedType),
	hidden[TransferSigned](TransferSignedType),
	hidden[TransferBroadcast](TransferBroadcastType),
	hidden[TransferRepriced](TransferRepricedType),
	hidden[TransferConfirmed](TransferConfirmedType),
	hidden[TransferFailed](TransferFailedType),
	hidden[TransferReopened](TransferReopenedType),
	hidden[TransferRaiseRequested](TransferRaiseRequestedType),
	hidden[TransferCancelRequested](TransferCancelRequestedType),
	hidden[BalanceReconciled](BalanceReconciledType),
	hidden[TreasuryPolicyChanged](TreasuryPolicyChangedType),

	// The system stream.
	hidden[APIKeyIssued](APIKeyIssuedType),
	hidden[APIKeyRevoked](APIKeyRevokedType),
	hidden[ApproverRegistered](ApproverRegisteredType),
	hidden[ApproverVouched](ApproverVouchedType),
	hidden[ApproverRevoked](ApproverRevokedType),
	hidden[AccessDenied](AccessDeniedType),
	hidden[RollbackAccepted](RollbackAcceptedType),
	hidden[WalletClaimed](WalletClaimedType),
	hidden[KeyRotationStarted](KeyRotationStartedType),
	hidden[KeyReencrypted](KeyReencryptedType),
	hidden[KeyRotationCompleted](KeyRotationCompletedType),
}

// row describes one stored type.
type row struct {
	literal string
	goType  reflect.Type
	// blank returns an empty event to decode into.
	blank func() any
	// bots returns what a bot sees of an event, or nil for nothing. Only current
	// versions have it.
	bots func(Event, Viewer) Event
	// up turns an event of an old version into one of type next. It is nil for
	// the version that this build writes.
	up   func(any) any
	next reflect.Type
}

// eventOf is a pointer to an event's struct.
type eventOf[T any] interface {
	*T
	Event
}

// hidden is the row of an event that no bot sees.
func hidden[T any, P eventOf[T]](literal string) row {
	return partly(literal, func(P, Viewer) P { return nil })
}

// public is the row of an event that every bot sees.
func public[T any, P eventOf[T]](literal string) row {
	return partly(literal, func(e P, _ Viewer) P { return e })
}

// ofBot is the row of an event about one bot, which only that bot sees.
func ofBot[T any, P eventOf[T]](literal string, bot func(P) string) row {
	return seenIf(literal, func(e P, v Viewer) bool { return bot(e) != "" && bot(e) == v.Bot })
}

// ofPermit is the row of an event about a permit, which only the permit's bot
// sees.
func ofPermit[T any, P eventOf[T]](literal string, permit func(P) string) row {
	return seenIf(literal, func(e P, v Viewer) bool { return v.Holds(permit(e)) })
}

// seenIf is the row of an event that a bot sees either whole or not at all.
func seenIf[T any, P eventOf[T]](literal string, sees func(P, Viewer) bool) row {
	return partly(literal, func(e P, v Viewer) P {
		if !sees(e, v) {
			return nil
		}
		return e
	})
}

// partly is the row of an event of which a bot sees what shown returns, or
// nothing if that is nil.
func partly[T any, P eventOf[T]](literal string, shown func(P, Viewer) P) row {
	return row{
		literal: literal, goType: reflect.TypeFor[P](), blank: func() any { return new(T) },
		bots: func(e Event, v Viewer) Event {
			if p, is := e.(P); is {
				if own := shown(p, v); own != nil {
					return own
				}
			}
			return nil
		},
	}
}

// formerly is the row of an old version. Events stored under the literal are
// decoded as the old struct and converted by up into the next version. up cannot
// fail.
func formerly[T any, Old interface{ *T }, Next any](literal string, up func(Old) Next) row {
	return row{
		literal: literal, goType: reflect.TypeFor[Old](), next: reflect.TypeFor[Next](), blank: func() any { return new(T) },
		up: func(old any) any { return up(old.(Old)) }, //nolint:errcheck // blank made it
	}
}

// table holds the rows, indexed by literal and by Go type.
type table struct {
	rows      []row
	byLiteral map[string]row
	byType    map[reflect.Type]row
}

// events is the table of this build. The program does not start if the registry
// contradicts itself.
var events = mustTable(registry)

func mustTable(rows []row) table {
	t, err := newTable(rows)
	if err != nil {
		panic("event registry: " + err.Error())
	}
	return t
}

// newTable checks that each literal and each Go type occurs once, and that
// exactly one version of an event is written: the highest, which all others are
// converted to.
func newTable(rows []row) (table, error) {
	t := table{rows, map[string]row{}, map[reflect.Type]row{}}
	written := map[string]row{}
	for _, r := range rows {
		name, version := split(r.literal)
		if version == 0 {
			return t, fmt.Errorf("%q is not of the form name.v1", r.literal)
		}
		if _, twice := t.byLiteral[r.literal]; twice {
			return t, fmt.Errorf("%s has two rows", r.literal)
		}
		if other, twice := t.byType[r.goType]; twice {
			return t, fmt.Errorf("type %s has two rows: %s and %s", r.goType, other.literal, r.literal)
		}
		t.byLiteral[r.literal], t.byType[r.goType] = r, r
		if r.up != nil {
			continue
		}
		if other, twice := written[name]; twice {
			return t, fmt.Errorf("both %s and %s would be written: the older one needs an upcaster", other.literal, r.literal)
		}
		written[name] = r
	}
	for _, r := range rows {
		if r.up == nil {
			continue
		}
		next, known := t.byType[r.next]
		name, version := split(r.literal)
		if nextName, nextVersion := split(next.literal); !known || nextName != name || nextVersion <= version {
			return t, fmt.Errorf("%s is converted to %s, which is not a later version of it", r.literal, r.next)
		}
	}
	return t, nil
}

// split returns the name and the version of a literal such as fill.recorded.v1.
// The version is 0 if there is none.
func split(literal string) (name string, version int) {
	at := strings.LastIndex(literal, ".v")
	if at < 1 {
		return literal, 0
	}
	n, err := strconv.Atoi(literal[at+len(".v"):])
	if err != nil || n < 1 {
		return literal, 0
	}
	return literal[:at], n
}

// EventTypes returns the literals of all events, old versions included.
func EventTypes() []string {
	types := make([]string, len(events.rows))
	for i, r := range events.rows {
		types[i] = r.literal
	}
	return types
}

// EventName is the literal without its version, as people read it: fill.recorded.
func EventName(eventType string) string {
	name, _ := split(eventType)
	return name
}

// CurrentType returns the type that [Decode] converts a stored type to. It
// returns an unknown type unchanged.
func CurrentType(stored string) string {
	r, known := events.byLiteral[stored]
	if !known {
		return stored
	}
	for r.up != nil {
		r = events.byType[r.next]
	}
	return r.literal
}

// typeOf returns the literal that an event is stored under, or "" if it has no
// row. [Encode] refuses such an event.
func typeOf(e Event) string {
	if r, known := events.byType[reflect.TypeOf(e)]; known {
		return r.literal
	}
	return fmt.Sprintf("%T", e)
}
