package calendar

// Zone is the IANA time zone of a French department or collectivity overseas.
func Zone(department string) string { return zoneOf(department) }
