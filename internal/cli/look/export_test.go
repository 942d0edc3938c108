package look

// ParseLimits is exported for the test that every place knows every breaker.
var ParseLimits = parseLimits

// Status is the answer of pets status --json.
type Status = status
