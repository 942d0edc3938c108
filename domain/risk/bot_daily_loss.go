package risk

import "pets/domain"

// BotDailyLoss is the loss of one bot since the start of the day.
const BotDailyLoss = "bot_daily_loss"

// The day-open of a bot is kept from its first capital on, but follows the days
// only while the breaker is on. Switching the breaker on therefore opens a day.
var botDailyLoss = Rule{
	Name: BotDailyLoss, Scope: OfBot, Key: "max_bot_daily_loss_pct", OnClosed: true,
	Limit: func(p *domain.Policy) domain.Decimal { return p.MaxBotDailyLossPct },
	Value: dayLoss, From: dayOpen, Rebase: openDay, Day: openDay, On: openDay,
}
