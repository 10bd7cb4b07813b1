//go:build linux || darwin

package clickhouse

import (
	"context"
	"regexp"
	"strings"
	"time"

	"go.uber.org/zap"
)

// dueDictionaries are loaded ones older than the middle of their LIFETIME. A ClickHouse server reloads each at a
// random time within it; libchdb loads a dictionary once and never again, so this package does the server's part.
const dueDictionaries = `SELECT database, name
FROM system.dictionaries WHERE status = 'LOADED' AND lifetime_max > 0 AND database != ''
AND dateDiff('second', last_successful_update_time, now()) >= greatest(1, intDiv(lifetime_min + lifetime_max, 2))`

// invalidateQuery finds the query by which a dictionary asks its source whether anything changed.
var invalidateQuery = regexp.MustCompile(`(?i)INVALIDATE_QUERY '((?:[^'\\]|\\.|'')*)'`)

func (e *engine) reloadDictionaries(ctx context.Context) {
	conn, err := e.connection(nil)
	if err != nil {
		e.log.Error("dictionaries are not reloaded: no connection to the engine", zap.Error(err))
		return
	}
	defer conn.close()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	seen := make(map[string]string) // what the source of each dictionary answered at the last reload
	failures := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		due, err := conn.exec(dueDictionaries)
		for line := range strings.Lines(due) {
			database, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
			if reloadErr := reloadDictionary(conn, database, name, seen); reloadErr != nil {
				err = reloadErr
			}
		}
		// A dictionary with a broken source fails every second: say it seldom.
		if err == nil {
			failures = 0
		} else if failures++; failures%60 == 1 {
			e.log.Warn("a dictionary cannot be reloaded and keeps its old content", zap.Int("failures", failures))
		}
	}
}

// reloadDictionary loads a dictionary anew unless its source says that nothing changed.
func reloadDictionary(conn *connection, database, name string, seen map[string]string) error {
	quoted := quoteName(database) + "." + quoteName(name)
	definition, err := conn.exec("SHOW CREATE DICTIONARY " + quoted + " FORMAT TSVRaw")
	if err != nil {
		return err
	}
	state := ""
	if found := invalidateQuery.FindStringSubmatch(definition); found != nil {
		query := strings.NewReplacer(`''`, `'`, `\'`, `'`, `\\`, `\`).Replace(found[1])
		if state, err = conn.exec(query); err != nil {
			return err
		}
		if last, known := seen[quoted]; known && last == state {
			return nil
		}
	}
	if _, err := conn.exec("SYSTEM RELOAD DICTIONARY " + quoted); err != nil {
		return err
	}
	seen[quoted] = state
	return nil
}
