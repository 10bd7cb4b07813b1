package up

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// dataDir is the folder that one running pipeline owns.
type dataDir struct {
	path string
	lock *os.File
}

// openDataDir makes the folder and locks it: two processes on one set of topics and tables would ruin
// both. The lock goes with the process, also when it is killed.
func openDataDir(path string) (*dataDir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("make embedded.data_dir: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of embedded.data_dir: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		locked := fmt.Errorf("embedded.data_dir %s is in use by another process: stop it, or name another folder with --data-dir", path)
		return nil, errors.Join(locked, lock.Close())
	}
	return &dataDir{path: path, lock: lock}, nil
}

func (d *dataDir) sub(name string) string { return filepath.Join(d.path, name) }

func (d *dataDir) close() error { return d.lock.Close() }

const (
	hashKeyFile    = "hash.key"
	adminTokenFile = "admin.token"
)

// hashKey reads the workspace's key, or makes one that stays as long as the folder.
func (d *dataDir) hashKey() (string, error) { return d.secret(hashKeyFile, "hash key") }

// adminToken reads the operators' token, or makes one that stays as long as the folder.
func (d *dataDir) adminToken() (string, error) { return d.secret(adminTokenFile, "admin token") }

const secretBytes = 32

// secret reads a file of hexadecimal digits, which is made at first and readable for its owner only.
func (d *dataDir) secret(file, what string) (string, error) {
	path := d.sub(file)
	kept, err := os.ReadFile(path)
	if err == nil {
		if secret := strings.TrimSpace(string(kept)); secret != "" {
			return secret, nil
		}
		return "", fmt.Errorf("read %s: %s is empty: restore it from a backup, or delete it for a new one", what, path)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read %s: %w", what, err)
	}
	raw := make([]byte, secretBytes)
	// rand.Read never fails.
	_, _ = rand.Read(raw)
	secret := hex.EncodeToString(raw)
	if err := writeFile(path, []byte(secret+"\n")); err != nil {
		return "", fmt.Errorf("keep %s: %w", what, err)
	}
	return secret, nil
}

// ReadAdminToken reads the token that a pipeline with this data folder made for its operators.
func ReadAdminToken(dir string) (string, error) {
	kept, err := os.ReadFile(filepath.Join(dir, adminTokenFile))
	if err != nil {
		return "", fmt.Errorf("read admin token: %w", err)
	}
	return strings.TrimSpace(string(kept)), nil
}

// Addresses are where a running pipeline answers.
type Addresses struct {
	Collector  string `json:"collector"`
	Registry   string `json:"registry"`
	ClickHouse string `json:"clickhouse"`
	Kafka      string `json:"kafka"`
	Admin      string `json:"admin"`
}

// Write puts the addresses into a file, whole or not at all.
func (a Addresses) Write(path string) error {
	text, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("write addresses: %w", err)
	}
	if err := writeFile(path, append(text, '\n')); err != nil {
		return fmt.Errorf("write addresses: %w", err)
	}
	return nil
}

// ReadAddresses reads what Write wrote.
func ReadAddresses(path string) (Addresses, error) {
	var a Addresses
	text, err := os.ReadFile(path)
	if err != nil {
		return a, fmt.Errorf("read addresses: %w", err)
	}
	if err := json.Unmarshal(text, &a); err != nil {
		return a, fmt.Errorf("read addresses in %s: %w", path, err)
	}
	return a, nil
}

// writeFile replaces a file so that a reader, or a crash, sees the old one or the new one.
func writeFile(path string, content []byte) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	if _, err := file.Write(content); err != nil {
		return errors.Join(err, file.Close())
	}
	if err := file.Sync(); err != nil {
		return errors.Join(err, file.Close())
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
