package attributes

import (
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// The kinds of subjects as keys have them. They do not change.
const (
	keyNode     byte = 1
	keyPostcode byte = 2
	keyCommune  byte = 3
	keyIRIS     byte = 4
)

// AppendKey appends the key of a record: length and name of the workspace, kind of the subject, the node or length and code of the area, and
// the provider. Keys of one subject have a common beginning, [AppendSubject]. The subject must be valid.
func AppendKey(dst []byte, workspace string, s Subject, provider string) []byte {
	return append(AppendSubject(dst, workspace, s), provider...)
}

// AppendSubject appends what the keys of a subject begin with, and the keys of no other do.
func AppendSubject(dst []byte, workspace string, s Subject) []byte {
	dst = append(append(dst, byte(len(workspace))), workspace...)
	switch s.Kind {
	case Node:
		return append(append(dst, keyNode), s.Node[:]...)
	case Postcode:
		dst = append(dst, keyPostcode)
	case Commune:
		dst = append(dst, keyCommune)
	case IRIS:
		dst = append(dst, keyIRIS)
	default:
		dst = append(dst, 0) // No key has it: ParseKey refuses the record.
	}
	return append(append(dst, byte(len(s.Code))), s.Code...)
}

// KeyOf is the key of a set.
func KeyOf(s *Set) []byte { return AppendKey(nil, s.Workspace, SubjectOf(s), s.Provider) }

// ParseKey reads what AppendKey wrote.
func ParseKey(key []byte) (workspace string, s Subject, provider string, err error) {
	workspace, rest, ok := cutText(key)
	if !ok || workspace == "" || len(rest) == 0 {
		return "", Subject{}, "", fmt.Errorf("parse attributes key: %d bytes do not hold a workspace and a subject", len(key))
	}
	kind, rest := rest[0], rest[1:]
	switch kind {
	case keyNode:
		if len(rest) < len(s.Node) {
			return "", Subject{}, "", errors.New("parse attributes key: its node is cut off")
		}
		s = OfNode(uuid.UUID(rest[:len(s.Node)]))
		rest = rest[len(s.Node):]
	case keyPostcode, keyCommune, keyIRIS:
		s.Kind = map[byte]SubjectKind{keyPostcode: Postcode, keyCommune: Commune, keyIRIS: IRIS}[kind]
		if s.Code, rest, ok = cutText(rest); !ok {
			return "", Subject{}, "", errors.New("parse attributes key: its code is cut off")
		}
	default:
		return "", Subject{}, "", fmt.Errorf("parse attributes key: kind %d of a subject is not known here: update this service", kind)
	}
	if err := s.Validate(); err != nil {
		return "", Subject{}, "", fmt.Errorf("parse attributes key: %w", err)
	}
	if provider = string(rest); !nameForm.MatchString(provider) {
		return "", Subject{}, "", fmt.Errorf("parse attributes key: provider is %q", shown(provider))
	}
	return workspace, s, provider, nil
}

func cutText(b []byte) (text string, rest []byte, ok bool) {
	if len(b) == 0 || len(b) < 1+int(b[0]) {
		return "", nil, false
	}
	end := 1 + int(b[0])
	return string(b[1:end]), b[end:], true
}
