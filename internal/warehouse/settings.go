package warehouse

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// setting is one of the session on which exactly-once rests.
type setting struct {
	name  string
	value string
	// since names the version that brought a setting without which older servers do the same; empty when every server
	// that we speak to has it.
	since string
}

// insertSession makes one request one block, that one token names, written before the answer. Each differs from the
// default of some version, so all are stated with each insert.
var insertSession = []setting{
	// One token is one insert, for the table and for what views make of it.
	{name: "insert_deduplicate", value: "1"},
	{name: "deduplicate_insert", value: "enable", since: "26.1"},
	{name: "deduplicate_blocks_in_dependent_materialized_views", value: "1"},
	// Views write in their order, or the insert fails as a whole.
	{name: "materialized_views_ignore_errors", value: "0"},
	{name: "parallel_view_processing", value: "0"},
	// The answer comes after the parts are written. A quorum would make answers of unknown outcome the rule.
	{name: "async_insert", value: "0"},
	{name: "insert_quorum", value: "0"},
	// A block of a late file spans many months: let it.
	{name: "max_partitions_per_insert_block", value: "0"},
	// The block is not cut: a block of several would take one token each.
	{name: "max_insert_block_size", value: "1048576"},
	{name: "min_insert_block_size_rows", value: "1048576"},
	{name: "min_insert_block_size_bytes", value: "1073741824"},
	// JSON columns are sent as text; a null is refused and not made a default.
	{name: "input_format_native_allow_types_conversion", value: "1", since: "23.6"},
	{name: "input_format_null_as_default", value: "0"},
	// What stands in a JSON column as a text stays the text that was sent, and is not made a time in some zone.
	{name: "input_format_try_infer_dates", value: "0"},
	{name: "input_format_try_infer_datetimes", value: "0"},
}

// Memory is how long ClickHouse remembers the token of an insert: for so many blocks of a table, and for so long.
type Memory struct {
	Blocks int
	// For is 0 when time does not end it.
	For time.Duration
}

// SettingError is one setting that is not as it must be.
type SettingError struct {
	// Where is the table, or "session".
	Where  string
	Name   string
	Found  string
	Wanted string
	Do     string
}

func (e *SettingError) Error() string {
	return fmt.Sprintf("%s: setting %s is %s, want %s: %s", e.Where, e.Name, e.Found, e.Wanted, e.Do)
}

// SettingsError is all that is wrong with the settings of a server.
type SettingsError struct{ Wrong []*SettingError }

func (e *SettingsError) Error() string {
	lines := make([]string, len(e.Wrong))
	for i, wrong := range e.Wrong {
		lines[i] = wrong.Error()
	}
	return "clickhouse cannot store every event once:\n  " + strings.Join(lines, "\n  ")
}

// RequireSettings refuses a server on which exactly-once does not hold: tables that forget the tokens of inserts or are
// not synced to disk, and a profile that changes or forbids what we state with each insert. It asks the tables' own
// settings and the server's view of our session, because defaults move from version to version. The error is a
// [SettingsError], or says that it could not ask. The memory is the shortest of the tables.
func (w *Warehouse) RequireSettings(ctx context.Context, tables ...string) (Memory, error) {
	wrong, err := w.wrongSession(ctx)
	if err != nil {
		return Memory{}, err
	}
	var shortest Memory
	if w.cfg.Cluster != "" {
		found, err := w.wrongCluster(ctx)
		if err != nil {
			return Memory{}, err
		}
		wrong = append(wrong, found...)
	}
	for i, table := range tables {
		memory, found, err := w.wrongTable(ctx, table)
		if err != nil {
			return Memory{}, err
		}
		wrong = append(wrong, found...)
		if i == 0 || memory.Blocks < shortest.Blocks {
			shortest.Blocks = memory.Blocks
		}
		if memory.For > 0 && (shortest.For == 0 || memory.For < shortest.For) {
			shortest.For = memory.For
		}
	}
	if len(wrong) > 0 {
		return Memory{}, &SettingsError{Wrong: wrong}
	}
	return shortest, nil
}

// wrongSession compares what the server makes of our session with what was asked for. It also notes which of the newer
// settings the server has, for the inserts to state.
func (w *Warehouse) wrongSession(ctx context.Context) ([]*SettingError, error) {
	names := make([]string, len(insertSession))
	for i, s := range insertSession {
		names[i] = s.name
	}
	plain, err := w.sessionSettings(ctx, nil, names)
	if err != nil {
		return nil, err
	}
	var wrong []*SettingError
	stated := clickhouse.Settings{}
	for _, s := range insertSession {
		switch _, has := plain[s.name]; {
		case has:
			stated[s.name] = s.value
		case s.since == "":
			wrong = append(wrong, &SettingError{"session", s.name, "unknown to the server", s.value, "use ClickHouse 25.3 or newer"})
		}
	}
	asked, err := w.sessionSettings(ctx, stated, names)
	if code := codeOf(err); code == codeReadonly || code == codeConstraint {
		// A profile forbids one or more: each is tried alone.
		asked = maps.Clone(plain)
		for name, value := range stated {
			one, err := w.sessionSettings(ctx, clickhouse.Settings{name: value}, names)
			if code := codeOf(err); err != nil && code != codeReadonly && code != codeConstraint {
				return nil, err
			}
			if err == nil {
				asked[name] = one[name]
			}
		}
	} else if err != nil {
		return nil, err
	}
	for _, s := range insertSession {
		if _, has := stated[s.name]; has && asked[s.name] != s.value {
			wrong = append(wrong, &SettingError{
				"session", s.name, asked[s.name], s.value,
				fmt.Sprintf("the profile or a constraint of user %s fixes it: run ALTER USER %s SETTINGS %s = '%s', or take the constraint away", w.cfg.Username, w.cfg.Username, s.name, s.value),
			})
		}
	}
	w.stated.Store(&stated)
	return wrong, nil
}

const (
	codeReadonly   = 164
	codeConstraint = 452
)

// sessionSettings are the values that the server sees in a session with the given settings.
func (w *Warehouse) sessionSettings(ctx context.Context, with clickhouse.Settings, names []string) (map[string]string, error) {
	if with != nil {
		ctx = clickhouse.Context(ctx, clickhouse.WithSettings(maps.Clone(with)))
	}
	var rows []struct {
		Name  string `ch:"name"`
		Value string `ch:"value"`
	}
	if err := w.Select(ctx, &rows, "SELECT name, value FROM system.settings WHERE has(?, name)", names); err != nil {
		return nil, fmt.Errorf("read settings of the session: %w", err)
	}
	values := make(map[string]string, len(rows))
	for _, row := range rows {
		values[row.Name] = row.Value
	}
	return values, nil
}

// wrongCluster asks that an insert is sent to one replica of a shard, which tells the others: an insert that is sent to
// each would succeed in part.
func (w *Warehouse) wrongCluster(ctx context.Context) ([]*SettingError, error) {
	var servers, alone uint64
	query := "SELECT count(), countIf(NOT internal_replication) FROM system.clusters WHERE cluster = ?"
	if err := w.ScanRow(ctx, []any{&servers, &alone}, query, w.cfg.Cluster); err != nil {
		return nil, fmt.Errorf("read cluster %s: %w", w.cfg.Cluster, err)
	}
	switch {
	case servers == 0:
		return []*SettingError{{"cluster", w.cfg.Cluster, "unknown to the server", "defined", "define it in remote_servers, or set clickhouse.cluster to one of system.clusters"}}, nil
	case alone > 0:
		return []*SettingError{{"cluster " + w.cfg.Cluster, "internal_replication", "false", "true", "set internal_replication of each shard in remote_servers"}}, nil
	}
	return nil, nil
}

// The shortest memory that a table may have: the widest batches of a busy hour, and a weekend.
const (
	leastBlocks = 1000
	leastFor    = 48 * time.Hour
)

// wrongTable compares what a table states with what inserts rest on.
func (w *Warehouse) wrongTable(ctx context.Context, table string) (Memory, []*SettingError, error) {
	var engine string
	err := w.ScanRow(ctx, []any{&engine}, "SELECT engine_full FROM system.tables WHERE database = ? AND name = ?", Database, w.held(table))
	if err != nil {
		return Memory{}, nil, fmt.Errorf("read settings of %s.%s: %w", Database, table, err)
	}
	stated := tableSettings(engine)
	var wrong []*SettingError
	held := Database + "." + w.held(table)
	need := func(name string, least, want int) int {
		found, err := strconv.Atoi(stated[name])
		if err == nil && found >= least {
			return found
		}
		said := stated[name]
		if said == "" {
			said = "not stated"
		}
		wrong = append(wrong, &SettingError{
			held, name, said, fmt.Sprintf("%d or more", least),
			fmt.Sprintf("run ALTER TABLE %s MODIFY SETTING %s = %d", held, name, want),
		})
		return 0
	}
	var memory Memory
	if strings.HasPrefix(engine, "Replicated") || strings.HasPrefix(engine, "Shared") {
		memory.Blocks = need("replicated_deduplication_window", leastBlocks, tokenBlocks)
		memory.For = time.Duration(need("replicated_deduplication_window_seconds", int(leastFor.Seconds()), int(tokenFor.Seconds()))) * time.Second
	} else {
		memory.Blocks = need("non_replicated_deduplication_window", leastBlocks, tokenBlocks)
	}
	need("fsync_after_insert", 1, 1)
	need("fsync_part_directory", 1, 1)
	return memory, wrong, nil
}

// What our own tables state.
const (
	tokenBlocks = 10_000
	tokenFor    = 7 * 24 * time.Hour
)

var statedSetting = regexp.MustCompile(`(\w+) = '?(\w+)'?`)

// tableSettings reads the SETTINGS clause of an engine as the server writes it.
func tableSettings(engine string) map[string]string {
	stated := map[string]string{}
	_, clause, _ := strings.Cut(engine, " SETTINGS ")
	for _, found := range statedSetting.FindAllStringSubmatch(clause, -1) {
		stated[found[1]] = found[2]
	}
	return stated
}

// insertSettings are those of one insert.
func (w *Warehouse) insertSettings(token string) clickhouse.Settings {
	settings := clickhouse.Settings{}
	if stated := w.stated.Load(); stated != nil {
		maps.Copy(settings, *stated)
	} else {
		for _, s := range insertSession {
			if s.since == "" {
				settings[s.name] = s.value
			}
		}
	}
	settings["insert_deduplication_token"] = token
	return settings
}
