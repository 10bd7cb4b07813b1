// Package jsonindex reads JSON by position: one pass checks a text and writes down where its values
// are, and nothing is decoded until someone asks for it.
//
// The pass accepts exactly what RFC 8259 calls JSON. Four further faults do not end it, because they
// belong to one event of a batch and the rest can go on: invalid UTF-8, a repeated key, too deep
// nesting, too many keys, and a number that does not fit 64 bits. They are listed with their place.
//
// Strings that are handed out alias the text or the index: they are valid until the next Parse.
package jsonindex
