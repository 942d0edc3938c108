package domain

import "time"

// WalletAsset says which asset of a chain an asset of the ledger is. It stands in
// the stream, so that the past does not change with a registry file.
type WalletAsset struct {
	// Asset is its name in the ledger, such as USDC; ID its CAIP-19 id, such as
	// eip155:137/erc20:0x….
	Asset    string `json:"asset"`
	ID       string `json:"id"`
	Decimals int    `json:"decimals"`
	// Native is the coin that fees are paid in.
	Native bool `json:"native,omitempty"`
}

// WalletRegistered makes a wallet the hot, or the cold, one of the portfolio. A
// wallet that had the place before is retired: its balance still counts.
type WalletRegistered struct {
	Wallet string `json:"wallet"`
	// Place is hot or cold.
	Place string `json:"place"`
	// Chain is a CAIP-2 id, such as eip155:137; Address is in EIP-55.
	Chain   string        `json:"chain"`
	Address string        `json:"address"`
	Assets  []WalletAsset `json:"assets"`
	// User is who said that it is ours.
	User string `json:"user,omitempty"`
}

// How a key came to be in the keystore.
const (
	KeyNew       = "created"   // drawn here; its words were shown once
	KeyRecovered = "recovered" // typed in
)

// WalletLoaded: the key is in the keystore, its address was derived and compared,
// and this is what the chain says it holds.
type WalletLoaded struct {
	Wallet   string          `json:"wallet"`
	Address  string          `json:"address"`
	Block    uint64          `json:"block"`
	Balances []WalletBalance `json:"balances"`
}

// WalletBalance is what a wallet holds of an asset, by the chain.
type WalletBalance struct {
	Asset  string  `json:"asset"`
	Amount Decimal `json:"amount"`
}

// WalletRecoveryTested: somebody typed the words, and they gave the address. The
// stored key was not touched.
type WalletRecoveryTested struct {
	Wallet  string `json:"wallet"`
	Address string `json:"address"`
}

// KeyCreated: a key was drawn and put into the keystore. No event holds a key.
type KeyCreated struct {
	Wallet  string `json:"wallet"`
	Address string `json:"address"`
	// Path is the BIP-44 path; KeyID names the encryption key it is sealed under.
	Path  string `json:"path,omitempty"`
	KeyID string `json:"key_id"`
}

// KeyImported: a key was derived from typed words and put into the keystore.
type KeyImported struct {
	Wallet  string `json:"wallet"`
	Address string `json:"address"`
	Path    string `json:"path,omitempty"`
	KeyID   string `json:"key_id"`
}

// KeyUsed: a key was opened for something else than a signature, such as to
// verify that it is what it should be.
type KeyUsed struct {
	Wallet  string `json:"wallet"`
	Address string `json:"address"`
	Purpose string `json:"purpose"`
}

// AddressAdded: transfers may go to the address from now on.
type AddressAdded struct {
	Chain   string `json:"chain"`
	Address string `json:"address"`
	Label   string `json:"label"`
	User    string `json:"user"`
}

// AddressRemoved: and not any more.
type AddressRemoved struct {
	Chain   string `json:"chain"`
	Address string `json:"address"`
	Reason  string `json:"reason"`
}

// Purposes of signatures.
const (
	PurposeOrder    = "order"    // EIP-712 typed data, under a permit
	PurposeTransfer = "transfer" // a transaction, under an approved transfer
)

// SignatureMade: the signature of the digest may leave the process. It is appended
// at the revision it was decided on, and only then released.
type SignatureMade struct {
	Purpose string `json:"purpose"`
	// Bot and Permit are set for orders, Transfer for transfers.
	Bot      string `json:"bot,omitempty"`
	Permit   string `json:"permit,omitempty"`
	Transfer string `json:"transfer,omitempty"`
	Wallet   string `json:"wallet"`
	Address  string `json:"address"`
	// Digest is what is signed, in hex; Shape the registry's name for the typed data.
	Digest string `json:"digest"`
	Shape  string `json:"shape,omitempty"`
	// ExpiresAt is the order's own expiry, nil for none; less Ahead it is what was signed.
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	Ahead     Duration   `json:"ahead,omitzero"`
}

// SignatureRefused: no, with every reason that was found.
type SignatureRefused struct {
	Purpose  string              `json:"purpose"`
	Bot      string              `json:"bot,omitempty"`
	Permit   string              `json:"permit,omitempty"`
	Transfer string              `json:"transfer,omitempty"`
	Digest   string              `json:"digest,omitempty"`
	Shape    string              `json:"shape,omitempty"`
	Reasons  []SignatureObstacle `json:"reasons"`
}

// SignatureObstacle is one reason not to sign.
type SignatureObstacle struct {
	Code    SignatureCode `json:"code"`
	Value   string        `json:"value,omitempty"`
	Limit   string        `json:"limit,omitempty"`
	Message string        `json:"message"`
}

// SignatureCode says why a signature was refused; the list is closed.
type SignatureCode string

// The codes.
const (
	SignEmergencyStop  SignatureCode = "emergency_stop"
	SignBreakerTripped SignatureCode = "breaker_tripped"
	SignBotStopped     SignatureCode = "bot_stopped"
	SignPermitUnknown  SignatureCode = "permit_unknown"  // never granted to this bot, used up, expired or revoked
	SignPermitUsed     SignatureCode = "permit_used"     // it signed another digest
	SignWalletUnknown  SignatureCode = "wallet_unknown"  // the portfolio has no hot wallet on that chain
	SignWrongSigner    SignatureCode = "wrong_signer"    // the order names another signer or maker
	SignWrongToken     SignatureCode = "wrong_token"     // the token is not that of the permitted outcome
	SignWrongAsset     SignatureCode = "wrong_asset"     // it is paid in something else than the base asset
	SignWrongSide      SignatureCode = "wrong_side"      // buy for sell
	SignQuantity       SignatureCode = "quantity"        // more than the permit has left
	SignPrice          SignatureCode = "price"           // worse than the limit
	SignFee            SignatureCode = "fee"             // above what the permit reserved
	SignExpiry         SignatureCode = "expiry"          // the order is over already
	SignMarketSettled  SignatureCode = "market_settled"  // nothing is traded there any more
	SignPaper          SignatureCode = "paper_portfolio" // nothing real is signed for a paper portfolio
)

// SignatureCodes are all of them.
func SignatureCodes() []SignatureCode {
	return []SignatureCode{
		SignEmergencyStop, SignBreakerTripped, SignBotStopped, SignPermitUnknown, SignPermitUsed, SignWalletUnknown,
		SignWrongSigner, SignWrongToken, SignWrongAsset, SignWrongSide, SignQuantity, SignPrice, SignFee, SignExpiry, SignMarketSettled, SignPaper,
	}
}

// TypedOrder is what an order in EIP-712 typed data says, read by whoever knows its
// shape: the registry's name, who signs, what for what.
type TypedOrder struct {
	Shape string `json:"shape"`
	// Digest is what gets signed, in lower-case hex.
	Digest string `json:"digest"`
	Chain  string `json:"chain"` // CAIP-2
	// Contract is the exchange; Signer and Maker who signs and who pays, EIP-55.
	Contract string `json:"contract"`
	Signer   string `json:"signer"`
	Maker    string `json:"maker"`
	// Token is the id of the outcome's token, decimal; Collateral the CAIP-19 id of
	// what is paid with.
	Token      string `json:"token"`
	Collateral string `json:"collateral"`
	Side       Side   `json:"side"`
	// Quantity is in shares, Notional in the collateral: what is given for them, or
	// asked for.
	Quantity Decimal `json:"quantity"`
	Notional Decimal `json:"notional"`
	// FeeBPS is the highest fee it agrees to, in 1/10,000 of the notional.
	FeeBPS Decimal `json:"fee_bps"`
	// ExpiresAt is nil for an order that rests until it is cancelled.
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

// Event types of this file.
const (
	WalletRegisteredType     = "wallet.registered.v1"
	WalletLoadedType         = "wallet.loaded.v1"
	WalletRecoveryTestedType = "wallet.recovery_tested.v1"
	KeyCreatedType           = "key.created.v1"
	KeyImportedType          = "key.imported.v1"
	KeyUsedType              = "key.used.v1"
	AddressAddedType         = "address_book.added.v1"
	AddressRemovedType       = "address_book.removed.v1"
	SignatureMadeType        = "signature.made.v1"
	SignatureRefusedType     = "signature.refused.v1"
)

// EventType implements Event.
func (e *WalletRegistered) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *WalletLoaded) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *WalletRecoveryTested) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *KeyCreated) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *KeyImported) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *KeyUsed) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *AddressAdded) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *AddressRemoved) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *SignatureMade) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *SignatureRefused) EventType() string { return typeOf(e) }
