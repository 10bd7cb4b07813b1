package sink

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/internal/warehouse"
)

// The states of a rejection.
const (
	ReplayPending   = "pending"
	ReplayReplayed  = "replayed"
	ReplayDismissed = "dismissed"
)

// RejectionFilter says which rows of rejected_events are meant; what is empty is not asked for.
type RejectionFilter struct {
	IDs                                 []uuid.UUID
	Stage, Reason, Source, Field, State string
	// Since and Until bound rejected_at; Until is excluded.
	Since, Until time.Time
	// Limit is how many at most.
	Limit int
	// OldestFirst is the order in which events are replayed; people want the newest first.
	OldestFirst bool
	// Payload reads the original bytes as well.
	Payload bool
}

// Rejection is a row of rejected_events.
type Rejection struct {
	ID              uuid.UUID  `ch:"rejection_id" json:"rejection_id"`
	RejectedAt      time.Time  `ch:"rejected_at" json:"rejected_at"`
	ReceivedAt      *time.Time `ch:"received_at" json:"received_at,omitempty"`
	Workspace       string     `ch:"workspace" json:"workspace,omitempty"`
	Source          string     `ch:"source" json:"source,omitempty"`
	Stage           string     `ch:"stage" json:"stage"`
	Reason          string     `ch:"reason" json:"reason"`
	Field           string     `ch:"field" json:"field,omitempty"`
	Detail          string     `ch:"detail" json:"detail,omitempty"`
	MessageID       string     `ch:"message_id" json:"message_id,omitempty"`
	Type            string     `ch:"type" json:"type,omitempty"`
	Name            string     `ch:"name" json:"name,omitempty"`
	ContentType     string     `ch:"content_type" json:"content_type,omitempty"`
	OriginTopic     string     `ch:"origin_topic" json:"origin_topic,omitempty"`
	OriginPartition *int32     `ch:"origin_partition" json:"origin_partition,omitempty"`
	OriginOffset    *int64     `ch:"origin_offset" json:"origin_offset,omitempty"`
	State           string     `ch:"replay_state" json:"state"`
	ReplayedAt      *time.Time `ch:"replayed_at" json:"replayed_at,omitempty"`
	OriginKey       string     `ch:"origin_key" json:"-"`
	Payload         string     `ch:"payload" json:"-"`
}

// Rejections reads those that the filter means, each once.
func Rejections(ctx context.Context, db *warehouse.Warehouse, f RejectionFilter) ([]Rejection, error) {
	payload, order := "''", "DESC"
	if f.Payload {
		payload = "payload"
	}
	if f.OldestFirst {
		order = "ASC"
	}
	query := `SELECT rejection_id, rejected_at, received_at, workspace, source, stage, reason, field, detail, message_id, type, name,
content_type, origin_topic, origin_partition, origin_offset, replay_state, replayed_at, origin_key, ` + payload + ` AS payload
FROM ` + warehouse.Database + `.rejected_events WHERE ` + f.where() + `
ORDER BY rejected_at ` + order + `, rejection_id LIMIT 1 BY rejection_id`
	if f.Limit > 0 {
		query += fmt.Sprintf(" LIMIT %d", f.Limit)
	}
	var rows []Rejection
	if err := db.Select(ctx, &rows, query); err != nil {
		return nil, fmt.Errorf("read rejected events: %w", err)
	}
	return rows, nil
}

func (f RejectionFilter) where() string {
	conditions := []string{"true"}
	for _, equal := range [][2]string{
		{"stage", f.Stage}, {"reason", f.Reason}, {"source", f.Source}, {"field", f.Field}, {"replay_state", f.State},
	} {
		if equal[1] != "" {
			conditions = append(conditions, equal[0]+" = "+quote(equal[1]))
		}
	}
	if len(f.IDs) > 0 {
		conditions = append(conditions, "rejection_id IN ("+uuids(f.IDs)+")")
	}
	if !f.Since.IsZero() {
		conditions = append(conditions, fmt.Sprintf("rejected_at >= fromUnixTimestamp64Milli(toInt64(%d))", f.Since.UnixMilli()))
	}
	if !f.Until.IsZero() {
		conditions = append(conditions, fmt.Sprintf("rejected_at < fromUnixTimestamp64Milli(toInt64(%d))", f.Until.UnixMilli()))
	}
	return strings.Join(conditions, " AND ")
}

// uuids writes a list for IN.
func uuids(ids []uuid.UUID) string {
	quoted := make([]string, len(ids))
	for i, id := range ids {
		quoted[i] = "toUUID(" + quote(id.String()) + ")"
	}
	return strings.Join(quoted, ", ")
}

// SetReplayState writes what became of rejections, and returns when every part says so.
func SetReplayState(ctx context.Context, db *warehouse.Warehouse, state string, ids ...uuid.UUID) error {
	for from := 0; from < len(ids); from += erasedAtOnce {
		part := ids[from:min(from+erasedAtOnce, len(ids))]
		statement := "ALTER TABLE " + warehouse.Database + ".rejected_events UPDATE replay_state = " + quote(state) +
			", replayed_at = fromUnixTimestamp64Milli(toInt64(" + fmt.Sprint(time.Now().UnixMilli()) + ")) WHERE rejection_id IN (" + uuids(part) +
			") SETTINGS mutations_sync = 2"
		if err := db.Exec(ctx, statement); err != nil {
			return fmt.Errorf("note %d rejected events as %s: %w", len(part), state, err)
		}
	}
	return nil
}
