package warehouse

// IsUnknownDatabase reports whether the server answers and has no database of ours yet.
func IsUnknownDatabase(err error) bool { return codeOf(err) == codeUnknownDatabase }
