package sink

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/parcours-cdp/parcours/internal/stream"
)

// send sends what is left to send, and marks what was acknowledged. An error leaves the rest unsent.
func (r *Replay) send(ctx context.Context, items []*replayItem) error {
	var records []*stream.Record
	bySource := make(map[string][]*replayItem)
	var sources []string
	for _, item := range items {
		switch {
		case item.Result != "":
		case item.record != nil:
			records = append(records, item.record)
		default:
			if bySource[item.Source] == nil {
				sources = append(sources, item.Source)
			}
			bySource[item.Source] = append(bySource[item.Source], item)
		}
	}
	if err := r.Kafka.Produce(ctx, records...); err != nil {
		return err
	}
	for _, item := range items {
		item.sent = item.sent || item.record != nil && item.Result == ""
	}
	for _, source := range sources {
		if err := r.sendAs(ctx, source, bySource[source]); err != nil {
			return fmt.Errorf("send to the collector at %s as source %s: %w", r.Collector, source, err)
		}
	}
	return nil
}

// part is an event of an item in a request.
type part struct {
	item  *replayItem
	event *replayEvent
	last  bool // of its item
}

// sendAs sends the events of one source in as few requests as the bounds allow.
func (r *Replay) sendAs(ctx context.Context, source string, items []*replayItem) error {
	var parts []part
	size := 0
	flush := func() error {
		if len(parts) == 0 {
			return nil
		}
		err := r.post(ctx, r.Sources[source].WriteKey, parts)
		parts, size = parts[:0], 0
		return err
	}
	for _, item := range items {
		for i := range item.events {
			event := &item.events[i]
			if len(parts) == r.BatchEvents || size > 0 && size+len(event.body) > r.BatchBytes {
				if err := flush(); err != nil {
					return err
				}
			}
			parts = append(parts, part{item, event, i == len(item.events)-1})
			size += len(event.body) + 1
		}
	}
	return flush()
}

// How often, and how long, a collector is asked that takes nothing right now.
const (
	postAttempts = 5
	longestWait  = 30 * time.Second
	postTimeout  = time.Minute
)

// post sends one batch and notes what the collector said of its events.
func (r *Replay) post(ctx context.Context, key string, parts []part) error {
	body := []byte(`{"batch":[`)
	for i, p := range parts {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, p.event.body...)
	}
	body = append(body, ']', '}')
	for attempt := 1; ; attempt++ {
		wait, err := r.postOnce(ctx, key, body, parts)
		if wait == 0 || attempt == postAttempts {
			return err
		}
		timer := time.NewTimer(min(wait, longestWait))
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
	}
}

// postOnce makes one request. With an error that may pass it says how long to wait.
func (r *Replay) postOnce(ctx context.Context, key string, body []byte, parts []part) (wait time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, postTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.Collector+"/v1/batch", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.SetBasicAuth(key, "")
	request.Header.Set("Content-Type", "application/json")
	request.Header["User-Agent"] = []string{""} // ours is not the visitor's; an empty one is not sent
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }() // it has been read
	text, err := io.ReadAll(io.LimitReader(response.Body, 8<<20))
	if err != nil {
		return 0, fmt.Errorf("read the answer: %w", err)
	}
	var answer struct {
		Error    string `json:"error"`
		Rejected []struct {
			Index  int    `json:"index"`
			Reason string `json:"reason"`
			Field  string `json:"field"`
			Count  int    `json:"count"`
		} `json:"rejected"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return 0, fmt.Errorf("it answered %s with what is no JSON: is it a collector?", response.Status)
	}
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
		if err != nil || seconds < 1 {
			seconds = 1
		}
		return time.Duration(seconds) * time.Second, fmt.Errorf("it answered %s: %s", response.Status, answer.Error)
	default:
		return 0, fmt.Errorf("it answered %s: %s", response.Status, answer.Error)
	}
	for _, again := range answer.Rejected {
		for i := again.Index; i < again.Index+max(again.Count, 1); i++ {
			if i < 0 || i >= len(parts) {
				return 0, errors.New("its answer rejects an event that was not sent: is it a collector?")
			}
			why := again.Reason
			if again.Field != "" {
				why += " at " + again.Field
			}
			parts[i].item.again = append(parts[i].item.again, why)
			parts[i].item.same = parts[i].item.same || parts[i].event.same
		}
	}
	for _, p := range parts {
		p.item.sent = p.item.sent || p.last
	}
	return 0, nil
}
