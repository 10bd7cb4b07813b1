// Package workspace says for whom the pipeline runs: the retailer's name, currency, place and secret.
package workspace

import (
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"time"
)

// Config is one tenant.
type Config struct {
	// Name of the workspace, part of every key and row: small letters, digits, - and _.
	Name string `koanf:"name"`
	// Currency is the ISO 4217 code of amounts that do not name one.
	Currency string `koanf:"currency"`
	// Timezone is the IANA zone of shops and visitors that do not name one.
	Timezone string `koanf:"timezone"`
	// Region is the ISO 3166 country that telephone numbers and bank holidays are read in.
	Region string `koanf:"region"`
	// HashKey keys the hashes of identifiers: 64 or more hexadecimal digits. Losing or changing it gives every
	// customer a new id.
	HashKey string `koanf:"hash_key" secret:"true"`
	// SourcePriorities say which source is believed for which field of a customer, in the warehouse and on the events; without any, the newest
	// value of a field holds.
	SourcePriorities []SourcePriority `koanf:"source_priorities"`
}

// DefaultConfig is a French retailer; the hash key has no default.
func DefaultConfig() Config {
	return Config{Name: "default", Currency: "EUR", Timezone: "Europe/Paris", Region: "FR"}
}

const minKeyBytes = 32

var (
	nameForm     = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)
	currencyForm = regexp.MustCompile(`^[A-Z]{3}$`)
	regionForm   = regexp.MustCompile(`^[A-Z]{2}$`)
)

// Validate names the field that is wrong, its value (never the key's) and what to do.
func (c Config) Validate() error {
	if !nameForm.MatchString(c.Name) {
		return fmt.Errorf("workspace.name is %q: use small letters, digits, - and _", c.Name)
	}
	if !currencyForm.MatchString(c.Currency) {
		return fmt.Errorf("workspace.currency is %q: give an ISO 4217 code such as EUR", c.Currency)
	}
	if !regionForm.MatchString(c.Region) {
		return fmt.Errorf("workspace.region is %q: give an ISO 3166 code such as FR", c.Region)
	}
	if _, err := c.Location(); err != nil {
		return err
	}
	if err := validatePriorities(c.SourcePriorities); err != nil {
		return err
	}
	_, err := c.Key()
	return err
}

// Location is the workspace's time zone.
func (c Config) Location() (*time.Location, error) {
	location, err := time.LoadLocation(c.Timezone)
	if err != nil || c.Timezone == "" {
		return nil, fmt.Errorf("workspace.timezone is %q: give an IANA zone such as Europe/Paris", c.Timezone)
	}
	return location, nil
}

// Key is the hash key as bytes.
func (c Config) Key() ([]byte, error) {
	if c.HashKey == "" {
		return nil, errors.New("workspace.hash_key is empty: give 64 hexadecimal digits (openssl rand -hex 32), as PARCOURS_WORKSPACE_HASH_KEY or in the file that PARCOURS_WORKSPACE_HASH_KEY_FILE names")
	}
	key, err := hex.DecodeString(c.HashKey)
	if err != nil {
		return nil, errors.New("workspace.hash_key is not hexadecimal: give 64 digits, for example from openssl rand -hex 32")
	}
	if len(key) < minKeyBytes {
		return nil, fmt.Errorf("workspace.hash_key has %d bytes: give %d or more", len(key), minKeyBytes)
	}
	return key, nil
}
