package attributes

import "fmt"

// Config bounds the memory of the store.
type Config struct {
	// FilterBytes is the memory of the filter that answers for people of whom nothing is known: 10 bits a node of the identity map keep 99 % of them from the disk.
	FilterBytes int `koanf:"filter_bytes"`
	// CacheBytes is the memory for what was joined and looked up, about.
	CacheBytes int `koanf:"cache_bytes"`
	// BlockCacheBytes is the memory for blocks of the disk.
	BlockCacheBytes int `koanf:"block_cache_bytes"`
}

// DefaultConfig is for some ten million nodes.
func DefaultConfig() Config {
	return Config{FilterBytes: 16 << 20, CacheBytes: 64 << 20, BlockCacheBytes: 32 << 20}
}

// Validate names the field that is wrong, its value and what to do.
func (c Config) Validate() error {
	for _, field := range []struct {
		name        string
		value, most int
	}{{"filter_bytes", c.FilterBytes, 16 << 30}, {"cache_bytes", c.CacheBytes, 64 << 30}, {"block_cache_bytes", c.BlockCacheBytes, 64 << 30}} {
		if field.value < 64<<10 || field.value > field.most {
			return fmt.Errorf("%s is %d: give %d to %d", field.name, field.value, 64<<10, field.most)
		}
	}
	return nil
}
