package domain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Event is one fact or decision as it stands in a stream. The set of events is
// closed: [Decode] knows every one of them.
type Event interface {
	// EventType is the literal written to disk. It outlives every Go name.
	EventType() string
}

// Stamp says where and when an event was recorded. Decisions use only Time;
// what an event says about when it happened is data.
type Stamp struct {
	Revision uint64
	Time     time.Time
}

// Encode returns the JSON that is stored for an event.
func Encode(e Event) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		return nil, fmt.Errorf("encode %s: %w", e.EventType(), err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// UnknownTypeError stops a reader: a type or version this build does not know
// may carry money, so it is never skipped.
type UnknownTypeError struct{ Type string }

func (e *UnknownTypeError) Error() string {
	return fmt.Sprintf("event type %q is not known to this version of pets; it was written by a newer one", e.Type)
}

// Decode reads a stored event back. An unknown type is an [*UnknownTypeError];
// data that does not fit the type, unknown fields included, is an error too.
func Decode(eventType string, data []byte) (Event, error) {
	e := blank(eventType)
	if e == nil {
		return nil, &UnknownTypeError{eventType}
	}
	// json takes null for any type, and would make an event of it that says nothing.
	if !bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")) {
		return nil, fmt.Errorf("decode %s: data is not a JSON object", eventType)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(e); err != nil {
		return nil, fmt.Errorf("decode %s: %w", eventType, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("decode %s: data goes on after the JSON object", eventType)
	}
	return e, nil
}

// EventTypes returns the literals of all events, in the order of [blank].
func EventTypes() []string {
	return []string{
		PortfolioOpenedType, LimitsChangedType, CommandNotedType,
		MarketRegisteredType, BotRegisteredType, BotCapitalAllocatedType, BotStartedType, BotStoppedType,
		DepositRecordedType, WithdrawalRecordedType, FeeRecordedType, AdjustmentPostedType,
		PermitGrantedType, PermitDeniedType, PermitPlacedType, PermitReleasedType,
		ArbitragePermittedType, ArbitrageDeniedType, ArbitrageTimedOutType, ClockJumpedType,
		FillRecordedType, FillConfirmedType, FillVoidedType, MarketSettledType, PriceMarkedType,
		TradeClosedType, TradeRevisedType,
		DayOpenedType, BreakerWarnedType, BreakerTrippedType, BreakerResetType,
		EmergencyStopEngagedType, EmergencyStopClearRequestedType, EmergencyStopClearedType,
		OverrideRequestedType, OverrideRecordedType,
		WalletRegisteredType, WalletLoadedType, WalletRecoveryTestedType, KeyCreatedType, KeyImportedType, KeyUsedType,
		AddressAddedType, AddressRemovedType, SignatureMadeType, SignatureRefusedType,
		TransferRequestedType, TransferApprovedType, TransferRejectedType, TransferExpiredType, TransferPreparedType, TransferSignedType,
		TransferBroadcastType, TransferRepricedType, TransferConfirmedType, TransferFailedType,
		BalanceReconciledType, TreasuryPolicyChangedType,
		APIKeyIssuedType, APIKeyRevokedType, AccessDeniedType, RollbackAcceptedType,
		WalletClaimedType, KeyRotationStartedType, KeyReencryptedType, KeyRotationCompletedType,
	}
}

// blank returns an empty event of a type, nil for an unknown one. This is the
// only place where a stored name meets a Go type.
func blank(eventType string) Event {
	switch eventType {
	case PortfolioOpenedType:
		return new(PortfolioOpened)
	case LimitsChangedType:
		return new(LimitsChanged)
	case CommandNotedType:
		return new(CommandNoted)
	case MarketRegisteredType:
		return new(MarketRegistered)
	case BotRegisteredType:
		return new(BotRegistered)
	case BotCapitalAllocatedType:
		return new(BotCapitalAllocated)
	case BotStartedType:
		return new(BotStarted)
	case BotStoppedType:
		return new(BotStopped)
	case DepositRecordedType:
		return new(DepositRecorded)
	case WithdrawalRecordedType:
		return new(WithdrawalRecorded)
	case FeeRecordedType:
		return new(FeeRecorded)
	case AdjustmentPostedType:
		return new(AdjustmentPosted)
	case PermitGrantedType:
		return new(PermitGranted)
	case PermitDeniedType:
		return new(PermitDenied)
	case PermitPlacedType:
		return new(PermitPlaced)
	case PermitReleasedType:
		return new(PermitReleased)
	case FillRecordedType:
		return new(FillRecorded)
	case FillConfirmedType:
		return new(FillConfirmed)
	case FillVoidedType:
		return new(FillVoided)
	case MarketSettledType:
		return new(MarketSettled)
	case PriceMarkedType:
		return new(PriceMarked)
	case TradeClosedType:
		return new(TradeClosed)
	case TradeRevisedType:
		return new(TradeRevised)
	case DayOpenedType:
		return new(DayOpened)
	case BreakerWarnedType:
		return new(BreakerWarned)
	case BreakerTrippedType:
		return new(BreakerTripped)
	case BreakerResetType:
		return new(BreakerReset)
	case EmergencyStopEngagedType:
		return new(EmergencyStopEngaged)
	case EmergencyStopClearRequestedType:
		return new(EmergencyStopClearRequested)
	case EmergencyStopClearedType:
		return new(EmergencyStopCleared)
	case OverrideRequestedType:
		return new(OverrideRequested)
	case OverrideRecordedType:
		return new(OverrideRecorded)
	default:
		return blankMore(eventType)
	}
}

// blankMore goes on with the events of portfolios that came later.
func blankMore(eventType string) Event {
	switch eventType {
	case ArbitragePermittedType:
		return new(ArbitragePermitted)
	case ArbitrageDeniedType:
		return new(ArbitrageDenied)
	case ArbitrageTimedOutType:
		return new(ArbitrageTimedOut)
	case ClockJumpedType:
		return new(ClockJumped)
	default:
		return blankWallet(eventType)
	}
}

// blankWallet goes on with wallets, keys and signatures.
func blankWallet(eventType string) Event {
	switch eventType {
	case WalletRegisteredType:
		return new(WalletRegistered)
	case WalletLoadedType:
		return new(WalletLoaded)
	case WalletRecoveryTestedType:
		return new(WalletRecoveryTested)
	case KeyCreatedType:
		return new(KeyCreated)
	case KeyImportedType:
		return new(KeyImported)
	case KeyUsedType:
		return new(KeyUsed)
	case AddressAddedType:
		return new(AddressAdded)
	case AddressRemovedType:
		return new(AddressRemoved)
	case SignatureMadeType:
		return new(SignatureMade)
	case SignatureRefusedType:
		return new(SignatureRefused)
	case BalanceReconciledType:
		return new(BalanceReconciled)
	case TreasuryPolicyChangedType:
		return new(TreasuryPolicyChanged)
	default:
		return blankTransfer(eventType)
	}
}

// blankTransfer goes on with transfers.
func blankTransfer(eventType string) Event {
	switch eventType {
	case TransferRequestedType:
		return new(TransferRequested)
	case TransferApprovedType:
		return new(TransferApproved)
	case TransferRejectedType:
		return new(TransferRejected)
	case TransferExpiredType:
		return new(TransferExpired)
	case TransferPreparedType:
		return new(TransferPrepared)
	case TransferSignedType:
		return new(TransferSigned)
	case TransferBroadcastType:
		return new(TransferBroadcast)
	case TransferRepricedType:
		return new(TransferRepriced)
	case TransferConfirmedType:
		return new(TransferConfirmed)
	case TransferFailedType:
		return new(TransferFailed)
	default:
		return blankSystem(eventType)
	}
}

// blankSystem goes on with the events of the system stream.
func blankSystem(eventType string) Event {
	switch eventType {
	case APIKeyIssuedType:
		return new(APIKeyIssued)
	case APIKeyRevokedType:
		return new(APIKeyRevoked)
	case AccessDeniedType:
		return new(AccessDenied)
	case RollbackAcceptedType:
		return new(RollbackAccepted)
	case WalletClaimedType:
		return new(WalletClaimed)
	case KeyRotationStartedType:
		return new(KeyRotationStarted)
	case KeyReencryptedType:
		return new(KeyReencrypted)
	case KeyRotationCompletedType:
		return new(KeyRotationCompleted)
	default:
		return nil
	}
}
