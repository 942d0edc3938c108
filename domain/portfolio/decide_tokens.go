package portfolio

import (
	"encoding/json"
	"maps"

	"pets/domain"
)

// MarketTokens are the tokens that a market is to have. None at all frees those
// it has, for two markets whose tokens were exchanged.
type MarketTokens struct {
	Market string            `json:"market"`
	Tokens map[string]string `json:"tokens"`
}

// tokensOf reads the content of an override of kind market_tokens and checks it
// against the current state. It returns the market as it is to be registered.
func (d *Decision) tokensOf(portfolio string, raw json.RawMessage) (*domain.MarketRegistered, error) {
	var t MarketTokens
	if err := domain.DecodeObject(raw, &t); err != nil {
		return nil, &domain.Error{Code: domain.CodeInvalid, Field: "limits", Message: "must be {market, tokens} for an override of kind market_tokens"}
	}
	m := d.s.Markets[t.Market]
	switch {
	case portfolio != "":
		return nil, domain.Invalid("portfolio", "is not allowed with market_tokens, which concern this portfolio")
	case m == nil:
		return nil, &domain.Error{Code: domain.CodeNotFound, Field: "limits.market", Message: "is not registered in this portfolio"}
	case maps.Equal(m.Tokens, t.Tokens):
		return nil, domain.Errorf(domain.CodeConflict, "the market has these tokens already")
	}
	e := &domain.MarketRegistered{Market: t.Market, Kind: m.Kind, Outcomes: m.Outcomes, Category: m.Category, Tokens: t.Tokens, Exclusive: m.Exclusive}
	if err := checkTokens(e); err != nil {
		return nil, err
	}
	if err := d.tokensAreFree(t.Market, t.Tokens); err != nil {
		return nil, err
	}
	return e, nil
}
