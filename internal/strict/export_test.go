package strict

// General is Decode without the plain form.
func General(body []byte, into any, apart ...string) error { return decode(body, into, apart) }

// ReadPlain reads the plain form alone.
func ReadPlain(body []byte, into any, apart ...string) bool { return readPlain(body, into, apart) }
