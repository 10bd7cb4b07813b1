//go:build linux || darwin

package clickhouse

import (
	"net/url"
	"strconv"
	"sync"
	"time"
)

// sessions keeps the connections of clients that named a session_id: their SET, USE and temporary tables last from
// request to request, until the session is idle for its timeout.
type sessions struct {
	mu   sync.Mutex
	open map[string]*session
}

type session struct {
	conn  *connection
	busy  bool
	timer *time.Timer
}

const (
	defaultSessionTimeout = time.Minute
	maxSessionTimeout     = time.Hour
	maxSessions           = 64
)

func newSessions() *sessions { return &sessions{open: map[string]*session{}} }

// take returns the session's connection and the function that gives it back.
func (s *sessions) take(id string, values url.Values, connect func() (*connection, error)) (*connection, func(), *queryError) {
	timeout := defaultSessionTimeout
	if text := values.Get("session_timeout"); text != "" {
		seconds, err := strconv.Atoi(text)
		if err != nil || seconds < 0 || time.Duration(seconds)*time.Second > maxSessionTimeout {
			return nil, nil, newError(codeInvalidSession, "INVALID_SESSION_TIMEOUT", "Invalid session timeout: '%s'", text)
		}
		timeout = time.Duration(seconds) * time.Second
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.open[id]
	switch {
	case found != nil && found.busy:
		return nil, nil, newError(codeSessionLocked, "SESSION_IS_LOCKED", "Session %s is locked by a concurrent client", id)
	case found == nil && isOn(values.Get("session_check")):
		return nil, nil, newError(codeSessionNotFound, "SESSION_NOT_FOUND", "Session %s not found", id)
	case found == nil && len(s.open) >= maxSessions:
		return nil, nil, newError(codeTooManyQueries, "TOO_MANY_SIMULTANEOUS_QUERIES", "Too many sessions. Maximum: %d", maxSessions)
	case found == nil:
		conn, err := connect()
		if err != nil {
			return nil, nil, newError(codeUnknownException, "UNKNOWN_EXCEPTION", "%s", err)
		}
		found = &session{conn: conn}
		s.open[id] = found
	case found.timer != nil:
		found.timer.Stop()
	}
	found.busy = true
	return found.conn, func() { s.giveBack(id, found, timeout) }, nil
}

func (s *sessions) giveBack(id string, used *session, timeout time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	used.busy = false
	used.timer = time.AfterFunc(timeout, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.open[id] == used && !used.busy {
			delete(s.open, id)
			used.conn.close()
		}
	})
}

// closeAll ends every session; no request is running any more.
func (s *sessions) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, open := range s.open {
		if open.timer != nil {
			open.timer.Stop()
		}
		delete(s.open, id)
		open.conn.close()
	}
}
