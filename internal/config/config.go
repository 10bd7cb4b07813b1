// Package config loads configuration: defaults, then a YAML file, then PARCOURS_* environment variables,
// then flags, each over the one before. An unknown key is an error wherever it stands, and so is a
// secret printed: [Print] redacts them.
package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
)

const (
	envPrefix  = "PARCOURS_"
	fileSuffix = "_FILE"
)

// reserved are environment variables with our prefix that are not configuration keys.
var reserved = []string{"PARCOURS_CONFIG", "PARCOURS_CHDB_LIB", "PARCOURS_TEST_", "PARCOURS_REQUIRE_", "PARCOURS_ENGINE_"}

// Source says where configuration comes from besides the defaults.
type Source struct {
	// File is the path of a YAML file; empty for none.
	File string
	// Environ is the environment as os.Environ gives it.
	Environ []string
	// Flags are key=value pairs in dotted keys, for example collector.listen=127.0.0.1:0.
	Flags []string
	// Others are top-level sections that belong to other programs sharing the file.
	Others []string
}

// Section is a top-level key of the configuration and the struct it fills.
type Section struct {
	// Name is the top-level key.
	Name string
	// Into is a pointer to a struct of defaults with koanf tags.
	Into any
}

// Load lays the source over what the sections hold. The error names the key, where it stands and what
// to do.
func Load(source Source, sections ...Section) error {
	known := keysOf(sections)
	k := koanf.New(".")
	if source.File != "" {
		if err := k.Load(file.Provider(source.File), yaml.Parser()); err != nil {
			return fmt.Errorf("read configuration %s: %w", source.File, err)
		}
		for _, other := range source.Others {
			if !known.hasSection(other) {
				k.Delete(other)
			}
		}
		for _, key := range k.Keys() {
			if !known.covers(key) {
				return fmt.Errorf("configuration %s: unknown key %s%s", source.File, key, known.suggest(key))
			}
		}
	}
	env, err := fromEnviron(known, source)
	if err != nil {
		return err
	}
	flags, err := fromFlags(known, source.Flags)
	if err != nil {
		return err
	}
	for _, layer := range []map[string]any{env, flags} {
		if err := k.Load(confmap.Provider(layer, "."), nil); err != nil {
			return fmt.Errorf("merge configuration: %w", err)
		}
	}
	for _, section := range sections {
		if err := decode(k, section); err != nil {
			return err
		}
	}
	return nil
}

func decode(k *koanf.Koanf, section Section) error {
	decoder := &mapstructure.DecoderConfig{
		Result:           section.Into,
		ErrorUnused:      true,
		WeaklyTypedInput: true,
		TagName:          "koanf",
		DecodeHook: mapstructure.ComposeDecodeHookFunc(
			duration,
			quoted,
			mapstructure.StringToSliceHookFunc(","),
			mapstructure.TextUnmarshallerHookFunc(),
			replaceList,
		),
	}
	if err := k.UnmarshalWithConf(section.Name, section.Into, koanf.UnmarshalConf{Tag: "koanf", DecoderConfig: decoder}); err != nil {
		return fmt.Errorf("read configuration section %s: %w", section.Name, err)
	}
	return nil
}

// duration reads a duration and, unlike mapstructure's own hook, names the value it cannot read.
func duration(_, to reflect.Type, value any) (any, error) {
	text, isText := value.(string)
	if to != reflect.TypeFor[time.Duration]() || !isText {
		return value, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return nil, fmt.Errorf("%q is no duration: write it as 500ms, 5s or 2h", text)
	}
	return d, nil
}

// quoted refuses a number where a text is wanted: YAML has changed it by then, 0123 to 83 and long ones to a float,
// and a key or a password would be another one than was written. A day is what was written, also as the time that YAML makes of it.
func quoted(from, to reflect.Value) (any, error) {
	if to.Kind() != reflect.String {
		return from.Interface(), nil
	}
	if from.CanInt() || from.CanUint() || from.CanFloat() {
		return nil, errors.New("it is a text that YAML takes for a number: put it in quotes")
	}
	if at, ok := from.Interface().(time.Time); ok {
		if !at.Equal(at.UTC().Truncate(24 * time.Hour)) {
			return nil, errors.New("it is a text that YAML takes for a time: put it in quotes")
		}
		return at.UTC().Format(time.DateOnly), nil
	}
	return from.Interface(), nil
}

// replaceList empties a list before it is decoded into: without it, fields that an element leaves out
// would be those of the default that stood in its place.
func replaceList(from, to reflect.Value) (any, error) {
	if to.Kind() == reflect.Slice && to.CanSet() {
		to.SetZero()
	}
	return from.Interface(), nil
}

// keys are the dotted keys of a configuration struct, in its order.
type keys []key

type key struct {
	path   string
	secret bool
	// open keys are lists of records and maps: what stands below them is checked when it is decoded.
	open bool
}

func keysOf(sections []Section) keys {
	var all keys
	for _, section := range sections {
		all = append(all, keysBelow(section)...)
	}
	return all
}

func keysBelow(section Section) keys {
	var all keys
	walk(reflect.ValueOf(section.Into).Elem(), section.Name+".", func(path string, field reflect.StructField, value reflect.Value) {
		all = append(all, key{
			path:   path,
			secret: field.Tag.Get("secret") == "true",
			open:   value.Kind() == reflect.Map || (value.Kind() == reflect.Slice && value.Type().Elem().Kind() == reflect.Struct),
		})
	})
	return all
}

// walk visits the leaves of a configuration struct in its order.
func walk(value reflect.Value, prefix string, visit func(path string, field reflect.StructField, value reflect.Value)) {
	eachField(value, func(name string, field reflect.StructField, value reflect.Value) {
		if value.Kind() == reflect.Struct {
			walk(value, prefix+name+".", visit)
			return
		}
		visit(prefix+name, field, value)
	})
}

// eachField visits the fields of a struct that have a key, those of embedded structs in their place.
func eachField(value reflect.Value, visit func(name string, field reflect.StructField, value reflect.Value)) {
	for i := range value.NumField() {
		field := value.Type().Field(i)
		name := field.Tag.Get("koanf")
		switch {
		case !field.IsExported() || name == "-":
		case name != "" && !strings.HasPrefix(name, ","):
			visit(name, field, value.Field(i))
		case field.Anonymous || strings.Contains(name, "squash"):
			eachField(value.Field(i), visit)
		}
	}
}

func (k keys) hasSection(name string) bool {
	return slices.ContainsFunc(k, func(known key) bool { return known.path == name || strings.HasPrefix(known.path, name+".") })
}

// covers tells whether a key of a file is known: a leaf, below an open key, or an empty section.
func (k keys) covers(path string) bool {
	return slices.ContainsFunc(k, func(known key) bool {
		return known.path == path || (known.open && strings.HasPrefix(path, known.path+".")) || strings.HasPrefix(known.path, path+".")
	})
}

// suggest names known keys that end like the unknown one.
func (k keys) suggest(path string) string {
	last := path[strings.LastIndex(path, ".")+1:]
	var near []string
	for _, known := range k {
		if strings.HasSuffix(known.path, "."+last) || known.path == last {
			near = append(near, known.path)
		}
	}
	if len(near) == 0 {
		return "; parcours config print lists the known ones"
	}
	return "; did you mean " + strings.Join(near, " or ") + "?"
}

func (k key) env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(k.path, ".", "_"))
}

func fromEnviron(known keys, source Source) (map[string]any, error) {
	values := make(map[string]any)
	for _, entry := range source.Environ {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, envPrefix) || slices.ContainsFunc(reserved, func(r string) bool { return strings.HasPrefix(name, r) }) {
			continue
		}
		if slices.ContainsFunc(source.Others, func(other string) bool {
			return strings.HasPrefix(name, envPrefix+strings.ToUpper(other)+"_") && !known.hasSection(other)
		}) {
			continue
		}
		at := slices.IndexFunc(known, func(k key) bool { return k.env() == name })
		if at >= 0 && !known[at].open {
			values[known[at].path] = value
			continue
		}
		at = slices.IndexFunc(known, func(k key) bool { return k.secret && k.env()+fileSuffix == name })
		if at < 0 {
			return nil, fmt.Errorf("environment variable %s names no configuration key; parcours config print lists them", name)
		}
		secret, err := os.ReadFile(value)
		if err != nil {
			return nil, fmt.Errorf("read the secret that %s names: %w", name, err)
		}
		values[known[at].path] = strings.TrimRight(string(secret), "\r\n")
	}
	return values, nil
}

func fromFlags(known keys, flags []string) (map[string]any, error) {
	values := make(map[string]any)
	for _, flag := range flags {
		path, value, found := strings.Cut(flag, "=")
		if !found {
			return nil, fmt.Errorf("--set %s: write it as key=value", flag)
		}
		if !slices.ContainsFunc(known, func(k key) bool { return k.path == path && !k.open }) {
			return nil, fmt.Errorf("--set %s: unknown key %s%s", flag, path, known.suggest(path))
		}
		values[path] = value
	}
	return values, nil
}
