package warehouse

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/pressly/goose/v3"
	"go.uber.org/zap"
)

// Migrate creates the database if need be and brings it up to the last of the numbered migrations in the folder. Each
// file holds one statement that may be repeated, because ClickHouse has no transaction around it and the note that
// it ran. Instances that start together take turns. A database with a later migration than the folder's last belongs
// to a newer program and is refused.
func Migrate(ctx context.Context, cfg Config, migrations fs.FS, log *zap.Logger) error {
	w, err := Open(cfg)
	if err != nil {
		return err
	}
	defer closeQuietly(w, log)
	if err := createDatabase(ctx, cfg); err != nil {
		return err
	}
	return w.withLock(ctx, log, func(ctx context.Context) error {
		if cfg.Cluster != "" {
			if err := w.Exec(ctx, createVersions); err != nil {
				return err
			}
		}
		return migrate(ctx, cfg, cfg.ClusterMigrations(migrations), log)
	})
}

// createVersions makes the table of applied migrations as goose would, which knows no clusters.
const createVersions = `CREATE TABLE IF NOT EXISTS ` + Database + `.goose_db_version
(
    version_id Int64,
    is_applied UInt8,
    date       Date DEFAULT now(),
    tstamp     DateTime DEFAULT now()
)
ENGINE = MergeTree
ORDER BY (version_id)
COMMENT 'Migrations that were applied.'`

// createDatabase runs outside of the database, which may not exist.
func createDatabase(ctx context.Context, cfg Config) error {
	opts, err := cfg.options("default")
	if err != nil {
		return err
	}
	conn, err := clickhouse.Open(opts)
	if err != nil {
		return fmt.Errorf("open clickhouse at %v: %w", cfg.Addresses, err)
	}
	statement := "CREATE DATABASE IF NOT EXISTS " + Database
	if cfg.Cluster != "" {
		statement += cfg.cluster().on()
	}
	err = conn.Exec(ctx, statement)
	if err := errors.Join(err, conn.Close()); err != nil {
		return fmt.Errorf("create database %s: %w", Database, err)
	}
	return nil
}

func migrate(ctx context.Context, cfg Config, migrations fs.FS, log *zap.Logger) error {
	opts, err := cfg.options(Database)
	if err != nil {
		return err
	}
	db := clickhouse.OpenDB(opts)
	provider, err := goose.NewProvider(goose.DialectClickHouse, db, migrations, goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return errors.Join(fmt.Errorf("read migrations: %w", err), db.Close())
	}
	current, target, err := provider.GetVersions(ctx)
	switch {
	case err != nil:
		err = fmt.Errorf("read version of database %s: %w", Database, err)
	case current > target:
		err = fmt.Errorf("migrate database %s: it is at version %d and this program knows versions up to %d: start the newer program, or restore a backup", Database, current, target)
	default:
		var results []*goose.MigrationResult
		if results, err = provider.Up(ctx); err != nil {
			err = fmt.Errorf("migrate database %s: %w", Database, err)
		}
		for _, result := range results {
			log.Info("migration applied", zap.Int64("version", result.Source.Version), zap.Duration("took", result.Duration))
		}
	}
	return errors.Join(err, provider.Close())
}

// Retention is how long a table keeps rows, counted in months from one of its times.
type Retention struct {
	Table  string
	Column string
	Months int
}

var intervalMonths = regexp.MustCompile(`toIntervalMonth\((\d+)\)`)

// Retain gives tables their time to live. A table that has it already is left alone. Otherwise ClickHouse
// writes it into the parts that are there in the background: a merge alone would let old rows live as long as the time
// that was written with them.
func (w *Warehouse) Retain(ctx context.Context, retentions ...Retention) error {
	for _, r := range retentions {
		var engine string
		if err := w.ScanRow(ctx, []any{&engine}, "SELECT engine_full FROM system.tables WHERE database = ? AND name = ?", Database, w.held(r.Table)); err != nil {
			return fmt.Errorf("read retention of %s: %w", r.Table, err)
		}
		if found := intervalMonths.FindStringSubmatch(engine); found != nil && found[1] == fmt.Sprint(r.Months) {
			continue
		}
		statement := fmt.Sprintf("ALTER TABLE %s.%s MODIFY TTL toDateTime(%s) + INTERVAL %d MONTH SETTINGS materialize_ttl_after_modify = 1, mutations_sync = 0", Database, r.Table, r.Column, r.Months)
		if err := w.Exec(ctx, statement); err != nil {
			return fmt.Errorf("set retention of %s to %d months: %w", r.Table, r.Months, err)
		}
	}
	return nil
}

func closeQuietly(w *Warehouse, log *zap.Logger) {
	if err := w.Close(); err != nil {
		log.Warn("clickhouse connections not closed", zap.Error(err))
	}
}
