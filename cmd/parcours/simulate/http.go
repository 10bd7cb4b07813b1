package simulate

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// httpCarrier sends deliveries as the SDKs do, with their headers and their patience.
type httpCarrier struct {
	client   *http.Client
	base     string
	opts     Options
	counters *counters
	book     *ledger
	plain    []byte
	packed   bytes.Buffer
	packer   *gzip.Writer
}

const (
	requestTimeout = 15 * time.Second
	firstBackOff   = 100 * time.Millisecond
	lastBackOff    = 10 * time.Second
	longestWait    = 300 * time.Second // that a Retry-After is believed
	answerBytes    = 64 << 10
)

func httpCarriers(target *url.URL, opts Options, c *counters, book *ledger) (open func() (carrier, error), shut func()) {
	transport := &http.Transport{MaxIdleConnsPerHost: opts.Workers, MaxConnsPerHost: opts.Workers, IdleConnTimeout: 30 * time.Second}
	client := &http.Client{
		Transport: transport, Timeout: requestTimeout,
		// An ingest address that redirects is not one: events would be sent to nobody knows where.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	base := target.Scheme + "://" + target.Host
	return func() (carrier, error) {
		return &httpCarrier{client: client, base: base, opts: opts, counters: c, book: book, packer: gzip.NewWriter(io.Discard)}, nil
	}, transport.CloseIdleConnections
}

func (h *httpCarrier) rest(context.Context) error { return nil }

// carry tries until the target has answered for good or patience has ended. The message ids stay, the time of sending
// is stamped anew.
func (h *httpCarrier) carry(ctx context.Context, d *Delivery) error {
	begun := time.Now()
	for attempt := 1; ; attempt++ {
		request, err := h.request(ctx, d, attempt)
		if err != nil {
			return err
		}
		status, after, err := h.post(request)
		if ctx.Err() != nil && status == 0 {
			// Stopped in the middle: the answer is not known, so the ledger says so.
			return errors.Join(h.settle(d, 0, attempt), ctx.Err())
		}
		if err == nil && !retriable(status) {
			return h.settle(d, status, attempt)
		}
		wait := max(after, backOff(attempt))
		if time.Since(begun)+wait > h.opts.Patience {
			return errors.Join(h.settle(d, 0, attempt), h.deaf(err))
		}
		h.counters.retries.Add(1)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return errors.Join(h.settle(d, 0, attempt), ctx.Err())
		}
	}
}

// deaf ends the run when the target has not answered a single request for as long as patience lasts: it is not
// overloaded or away, it is not there.
func (h *httpCarrier) deaf(err error) error {
	if err == nil || h.counters.requests.Load() > 0 {
		return nil
	}
	return fmt.Errorf("%s has answered nothing for %s: start it, or correct --target: %w", h.base, h.opts.Patience, err)
}

func (h *httpCarrier) settle(d *Delivery, status, attempts int) error {
	h.counters.settle(d, status)
	return h.book.enter(d, status, attempts)
}

// retriable: what SDKs try again.
func retriable(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported, http.StatusNetworkAuthenticationRequired:
		return false
	}
	return status >= 500
}

func backOff(attempt int) time.Duration {
	return min(firstBackOff<<min(attempt-1, 10), lastBackOff)
}

// post tries once; status is 0 when no answer came.
func (h *httpCarrier) post(request *http.Request) (status int, after time.Duration, err error) {
	response, err := h.client.Do(request)
	if err != nil {
		return 0, 0, fmt.Errorf("post delivery: %w", err)
	}
	// The body is read to its end so that the connection can be used again; what it says does not matter.
	_, readErr := io.Copy(io.Discard, io.LimitReader(response.Body, answerBytes))
	if err := errors.Join(readErr, response.Body.Close()); err != nil {
		return 0, 0, fmt.Errorf("read answer: %w", err)
	}
	h.counters.requests.Add(1)
	return response.StatusCode, retryAfter(response.Header.Get("Retry-After"), time.Now()), nil
}

func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(value); err == nil && seconds > 0 {
		return min(time.Duration(seconds)*time.Second, longestWait)
	}
	if at, err := http.ParseTime(value); err == nil && at.After(now) {
		return min(at.Sub(now), longestWait)
	}
	return 0
}

func (h *httpCarrier) request(ctx context.Context, d *Delivery, attempt int) (*http.Request, error) {
	key := h.opts.Keys[d.Source]
	h.plain = d.AppendBody(h.plain[:0], key, time.Now())
	body := h.plain
	if d.Packed() {
		h.packed.Reset()
		h.packer.Reset(&h.packed)
		if _, err := h.packer.Write(h.plain); err != nil {
			return nil, fmt.Errorf("compress delivery: %w", err)
		}
		if err := h.packer.Close(); err != nil {
			return nil, fmt.Errorf("compress delivery: %w", err)
		}
		body = h.packed.Bytes()
	}
	h.counters.bytes.Add(int64(len(body)))
	// A copy: the transport may still read the body after an early answer.
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, h.base+d.Path(), bytes.NewReader(bytes.Clone(body)))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	request.SetBasicAuth(key, "")
	of := d.Events[0].Context
	if d.Browser() {
		request.Header.Set("Content-Type", "text/plain")
		request.Header.Set("Origin", site)
		request.Header.Set("Referer", site+"/")
		request.Header.Set("User-Agent", of.UserAgent)
	} else {
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("User-Agent", cmp.Or(of.UserAgent, of.Library+"/"+of.LibraryVersion))
	}
	if d.Packed() {
		request.Header.Set("Content-Encoding", "gzip")
	}
	if attempt > 1 {
		request.Header.Set("X-Retry-Count", strconv.Itoa(attempt-1))
	}
	return request, nil
}

// Packed tells whether the client compresses its bodies: browsers and the server SDK do not.
func (d *Delivery) Packed() bool { return d.Source != Web && d.Source != Server }
