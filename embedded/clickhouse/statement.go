package clickhouse

import (
	"strings"
)

// kind is how a statement is run.
type kind int

const (
	kindOther  kind = iota // run whole: DDL, SHOW, INSERT SELECT, ...
	kindRead               // a SELECT, whose blocks may be streamed
	kindInsert             // an INSERT whose data follows
)

// statement is what one must know of a query's text to run it over HTTP: the engine parses the rest.
type statement struct {
	kind    kind
	text    string // for an INSERT: up to its FORMAT or VALUES; otherwise all
	format  string // the FORMAT clause; "Values" for VALUES; "" without any (an INSERT then ends the text)
	data    int    // for an INSERT: where its data begins
	outAt   int    // for a SELECT: where INTO OUTFILE would stand, before FORMAT or at the end
	refused *queryError
}

// parseStatement reads the head of a query: quotes, comments and brackets are skipped, words outside of them are
// looked at.
func parseStatement(query string) statement {
	l := &lexer{s: query}
	first := l.next()
	switch {
	case first.is("INSERT"):
		return parseInsert(l)
	case first.is("SELECT"), first.is("WITH"), first.is("FROM"), first.text == "(":
		return parseRead(query, first, kindRead)
	}
	return parseRead(query, first, kindOther)
}

func parseRead(query string, first token, k kind) statement {
	st := statement{kind: k, text: query}
	l := &lexer{s: query, at: first.start}
	var before, last token
	for {
		t := l.next()
		if st.format == "" && t.text != "" && t.text != ";" {
			st.outAt = t.end
		}
		if t.text == "" {
			return st
		}
		if t.text == ";" && l.depth == 0 {
			if l.next().text != "" {
				st.refused = newError(codeSyntaxError, "SYNTAX_ERROR", "Syntax error (Multi-statements are not allowed): failed at position %d", t.start+1)
			}
			return st
		}
		switch {
		case l.depth > 0 || !t.word:
		case last.is("INTO") && t.is("OUTFILE"):
			st.refused = newError(358, "INTO_OUTFILE_NOT_ALLOWED", "INTO OUTFILE is not allowed over HTTP: send the answer to a file on the client's side")
		case last.is("FROM") && t.is("INFILE"):
			st.refused = newError(codeNotImplemented, "NOT_IMPLEMENTED", "FROM INFILE is not supported over HTTP: send the file as the request's body")
		case last.is("FORMAT") && before.text != "." && formatName(t, *l):
			st.format, st.outAt = t.text, last.start
		case t.is("TOTALS"), t.is("PARALLEL"):
			// Totals are written after the rows, which only a whole result gets right.
			st.kind = kindOther
		}
		before, last = last, t
	}
}

// tail is what follows the FORMAT clause, its SETTINGS or nothing.
func (st statement) tail() string {
	l := &lexer{s: st.text, at: st.outAt}
	for t := l.next(); t.text != ""; t = l.next() {
		if t.is("SETTINGS") {
			end := &lexer{s: st.text, at: t.start}
			last := t.start
			for t := end.next(); t.text != "" && t.text != ";"; t = end.next() {
				last = t.end
			}
			return st.text[t.start:last]
		}
	}
	return ""
}

// looks says that the statement can only look at things, by its first word.
func (st statement) looks() bool {
	first := (&lexer{s: st.text}).next()
	for _, word := range []string{"SELECT", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS"} {
		if first.is(word) {
			return true
		}
	}
	return false
}

// formatName tells FORMAT JSON from a column that is called format: a format's name ends the query, but for its
// SETTINGS.
func formatName(t token, rest lexer) bool {
	next := rest.next()
	return (next.text == "" || next.text == ";" || next.is("SETTINGS")) && !t.is("ASC") && !t.is("DESC") && !t.is("END")
}

// parseInsert finds the end of INSERT INTO name (columns) SETTINGS ... and the beginning of its data.
func parseInsert(l *lexer) statement {
	st := statement{kind: kindInsert, text: l.s, data: len(l.s)}
	var last token
	named := false
	for {
		t := l.next()
		switch {
		case t.text == "":
			return st
		case !named:
			// The table's own name may be any word, even FORMAT.
			if t.is("INTO") || t.is("TABLE") || t.is("FUNCTION") {
				continue
			}
			named = true
		case last.text == ".":
		case t.text == "(" && l.depth == 1:
			if inner := (&lexer{s: l.s, at: l.at}).next(); inner.is("SELECT") || inner.is("WITH") {
				return parseRead(l.s, token{}, kindOther)
			}
		case l.depth > 0:
		case t.is("SELECT"), t.is("WITH"), t.is("WATCH"), t.is("FROM") && !last.is("SETTINGS"):
			return insertSelect(l.s)
		case t.is("VALUES"):
			st.format, st.text, st.data = "Values", l.s[:t.start], l.at
			return st
		case t.is("FORMAT"):
			name := l.next()
			st.format, st.text, st.data = name.text, l.s[:t.start], dataStart(l.s, name.end)
			return st
		}
		last = t
	}
}

// insertSelect is run whole. Over HTTP a real server lets its SELECT read the body through input(): not here.
func insertSelect(query string) statement {
	st := parseRead(query, token{}, kindOther)
	l := &lexer{s: query}
	for last := l.next(); last.text != "" && st.refused == nil; {
		t := l.next()
		if last.is("input") && t.text == "(" {
			st.refused = newError(codeNotImplemented, "NOT_IMPLEMENTED",
				"The input() function is not supported by the embedded engine: INSERT the data into a table first, then SELECT from it")
		}
		last = t
	}
	return st
}

// dataStart skips what ClickHouse's parser skips between the format's name and the data: blanks, then one newline.
func dataStart(s string, at int) int {
	for at < len(s) && (s[at] == ' ' || s[at] == '\t' || s[at] == '\f') {
		at++
	}
	if at < len(s) && s[at] == '\r' {
		at++
	}
	if at < len(s) && s[at] == '\n' {
		at++
	}
	return at
}

type token struct {
	text       string
	start, end int
	word       bool
}

func (t token) is(keyword string) bool { return t.word && strings.EqualFold(t.text, keyword) }

// lexer cuts SQL into words, quoted pieces and single signs, without comments and blanks.
type lexer struct {
	s     string
	at    int
	depth int // of brackets, after the token that next returned
}

func (l *lexer) next() token {
	l.skip()
	if l.at >= len(l.s) {
		return token{start: len(l.s), end: len(l.s)}
	}
	start := l.at
	switch c := l.s[l.at]; {
	case c == '\'' || c == '"' || c == '`':
		l.quoted(c)
	case wordByte(c):
		for l.at < len(l.s) && wordByte(l.s[l.at]) {
			l.at++
		}
		return token{text: l.s[start:l.at], start: start, end: l.at, word: true}
	case c == '$':
		l.heredoc()
	default:
		l.at++
		switch c {
		case '(', '[', '{':
			l.depth++
		case ')', ']', '}':
			l.depth--
		}
	}
	return token{text: l.s[start:l.at], start: start, end: l.at}
}

func wordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// skip passes blanks and comments.
func (l *lexer) skip() {
	for l.at < len(l.s) {
		rest := l.s[l.at:]
		switch c := rest[0]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v':
			l.at++
		case strings.HasPrefix(rest, "--"), strings.HasPrefix(rest, "# "), strings.HasPrefix(rest, "#!"):
			l.to(rest, "\n")
		case strings.HasPrefix(rest, "/*"):
			l.to(rest, "*/")
		default:
			return
		}
	}
}

func (l *lexer) to(rest, end string) {
	if i := strings.Index(rest, end); i >= 0 {
		l.at += i + len(end)
		return
	}
	l.at = len(l.s)
}

// quoted passes a literal or a quoted name: a backslash escapes, and so does the quote doubled.
func (l *lexer) quoted(quote byte) {
	for l.at++; l.at < len(l.s); l.at++ {
		switch l.s[l.at] {
		case '\\':
			l.at++
		case quote:
			if l.at+1 >= len(l.s) || l.s[l.at+1] != quote {
				l.at++
				return
			}
			l.at++
		}
	}
	l.at = len(l.s)
}

// heredoc passes $tag$ ... $tag$, or the lone sign.
func (l *lexer) heredoc() {
	rest := l.s[l.at:]
	end := 1
	for end < len(rest) && wordByte(rest[end]) {
		end++
	}
	if end >= len(rest) || rest[end] != '$' {
		l.at++
		return
	}
	tag := rest[:end+1]
	l.at += len(tag)
	l.to(l.s[l.at:], tag)
}
