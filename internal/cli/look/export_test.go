package look

// ParseLimits is looked at by the test that every place knows every breaker.
var ParseLimits = parseLimits

// Status is what pets status --json prints.
type Status = status
