package collector

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// The reference names every reason, every key of the configuration and every metric.
func TestReferenceIsComplete(t *testing.T) {
	text, err := os.ReadFile("../../docs/reference/collector.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for reason := range details {
		if !strings.Contains(page, "`"+string(reason)+"`") {
			t.Errorf("reason %s is not in the reference", reason)
		}
	}
	for _, key := range configKeys(reflect.TypeFor[Config](), "") {
		last := key[strings.LastIndex(key, ".")+1:]
		if !strings.Contains(page, "`"+key+"`") && !strings.Contains(page, "."+last+"`") {
			t.Errorf("configuration key %s is not in the reference", key)
		}
	}
	reg := prometheus.NewRegistry()
	newMetrics(reg, func() float64 { return 0 })
	described := make(chan *prometheus.Desc, 100)
	reg.Describe(described)
	close(described)
	for desc := range described {
		_, rest, _ := strings.Cut(desc.String(), `fqName: "`)
		name, _, _ := strings.Cut(rest, `"`)
		if !strings.Contains(page, name) {
			t.Errorf("metric %s is not in the reference", name)
		}
	}
}

func configKeys(of reflect.Type, path string) []string {
	var keys []string
	for i := range of.NumField() {
		name := of.Field(i).Tag.Get("koanf")
		inner := of.Field(i).Type
		list := inner.Kind() == reflect.Slice
		if list {
			inner = inner.Elem()
		}
		switch {
		case name == "-" || name == "":
		case inner.Kind() == reflect.Struct && name != "identifiers":
			if list {
				name += "[]"
			}
			keys = append(keys, configKeys(inner, path+name+".")...)
		default:
			keys = append(keys, path+name)
		}
	}
	return keys
}
