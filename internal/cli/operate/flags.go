package operate

import (
	"strings"

	"pets/domain"
)

// flagWords says what each flag of a fill means.
var flagWords = map[string]string{
	domain.FlagNoPermit:       "it names no permit (--permit-id)",
	domain.FlagPermitNotLive:  "its permit has ended, was used up or revoked, or is of another bot",
	domain.FlagPermitExceeded: "it is more than its permit allowed: in quantity or in price, or by the first edition of the rules in the fee, which is asked for with permit ask --fee",
	domain.FlagFeeExceeded:    "its permit reserved less for the fee, which is asked for with permit ask --fee",
	domain.FlagFeeUnpriced:    "its fee is in an asset without a mark, so it counts for nothing in the P&L of the trade",
	domain.FlagPriceOff:       "its notional ÷ quantity is no price of an outcome share, so it marked nothing",
	domain.FlagOutcomeUnknown: "the registered market has no such outcome",
	domain.FlagReportedTwice:  "another bot reported it, too, or the bot reported its trade by the result: one of the two may have to be taken back",
	domain.FlagHalted:         "it was filled while the bot was stopped, or a breaker tripped",
	domain.FlagOversold:       "it sold more than was held",
	domain.FlagMarketSettled:  "the outcome was settled before",
	domain.FlagVoided:         "it was voided before it arrived, so nothing was posted",
	domain.FlagLegLate:        "its arbitrage had timed out, so it counts as directional",
}

// explained are flags with what they mean.
func explained(flags []string) string {
	said := make([]string, len(flags))
	for i, flag := range flags {
		said[i] = flag
		if words := flagWords[flag]; words != "" {
			said[i] += ": " + words
		}
	}
	return strings.Join(said, "; ")
}
