package collector

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/schemas"
	"go.uber.org/zap"
)

// ingest is the path of a request, top to bottom. Until step 6 nothing has happened that a retry would
// repeat; after it everything is durable and the answer may be lost without harm, because a retry has
// the same event ids and meets its first copy in the same partitions.
func (c *collector) ingest(r *http.Request, target endpoint) answer {
	received := c.now()

	// 1. Whose it is, as far as the request says so before its body; what is refused here is not read.
	var from *source
	if key := statedKey(r); key != "" {
		admitted, refused := c.admit(r, key)
		if admitted == nil {
			return refused
		}
		from = admitted
	}

	// 2. The body, within the limits of size, time and memory.
	held := memory{bodies: c.bodies}
	defer held.release()
	d := c.desks.Get().(*desk)
	d.begin(c)
	body, err := d.read(r, &held)
	if err != nil {
		defer c.desks.Put(d)
		return c.refuseBody(r, from, received, err)
	}

	// 3. Where its values are, and that it is the dialect.
	request, reason := d.openSegment(body, target, c.cfg.Limits)
	if reason != "" {
		defer c.desks.Put(d)
		return c.refuseText(r, from, received, reason, body)
	}

	// 4. Whose it is, when only the body says so, and whether the source has some quota left.
	if from == nil {
		admitted, refused := c.admit(r, request.writeKey)
		if admitted == nil {
			c.desks.Put(d)
			return refused
		}
		from = admitted
	}
	if wait := from.quota.take(received, request.events, len(body)); wait > 0 {
		c.desks.Put(d)
		return tooMany(wait)
	}

	// 5. Each event becomes a touchpoint or a rejection, and either becomes a record.
	d.arrival = arrival{workspace: c.workspace, source: from, received: schemas.MillisOf(received), client: c.client(r)}
	d.mapSegment(request)

	// 6. One produce call and one wait: every in-sync replica has all of it, or the answer is no 2xx.
	if err := c.keep(r.Context(), d.seal()); err != nil {
		return unavailable() // the desk is left to Kafka, which may still read from it
	}

	// 7. Only now the answer.
	c.count(d)
	told := d.answer()
	c.desks.Put(d)
	return told
}

// statedKey is the write key in the Authorization header or the query. A Bearer token is not ours to
// check: the key beside it counts, which is no secret either.
func statedKey(r *http.Request) string {
	if key, _, ok := r.BasicAuth(); ok && key != "" {
		return key
	}
	if r.URL.RawQuery != "" {
		return r.URL.Query().Get("writeKey")
	}
	return ""
}

// admit finds the source of a key and whether it may send now; nil comes with the answer.
func (c *collector) admit(r *http.Request, key string) (*source, answer) {
	from := c.sources.byKey[key]
	switch {
	case key == "":
		return nil, refusal(http.StatusUnauthorized, "no write key: send it as the user name of Basic authentication, or as writeKey in the body")
	case from == nil:
		return nil, refusal(http.StatusUnauthorized, "no source has this write key")
	case from.Disabled:
		return nil, refusal(http.StatusForbidden, "the source is switched off")
	}
	if origin := r.Header.Get("Origin"); origin != "" && !from.origins.allow(origin) {
		return nil, refusal(http.StatusForbidden, "the source takes no events from this origin")
	}
	if wait := from.quota.take(c.now(), 0, 0); wait > 0 {
		return nil, tooMany(wait)
	}
	return from, answer{}
}

func tooMany(wait int) answer {
	told := refusal(http.StatusTooManyRequests, "the source has spent its quota")
	told.retryAfter = wait
	return told
}

// Seconds after which a client may try again.
const (
	retryBusy        = 1
	retryUnavailable = 5
)

func unavailable() answer {
	told := refusal(http.StatusServiceUnavailable, "events cannot be kept right now")
	told.retryAfter = retryUnavailable
	return told
}

// refuseBody answers a body that could not be read. A fault of the sender's is noted in quarantine,
// without the bytes, which we do not have.
func (c *collector) refuseBody(r *http.Request, from *source, received time.Time, err error) answer {
	var told answer
	reason := reasonInvalidEncoding
	switch {
	case errors.Is(err, errBusy):
		c.metrics.refused.WithLabelValues("busy").Inc()
		told = refusal(http.StatusServiceUnavailable, "too many requests at once")
		told.retryAfter, told.close = retryBusy, true
		return told
	case errors.Is(err, errSlow), errors.Is(err, errAborted):
		c.metrics.refused.WithLabelValues("incomplete").Inc()
		told = refusal(http.StatusRequestTimeout, "the body did not come in whole")
		told.close = true
		return told
	case errors.Is(err, errBodyTooLarge):
		reason, told = reasonBodyTooLarge, refusal(http.StatusRequestEntityTooLarge, details[reasonBodyTooLarge])
		told.close = true
	case errors.Is(err, errEncodingUnknown):
		reason, told = reasonUnsupportedEncoding, refusal(http.StatusUnsupportedMediaType, details[reasonUnsupportedEncoding])
	default:
		told = refusal(http.StatusBadRequest, details[reason])
	}
	return c.quarantineBody(r, from, received, reason, nil, told)
}

// refuseText answers a body that is not the dialect, and keeps it.
func (c *collector) refuseText(r *http.Request, from *source, received time.Time, reason Reason, body []byte) answer {
	return c.quarantineBody(r, from, received, reason, body, refusal(http.StatusBadRequest, details[reason]))
}

// quarantineBody keeps a body that holds no event we could find. A request that does not say whose it is
// leaves no trace but a count: anybody could fill the quarantine with them.
func (c *collector) quarantineBody(r *http.Request, from *source, received time.Time, reason Reason, body []byte, told answer) answer {
	if from == nil {
		c.metrics.rejected.WithLabelValues("", string(reason)).Inc()
		return told
	}
	if wait := from.quota.take(received, 1, len(body)); wait > 0 {
		return tooMany(wait)
	}
	record := c.quarantine.Record(schemas.RejectedTouchpoint{
		ReceivedAt:  schemas.Some(schemas.MillisOf(received)),
		Workspace:   c.workspace,
		Source:      from.Name,
		Reason:      string(reason),
		Detail:      details[reason],
		ContentType: contentJSON,
		Payload:     body,
	})
	if err := c.keep(r.Context(), []*stream.Record{record}); err != nil {
		return unavailable()
	}
	c.metrics.rejected.WithLabelValues(from.Name, string(reason)).Inc()
	return told
}

// keep writes records and waits until every in-sync replica has them. A client that hangs up does not
// stop it: half a batch would be kept and nobody would know which half.
func (c *collector) keep(ctx context.Context, records []*stream.Record) error {
	if len(records) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.cfg.Timeouts.Produce)
	defer cancel()
	began := c.now()
	err := c.produce(ctx, records...)
	if err != nil {
		c.metrics.refused.WithLabelValues("kafka").Inc()
		c.logKafka(err)
		return err
	}
	c.metrics.produce.Observe(c.now().Sub(began).Seconds())
	return nil
}

// kafkaLogEvery bounds how often a failing Kafka is logged; the metric counts every failure.
const kafkaLogEvery = 10 * time.Second

func (c *collector) logKafka(err error) {
	now := c.now().UnixNano()
	last := c.kafkaLog.Load()
	if now-last > int64(kafkaLogEvery) && c.kafkaLog.CompareAndSwap(last, now) {
		c.log.Error("events could not be produced and were answered 503", zap.Error(err))
	}
}

// count adds a request that was kept to the metrics.
func (c *collector) count(d *desk) {
	c.metrics.bytes.WithLabelValues("wire").Add(float64(d.received))
	c.metrics.bytes.WithLabelValues("plain").Add(float64(len(d.plain)))
	for i, count := range d.accepted {
		if count > 0 {
			d.arrival.source.accepted[eventTypes[i]].Add(float64(count))
		}
	}
	for _, r := range d.rejected {
		c.metrics.rejected.WithLabelValues(d.arrival.source.Name, string(r.Reason)).Add(float64(r.Count))
	}
}

// drop reads what SDKs measure of themselves, and forgets it.
func (c *collector) drop(r *http.Request) answer {
	if _, err := io.Copy(io.Discard, http.MaxBytesReader(nil, r.Body, int64(c.cfg.Limits.CompressedBytes))); err != nil {
		return refusal(http.StatusBadRequest, "the body did not come in whole")
	}
	return answer{status: http.StatusOK, body: []byte(success)}
}
