package petstest

// StateJSON holds the fields of pets state --json that tests read.
type StateJSON struct {
	Revision        int
	Time            string
	Equity          string
	RealisedEquity  string `json:"realised_equity"`
	Peak            string
	LifetimePeak    string `json:"lifetime_peak"`
	Drawdown        string
	Day             struct{ Date, Open, Loss string }
	EmergencyStop   struct{ Engaged bool } `json:"emergency_stop"`
	BaseAsset, Mode string
	Bots            []struct {
		Bot, Status, Cash, Equity, Peak, Drawdown, Fees string
		ConsecutiveLosses                               int `json:"consecutive_losses"`
		Trades, Wins, Losses, Neutral                   int
		RealisedPnL                                     string `json:"realised_pnl"`
	}
	Breakers []struct {
		Breaker, Status string
		Bot             *string
		Value, Limit    any
		Revision        *int
	}
	Positions []struct {
		Bot, Market, Outcome, Quantity, Cost, Mark string
		UnrealisedPnL                              string `json:"unrealised_pnl"`
		Oversold                                   bool
	}
}

// Tape is an import of a long history, done once and shared by the tests that need it.
var Tape once
