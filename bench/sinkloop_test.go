package bench

import (
	"context"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"
	"github.com/linkedin/goavro/v2"
	"github.com/shopspring/decimal"

	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/warehouse"
	"github.com/parcours-cdp/parcours/schemas"
)

const (
	loopGroup = "bench.goavro"
	loopBatch = 10_000
)

// loopColumns are the columns of events that have a value in the benchmark, and where each stands in the record: a ? follows
// what may be null, and [] a list. The plain loop leaves all others to their defaults, which is less than the sink writes.
var loopColumns = columnsAt(`
workspace workspace
event_id event_id:uuid
message_id message_id
source source
channel channel
type type
name name
occurred_at occurred_at
original_timestamp original_timestamp?
sent_at sent_at?
received_at received_at
identifiers.type identifiers[].type
identifiers.node identifiers[].value:uuid
anchor anchor:uuid
anchor_type anchor_type
customer_id customer_id:uuid
iv iv
consent_granted consent?.granted:texts
consent_source consent?.source
consent_version consent?.version
page_url context.page.url
page_path context.page.path
page_title context.page.title
page_referrer context.page.referrer
page_search context.page.search
campaign_name context.campaign.name
campaign_source context.campaign.source
campaign_medium context.campaign.medium
user_agent context.user_agent
ip context.ip
locale context.locale
timezone context.timezone
screen_width context.screen.width
screen_height context.screen.height
screen_density context.screen.density?
library_name context.library.name
library_version context.library.version
session_id context.session_id
order_id commerce?.order_id:text
currency commerce?.currency:text
revenue commerce?.revenue?:decimal
total commerce?.total?:decimal
shipping commerce?.shipping?:decimal
tax commerce?.tax?:decimal
discount commerce?.discount?:decimal
coupon commerce?.coupon:text
payment_method commerce?.payment_method:text
items.product_id commerce?.items[].product_id
items.sku commerce?.items[].sku
items.name commerce?.items[].name
items.category commerce?.items[].category
items.price commerce?.items[].price?:decimal
items.quantity commerce?.items[].quantity?:decimal
properties properties
device_class device?.class
device_brand device?.brand
device_os device?.os
device_os_version device?.os_version
device_browser device?.browser
device_browser_version device?.browser_version
traffic_source traffic?.source
traffic_medium traffic?.medium
traffic_campaign traffic?.campaign
traffic_channel_group traffic?.channel_group
calendar_timezone calendar?.timezone
calendar_local_date calendar?.local_date
calendar_hour calendar?.hour:uint8
calendar_weekday calendar?.weekday:uint8
calendar_is_weekend calendar?.is_weekend
enrichments.name enrichments[].name
enrichments.version enrichments[].version
enrichments.status enrichments[].status
`)

type loopColumn struct {
	name, kind string
	steps      []string
}

func columnsAt(text string) (columns []loopColumn) {
	for line := range strings.Lines(strings.TrimSpace(text)) {
		name, place, _ := strings.Cut(strings.TrimSpace(line), " ")
		path, kind, _ := strings.Cut(place, ":")
		columns = append(columns, loopColumn{name, kind, strings.Split(path, ".")})
	}
	return columns
}

// loop is what one writes first: a map of each record, and a row appended for each; the offsets are committed after the
// batch was sent.
func (m mover) loop(ctx context.Context, kafka *stream.Client, reg *registry.Registry) error {
	db, err := clickhouse.Open(&clickhouse.Options{
		Addr: []string{m.ClickHouse}, Protocol: clickhouse.HTTP, Auth: clickhouse.Auth{Database: warehouse.Database, Username: "default"},
	})
	if err != nil {
		return err
	}
	names := []string{"_topic", "_partition", "_offset", "_produced_at", "_schema_id", "_ingested_at"}
	for _, column := range loopColumns {
		names = append(names, column.name)
	}
	insert := "INSERT INTO events (`" + strings.Join(names, "`, `") + "`)"
	codecs := make(map[int32]*goavro.Codec)
	consumer := stream.Consumer{Group: loopGroup, Topics: []string{stream.Enriched}, MaxRecords: loopBatch, MaxWait: time.Second}
	return kafka.Consume(ctx, consumer, func(ctx context.Context, ranges []stream.Range) error {
		batch, err := db.PrepareBatch(ctx, insert)
		if err != nil {
			return err
		}
		for _, part := range ranges {
			for _, record := range part.Records {
				id, body, err := schemas.SplitHeader(record.Value)
				if err != nil {
					return err
				}
				if codecs[id] == nil {
					schema, err := reg.Schema(ctx, id)
					if err != nil {
						return err
					}
					if codecs[id], err = goavro.NewCodec(schema); err != nil {
						return err
					}
				}
				event, _, err := codecs[id].NativeFromBinary(body)
				if err != nil {
					return err
				}
				row := []any{record.Topic, record.Partition, record.Offset, record.Timestamp, id, time.Now()}
				for _, column := range loopColumns {
					value, err := column.value(event)
					if err != nil {
						return err
					}
					row = append(row, value)
				}
				if err := batch.Append(row...); err != nil {
					return err
				}
			}
		}
		return batch.Send()
	})
}

// value is what a record has for the column, as the driver takes it.
func (c loopColumn) value(record any) (any, error) {
	at := record
	for i, step := range c.steps {
		if before, isList := strings.CutSuffix(step, "[]"); isList {
			items, err := listOf(at, before)
			if err != nil {
				return nil, fmt.Errorf("column %s: %w", c.name, err)
			}
			return c.list(items, c.steps[i+1:])
		}
		at = follow(at, step)
	}
	return c.convert(at)
}

func listOf(at any, name string) ([]any, error) {
	if at == nil {
		return nil, nil
	}
	fields, ok := at.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%T is no record", at)
	}
	items, _ := fields[name].([]any)
	return items, nil
}

// follow goes to a field, and through the name of its type when it may be null.
func follow(at any, step string) any {
	name, optional := strings.CutSuffix(step, "?")
	fields, ok := at.(map[string]any)
	if !ok {
		return nil
	}
	value := fields[name]
	if branches, ok := value.(map[string]any); optional && ok {
		for _, branch := range branches {
			return branch // the only one
		}
	}
	return value
}

func (c loopColumn) list(items []any, steps []string) (any, error) {
	var (
		texts    []string
		nodes    []uuid.UUID
		decimals []*decimal.Decimal
	)
	for _, item := range items {
		for _, step := range steps {
			item = follow(item, step)
		}
		value, err := c.convert(item)
		if err != nil {
			return nil, err
		}
		switch value := value.(type) {
		case uuid.UUID:
			nodes = append(nodes, value)
		case *decimal.Decimal:
			decimals = append(decimals, value)
		case string:
			texts = append(texts, value)
		}
	}
	switch c.kind {
	case "uuid":
		return nodes, nil
	case "decimal":
		return decimals, nil
	}
	return texts, nil
}

func (c loopColumn) convert(value any) (any, error) {
	switch c.kind {
	case "uuid":
		if text, ok := value.(string); ok {
			return uuid.Parse(text)
		}
		if raw, ok := value.([]byte); ok {
			return uuid.FromBytes(raw)
		}
	case "decimal":
		ratio, ok := value.(*big.Rat)
		if !ok {
			return (*decimal.Decimal)(nil), nil
		}
		v := decimal.NewFromBigRat(ratio, 4)
		return &v, nil
	case "text":
		text, _ := value.(string)
		return text, nil
	case "texts":
		var texts []string
		items, _ := value.([]any)
		for _, item := range items {
			text, _ := item.(string)
			texts = append(texts, text)
		}
		return texts, nil
	case "uint8":
		if n, ok := value.(int32); ok {
			return uint8(n), nil
		}
	default:
		return value, nil
	}
	return nil, fmt.Errorf("column %s: %T is not what it takes", c.name, value)
}
