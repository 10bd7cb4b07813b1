package service

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// AdminConfig says where health, readiness, metrics and profiles are served, and who may operate the services there.
type AdminConfig struct {
	// Listen is the admin address; health, metrics and profiles have no authentication, so it belongs on a private network.
	Listen string `koanf:"listen"`
	// Token is what operators send as Authorization: Bearer; without one nothing can be operated.
	Token string `koanf:"token" secret:"true"`
}

// MinToken is the fewest characters of an admin token.
const MinToken = 16

// Validate names the field that is wrong, its value and what to do.
func (c AdminConfig) Validate() error {
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return fmt.Errorf("admin.listen is %q: give host:port, port 0 for any free one", c.Listen)
	}
	if c.Token == "" {
		return nil
	}
	if len(c.Token) < MinToken {
		return fmt.Errorf("admin.token has %d characters: give at least %d, for example those of openssl rand -hex 32", len(c.Token), MinToken)
	}
	if strings.ContainsFunc(c.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("admin.token has a character that no HTTP header can carry: use letters, digits and punctuation without spaces")
	}
	return nil
}

// Admin is where one service answers its operators: everything below /<service>/ on the admin listener, behind the
// token. A nil one takes handlers and serves them to nobody, for services that run without a host.
type Admin struct {
	doors *doors
	name  string
}

// Mount serves the paths below /<service>/ until unmount is called, which lets the requests in hand end: their
// context is cancelled, and unmount returns once they are gone. The service that returns is unmounted anyway, but a
// handler that uses what the service closes must be unmounted before.
func (a *Admin) Mount(handler http.Handler) (unmount func()) {
	if a == nil {
		return func() {}
	}
	return a.doors.open(a.name, handler)
}

// Admin is where the service of a name answers on this host; [Host.Supervise] gives a service its own.
func (h *Host) Admin(name string) *Admin {
	h.doors.expect(name)
	return &Admin{doors: h.doors, name: name}
}

// doors are the services' handlers by name, behind one lock.
type doors struct {
	log     *zap.Logger
	ready   *Readiness
	refused *prometheus.CounterVec

	mu     sync.RWMutex
	mounts map[string]*mount // nil while a service that is known has nothing mounted
}

// mount is one handler for as long as it is there.
type mount struct {
	handler http.Handler
	gone    context.Context
	leave   context.CancelFunc
	inHand  sync.WaitGroup
}

// Reasons why a request of an operator is refused.
const (
	noToken      = "not_configured"
	missingToken = "missing"
	wrongToken   = "wrong"
)

func newDoors(log *zap.Logger, ready *Readiness) *doors {
	d := &doors{
		// Whoever tries tokens fills the counter, not the log.
		log: log.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
			return zapcore.NewSamplerWithOptions(core, time.Minute, 1, 0)
		})),
		ready: ready,
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parcours_admin_refused_total", Help: "Operators' requests without the admin token, by reason.",
		}, []string{"reason"}),
		mounts: make(map[string]*mount),
	}
	for _, reason := range []string{noToken, missingToken, wrongToken} {
		d.refused.WithLabelValues(reason)
	}
	return d
}

// expect makes the paths of a service known before it mounts anything.
func (d *doors) expect(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, known := d.mounts[name]; !known {
		d.mounts[name] = nil
	}
}

func (d *doors) open(name string, handler http.Handler) (unmount func()) {
	m := &mount{handler: handler}
	m.gone, m.leave = context.WithCancel(context.Background())
	d.mu.Lock()
	d.mounts[name] = m
	d.mu.Unlock()
	return func() {
		d.mu.Lock()
		if d.mounts[name] == m {
			d.mounts[name] = nil
		}
		d.mu.Unlock()
		m.leave()
		m.inHand.Wait()
	}
}

// close unmounts what a service left.
func (d *doors) close(name string) {
	d.mu.Lock()
	m := d.mounts[name]
	d.mounts[name] = nil
	d.mu.Unlock()
	if m != nil {
		m.leave()
		m.inHand.Wait()
	}
}

// enter returns the handler of a service, which stays usable until done is called.
func (d *doors) enter(name string) (m *mount, known bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	m, known = d.mounts[name]
	if m != nil {
		m.inHand.Add(1)
	}
	return m, known
}

const (
	// maxBody bounds an operator's request; rules with ten thousand blocked nodes fit.
	maxBody = 1 << 20
	// bodyDeadline bounds how long its body may take to arrive.
	bodyDeadline = 10 * time.Second
	// retryAfter is when a service that is starting may be there.
	retryAfter = 2 * time.Second
)

// behind serves the services' paths to whoever has the token.
func (d *doors) behind(token string) http.Handler {
	// Sums of equal length, so that the comparison tells nothing of the token, not even its length.
	want := sha256.Sum256([]byte(token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		if !d.knows(name) {
			http.NotFound(w, r)
			return
		}
		given, bearer := bearerToken(r)
		got := sha256.Sum256([]byte(given))
		switch {
		case token == "":
			d.refuse(w, r, noToken)
		case !bearer:
			d.refuse(w, r, missingToken)
		case subtle.ConstantTimeCompare(got[:], want[:]) != 1:
			d.refuse(w, r, wrongToken)
		default:
			d.serve(w, r, name)
		}
	})
}

func (d *doors) knows(name string) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	_, known := d.mounts[name]
	return known
}

func bearerToken(r *http.Request) (token string, ok bool) {
	const scheme = "bearer "
	header := r.Header.Get("Authorization")
	if len(header) < len(scheme) || !strings.EqualFold(header[:len(scheme)], scheme) {
		return "", false
	}
	return strings.TrimSpace(header[len(scheme):]), true
}

func (d *doors) refuse(w http.ResponseWriter, r *http.Request, reason string) {
	d.refused.WithLabelValues(reason).Inc()
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = ""
	}
	d.log.Warn("operator's request refused", zap.String("reason", reason), zap.String("remote", host))
	if reason == noToken {
		(&Problem{
			Status: http.StatusForbidden, Title: "No admin token is configured",
			Detail: "Set admin.token, PARCOURS_ADMIN_TOKEN or PARCOURS_ADMIN_TOKEN_FILE to a secret of at least 16 characters and start again.",
		}).ServeHTTP(w, r)
		return
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="parcours admin"`)
	(&Problem{
		Status: http.StatusUnauthorized, Title: "The admin token is " + reason,
		Detail: "Send Authorization: Bearer with the value of admin.token; parcours up keeps it as admin.token in its data folder.",
	}).ServeHTTP(w, r)
}

func (d *doors) serve(w http.ResponseWriter, r *http.Request, name string) {
	m, _ := d.enter(name)
	if m == nil {
		waiting := d.ready.part(name).Waiting()
		if len(waiting) == 0 {
			(&Problem{Status: http.StatusNotFound, Title: "The service has nothing to operate", Detail: name + " serves no requests of operators."}).ServeHTTP(w, r)
			return
		}
		(&Problem{
			Status: http.StatusServiceUnavailable, Title: "The service is not ready",
			Detail: strings.Join(waiting, "; "), RetryAfter: retryAfter,
		}).ServeHTTP(w, r)
		return
	}
	defer m.inHand.Done()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(m.gone, cancel)() //nolint:contextcheck // the service's end is another than the client's
	// Not every writer has deadlines, and one that has none is a test's.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyDeadline))
	r = r.WithContext(ctx)
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	m.handler.ServeHTTP(w, r)
}
