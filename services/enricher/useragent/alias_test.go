package useragent

import "unsafe"

// aliased makes a string of a buffer without copying, as decoding an event does.
func aliased(buffer []byte) string { return unsafe.String(&buffer[0], len(buffer)) }
