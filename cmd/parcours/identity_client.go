package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/parcours-cdp/parcours/cmd/parcours/up"
	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/services/identity/api"
)

// operating are the flags of commands that ask the identity service as an operator.
type operating struct {
	running
	Admin     string `help:"Admin address of the identity service, host:port or https://host; without it that of --at, or admin.listen of the configuration." placeholder:"ADDRESS"`
	TokenFile string `help:"File with the admin token; without it admin.token of the configuration, or the file that parcours up made." placeholder:"FILE" type:"path"`
	DataDir   string `help:"Data folder of the parcours up that is asked, for its token." placeholder:"DIR" type:"path"`
}

// client finds the service and the token.
func (o operating) client(g globals) (*operatorClient, error) {
	cfg, err := up.Load(g.source())
	if err != nil {
		return nil, err
	}
	address := o.Admin
	if address == "" && o.At != "" {
		a, err := up.ReadAddresses(o.At)
		if err != nil {
			return nil, err
		}
		address = a.Admin
	}
	if address == "" {
		address = cfg.Admin.Listen
	}
	base, err := adminURL(address)
	if err != nil {
		return nil, err
	}
	token, err := o.token(cfg)
	if err != nil {
		return nil, err
	}
	return &operatorClient{base: base, token: token, http: &http.Client{
		Timeout: time.Minute,
		// A redirect would carry the token to wherever it points.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// adminURL makes an address that can be asked of one that is listened on.
func adminURL(address string) (string, error) {
	if strings.HasPrefix(address, "http://") || strings.HasPrefix(address, "https://") {
		return strings.TrimSuffix(address, "/"), nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || port == "" || port == "0" {
		return "", fmt.Errorf("admin address is %q: give host:port with --admin, or --at with the file that parcours up --addr-file wrote", address)
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port), nil
}

func (o operating) token(cfg up.Config) (string, error) {
	if o.TokenFile != "" {
		text, err := os.ReadFile(o.TokenFile)
		if err != nil {
			return "", fmt.Errorf("read --token-file: %w", err)
		}
		return strings.TrimSpace(string(text)), nil
	}
	if cfg.Admin.Token != "" && o.DataDir == "" {
		return cfg.Admin.Token, nil
	}
	dir := o.DataDir
	if dir == "" {
		dir = cfg.Embedded.DataDir
	}
	token, err := up.ReadAdminToken(dir)
	if err != nil {
		return "", fmt.Errorf("%w; give --token-file, set PARCOURS_ADMIN_TOKEN, or name the folder of parcours up with --data-dir", err)
	}
	return token, nil
}

type operatorClient struct {
	base, token string
	http        *http.Client
}

// call sends a request, and reads the answer into into.
func (c *operatorClient) call(ctx context.Context, method, path string, request, into any) error {
	var body io.Reader
	if request != nil {
		text, err := json.Marshal(request)
		if err != nil {
			return fmt.Errorf("write request: %w", err)
		}
		body = bytes.NewReader(text)
	}
	sent, err := http.NewRequestWithContext(ctx, method, c.base+api.Prefix+path, body)
	if err != nil {
		return fmt.Errorf("ask the identity service: %w", err)
	}
	sent.Header.Set("Authorization", "Bearer "+c.token)
	if request != nil {
		sent.Header.Set("Content-Type", "application/json")
	}
	answer, err := c.http.Do(sent)
	if err != nil {
		return fmt.Errorf("ask the identity service: %w; start it, or say where it is with --admin or --at", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return fmt.Errorf("read the answer of the identity service: %w", err)
	}
	if answer.StatusCode != http.StatusOK && answer.StatusCode != http.StatusAccepted {
		return c.refused(answer.StatusCode, text)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s does not answer as the identity service does: %w", c.base, err)
	}
	return nil
}

// refused makes an error of a problem.
func (c *operatorClient) refused(status int, text []byte) error {
	var p service.Problem
	if err := json.Unmarshal(text, &p); err != nil || p.Title == "" {
		return fmt.Errorf("%s answers %d and is no identity service of this version: parcours up listens on port 9600, the service alone on 9602", c.base, status)
	}
	var b strings.Builder
	b.WriteString(p.Error())
	if p.Field != "" {
		fmt.Fprintf(&b, " (field %s)", p.Field)
	}
	if p.Position > 0 {
		fmt.Fprintf(&b, " (at evidence position %d)", p.Position)
	}
	return errors.New(b.String())
}

// reference is an identifier on the command line: type:value, or an id.
type reference struct {
	api.Reference
	text string
}

// UnmarshalText makes a wrong one a wrong command line.
func (r *reference) UnmarshalText(text []byte) error {
	parsed, err := api.NewReference(string(text))
	r.Reference, r.text = parsed, string(text)
	return err
}

// fill reads the values that stand as - from standard input, a line each, so that they are in no list of processes.
func fill(in *lines, refs ...*reference) error {
	for _, r := range refs {
		if r == nil || r.Value != "-" {
			continue
		}
		value, err := in.next()
		if err != nil || value == "" {
			return fmt.Errorf("read the value of %s from standard input: it has no line for it", r.text)
		}
		r.Value = value
		r.text = r.Type + ":" + value
	}
	return nil
}

// lines reads standard input line by line without reading ahead, for what asks after it.
type lines struct{ in io.Reader }

func (l *lines) next() (string, error) {
	var line []byte
	var one [1]byte
	for {
		n, err := l.in.Read(one[:])
		if n == 1 && one[0] == '\n' || errors.Is(err, io.EOF) && len(line) > 0 {
			return strings.TrimSpace(string(line)), nil
		}
		if n == 1 {
			line = append(line, one[0])
		}
		if err != nil {
			return "", err
		}
	}
}

// reasoned are the flags of commands that change something.
type reasoned struct {
	Reason string `help:"Why; it is kept with the ruling, so no personal data: a ticket's number is best." required:"" placeholder:"TEXT"`
	Author string `help:"Who rules; without it the user of this computer." placeholder:"NAME"`
}

func (n reasoned) note() api.Note {
	note := api.Note{Author: n.Author, Reason: n.Reason}
	if note.Author == "" {
		if who, err := user.Current(); err == nil {
			note.Author = who.Username
		}
	}
	return note
}
