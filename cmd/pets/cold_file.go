package main

import (
	"encoding/json"

	"pets/domain"
)

// coldFileVersion is that of both files.
const coldFileVersion = 1

// coldUnsigned is what goes to the machine with the key of a cold wallet.
type coldUnsigned struct {
	Version   int    `json:"pets_cold"`
	Portfolio string `json:"portfolio"`
	Transfer  string `json:"transfer"`
	// Hash is what was approved: of the payment, with the transfer's id and kind.
	Hash        string          `json:"hash"`
	Payment     domain.Payment  `json:"payment"`
	Transaction json.RawMessage `json:"transaction"`
}

// coldSigned is what comes back from it.
type coldSigned struct {
	Version   int    `json:"pets_cold_signed"`
	Portfolio string `json:"portfolio"`
	Transfer  string `json:"transfer"`
	TxHash    string `json:"tx_hash"`
	Raw       string `json:"raw"`
}
