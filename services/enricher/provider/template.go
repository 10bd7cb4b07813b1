package provider

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// What can be asked for.
const (
	Email       = "email"
	Phone       = "phone"
	LoyaltyCard = "loyalty_card"
	UserID      = "user_id"
	Postcode    = "postcode"
	Commune     = "commune"
)

// Subjects are what can be asked for.
func Subjects() []string { return []string{Email, Phone, LoyaltyCard, UserID, Postcode, Commune} }

// OfPerson tells the subjects that are a person's identifiers from areas.
func OfPerson(subject string) bool { return subject != Postcode && subject != Commune }

const (
	typeJSON = "application/json"
	typeForm = "application/x-www-form-urlencoded"
)

// form is how the subject is written where a placeholder stands.
type form uint8

const (
	formClear form = iota
	formSHA256
	formMD5
)

func (f form) of(value string) string {
	switch f {
	case formSHA256:
		sum := sha256.Sum256([]byte(value))
		return hex.EncodeToString(sum[:])
	case formMD5:
		sum := md5.Sum([]byte(value)) // what the provider keys its data by, not a protection
		return hex.EncodeToString(sum[:])
	}
	return value
}

// template is a text with places for the subject. Between two literals stands one place.
type template struct {
	literals []string
	places   []place
}

type place struct {
	form   form
	escape func(string) string
}

// parseTemplate reads ${name} places; $${ is a literal ${. The escape of each place is the caller's to set.
func parseTemplate(text string, c Config) (template, error) {
	var t template
	literal := ""
	for {
		at := strings.Index(text, "${")
		if at < 0 {
			t.literals = append(t.literals, literal+text)
			return t, nil
		}
		if at > 0 && text[at-1] == '$' {
			literal += text[:at-1] + "${"
			text = text[at+2:]
			continue
		}
		name, rest, closed := strings.Cut(text[at+2:], "}")
		if !closed {
			return t, fmt.Errorf("the place that begins with %q is not closed: write ${name}, or $${ for a literal ${", text[at:])
		}
		p, err := placeOf(name, c)
		if err != nil {
			return t, err
		}
		t.literals = append(t.literals, literal+text[:at])
		t.places = append(t.places, p)
		literal, text = "", rest
	}
}

func placeOf(name string, c Config) (place, error) {
	switch {
	case name == c.Subject && OfPerson(c.Subject) && !c.Clear:
		return place{}, fmt.Errorf("${%s} would send clear personal data: write ${%s_sha256} or ${%s_md5}, or say clear: true if the contract allows it", name, name, name)
	case name == c.Subject:
		return place{form: formClear}, nil
	case name == c.Subject+"_sha256" && OfPerson(c.Subject):
		return place{form: formSHA256}, nil
	case name == c.Subject+"_md5" && OfPerson(c.Subject):
		return place{form: formMD5}, nil
	}
	known := "${" + c.Subject + "}"
	if OfPerson(c.Subject) {
		known = fmt.Sprintf("${%s_sha256}, ${%s_md5}, or with clear: true %s", c.Subject, c.Subject, known)
	}
	return place{}, fmt.Errorf("${%s} is nothing that is known of the subject %s: write %s", name, c.Subject, known)
}

// fill writes the text for a subject.
func (t template) fill(value string) string {
	if len(t.places) == 0 {
		return t.literals[0]
	}
	var b strings.Builder
	for i, p := range t.places {
		b.WriteString(t.literals[i])
		b.WriteString(p.escape(p.form.of(value)))
	}
	b.WriteString(t.literals[len(t.places)])
	return b.String()
}

// request is how a subject becomes an HTTP request.
type request struct {
	method      string
	url, body   template
	contentType string
	header      http.Header
	host        string
}

// compileRequest checks the templates and sets how their places are escaped.
func compileRequest(c Config) (request, error) {
	r := request{method: c.Method, contentType: c.ContentType}
	var err error
	if r.url, err = parseTemplate(c.URL, c); err != nil {
		return r, fmt.Errorf("url: %w", err)
	}
	if r.host, err = r.checkURL(); err != nil {
		return r, fmt.Errorf("url: %w", err)
	}
	if r.body, err = parseTemplate(c.Body, c); err != nil {
		return r, fmt.Errorf("body: %w", err)
	}
	if strings.HasPrefix(c.URL, "http://") && len(c.Allow) == 0 {
		return r, errors.New("url: with http everybody on the way reads who is asked for: give https, or name the network of your own in allow")
	}
	if err = r.checkBody(); err != nil {
		return r, fmt.Errorf("body: %w", err)
	}
	if len(r.url.places)+len(r.body.places) == 0 {
		return r, fmt.Errorf("url: neither it nor the body says where the subject belongs: write ${%s_sha256} or the like in it", c.Subject)
	}
	return r, nil
}

// checkURL escapes places for the path or for the query, and wants them nowhere else.
func (r *request) checkURL() (host string, err error) {
	const sample = "x"
	before, inQuery := "", false
	for i := range r.url.places {
		before += r.url.literals[i]
		inQuery = inQuery || strings.Contains(before, "?")
		r.url.places[i].escape = url.PathEscape
		if inQuery {
			r.url.places[i].escape = url.QueryEscape
		}
		if scheme, rest, found := strings.Cut(before, "://"); !found || !strings.ContainsAny(rest, "/?") || scheme == "" {
			return "", errors.New("a place stands before the path: the host that is asked must be the same for all subjects")
		}
		if strings.Contains(before, "#") {
			return "", errors.New("a place stands behind #, which is never sent")
		}
		before += sample
	}
	parsed, err := url.Parse(r.url.fill(sample))
	switch {
	case err != nil:
		return "", errors.New("it cannot be read: write it as https://host/path?query=${...}")
	case parsed.Scheme != "https" && parsed.Scheme != "http":
		return "", fmt.Errorf("its scheme is %q: give https or http", parsed.Scheme)
	case parsed.User != nil:
		return "", errors.New("it holds a user name or password: put them into a header with value_file")
	case parsed.Hostname() == "":
		return "", errors.New("it names no host")
	}
	return parsed.Host, nil
}

// checkBody escapes places as the content type needs it. In JSON a place must stand inside a string.
func (r *request) checkBody() error {
	switch r.contentType {
	case typeForm:
		for i := range r.body.places {
			r.body.places[i].escape = url.QueryEscape
		}
		return nil
	case typeJSON:
	default:
		return fmt.Errorf("content_type is %q: give %s or %s", r.contentType, typeJSON, typeForm)
	}
	for i := range r.body.places {
		r.body.places[i].escape = escapeJSON
	}
	if len(r.body.literals) == 1 && r.body.literals[0] == "" {
		return nil
	}
	// Letters stand only inside of strings, where a number would stand outside of them as well.
	if !json.Valid([]byte(r.body.fill("x"))) {
		return errors.New(`it is no JSON once the subject is put in: write places inside of quotes, as {"email": "${email_sha256}"}`)
	}
	return nil
}

// escapeJSON writes a text as it stands between the quotes of a JSON string.
func escapeJSON(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil { // a string always has a JSON form
		return ""
	}
	return string(quoted[1 : len(quoted)-1])
}
