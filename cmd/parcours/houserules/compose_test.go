package houserules

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/parcours-cdp/parcours/embedded/backend"
)

// ourServices are built from this repository; the others of docker-compose.yml are what they run on.
var ourServices = map[string]struct{ needs []string }{
	"collector": {[]string{"kafka", "registry"}},
	"identity":  {[]string{"kafka", "registry"}},
	"enricher":  {[]string{"kafka", "registry"}},
	"sink":      {[]string{"kafka", "registry", "clickhouse"}},
}

// composed is the part of a compose file that the rules look at.
type composed struct {
	Image       string            `yaml:"image"`
	User        string            `yaml:"user"`
	ReadOnly    bool              `yaml:"read_only"`
	CapDrop     []string          `yaml:"cap_drop"`
	SecurityOpt []string          `yaml:"security_opt"`
	Command     []string          `yaml:"command"`
	Environment map[string]string `yaml:"environment"`
	Ports       []string          `yaml:"ports"`
	Secrets     []any             `yaml:"secrets"`
	HealthCheck struct {
		Test []string `yaml:"test"`
	} `yaml:"healthcheck"`
	DependsOn map[string]struct {
		Condition string `yaml:"condition"`
	} `yaml:"depends_on"`
}

// The services of docker-compose.yml run as nobody, write nothing, say whether they are well, and wait for each other.
func TestCompose(t *testing.T) {
	text := string(repository(t).texts["docker-compose.yml"])
	for _, sentence := range composeFaults(t, text) {
		t.Error(sentence)
	}
	f := func(old, replacement, want string) {
		t.Helper()
		if !strings.Contains(text, old) {
			t.Fatalf("docker-compose.yml no longer has %q: this proof needs another", old)
		}
		got := strings.Join(composeFaults(t, strings.ReplaceAll(text, old, replacement)), "\n")
		if !strings.Contains(got, want) {
			t.Errorf("with %q for %q: want %q in %q", replacement, old, want, got)
		}
	}
	f(`user: "65532:65532"`, `user: root`, "collector runs as root")
	f("  read_only: true\n", "", "collector may write")
	f("cap_drop: [ALL]", "cap_drop: []", "collector keeps capabilities")
	f("9603/readyz", "9602/readyz", "enricher is probed")
	f("condition: service_healthy", "condition: service_started", "collector starts before kafka is healthy")
	f("clickhouse: { condition: service_healthy }", "", "sink starts before clickhouse is healthy")
	f(`"127.0.0.1:8080:8080"`, `"8080:8080"`, "collector publishes 8080:8080")
	f("karapace:6.2.2", "karapace:latest", "registry has the image")
	f(backend.KafkaImage, "apache/kafka:4.0.0", "kafka has the image apache/kafka:4.0.0")
	f(`["CMD", "clickhouse-client", "--query", "SELECT 1"]`, "[]", "clickhouse has no health check")
}

func composeFaults(t *testing.T, text string) []string {
	t.Helper()
	var file struct {
		Services map[string]composed `yaml:"services"`
	}
	if err := yaml.Unmarshal([]byte(text), &file); err != nil {
		t.Fatalf("read docker-compose.yml: %v", err)
	}
	var found []string
	say := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	for _, name := range slices.Sorted(maps.Keys(file.Services)) {
		service := file.Services[name]
		if len(service.HealthCheck.Test) == 0 {
			say("%s has no health check: others wait for it", name)
		}
		for _, port := range service.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				say("%s publishes %s: publish on 127.0.0.1, a reverse proxy does the rest", name, port)
			}
		}
		if _, ours := ourServices[name]; ours {
			continue
		}
		if _, tag, pinned := strings.Cut(path.Base(service.Image), ":"); !pinned || tag == "latest" {
			say("%s has the image %s: pin its version", name, service.Image)
		}
	}
	for service, want := range map[string]string{"kafka": backend.KafkaImage, "clickhouse": backend.ClickHouseImage} {
		if got := file.Services[service].Image; got != want {
			say("%s has the image %s and the tests' containers run %s: move both together", service, got, want)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(ourServices)) {
		found = append(found, serviceFaults(name, file.Services[name], ourServices[name].needs)...)
	}
	return found
}

func serviceFaults(name string, service composed, needs []string) []string {
	var found []string
	say := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	if !slices.Equal(service.Command, []string{name}) {
		say("%s runs %v: want the command %s", name, service.Command, name)
	}
	if uid, _, _ := strings.Cut(service.User, ":"); uid == "" || uid == "0" || uid == "root" {
		say("%s runs as root: give it a user", name)
	}
	if !service.ReadOnly {
		say("%s may write into its file system: set read_only", name)
	}
	if !slices.Contains(service.CapDrop, "ALL") {
		say("%s keeps capabilities: drop ALL", name)
	}
	if !slices.Contains(service.SecurityOpt, "no-new-privileges:true") {
		say("%s may gain privileges: set no-new-privileges", name)
	}
	_, port, _ := strings.Cut(service.Environment["PARCOURS_ADMIN_LISTEN"], ":")
	if want := []string{"CMD", "/parcours", "probe", "http://127.0.0.1:" + port + "/readyz"}; !slices.Equal(service.HealthCheck.Test, want) {
		say("%s is probed with %v: want %v, its own admin port", name, service.HealthCheck.Test, want)
	}
	for _, needed := range needs {
		if service.DependsOn[needed].Condition != "service_healthy" {
			say("%s starts before %s is healthy: make it wait", name, needed)
		}
	}
	return found
}

// The image's first layer has every go.mod, so that a change of code downloads nothing; it runs as nobody.
func TestDockerfile(t *testing.T) {
	ours := repository(t)
	first, rest, found := strings.Cut(string(ours.texts["Dockerfile"]), "COPY . .")
	if !found {
		t.Fatal("the Dockerfile does not copy the sources by `COPY . .`")
	}
	for name := range ours.texts {
		dir := path.Dir(name)
		if path.Base(name) != "go.mod" || under(dir, outside...) || strings.Contains(name, "/testdata/") {
			continue
		}
		if want := "COPY " + dir + "/go.mod " + dir + "/go.sum " + dir + "/"; !strings.Contains(first, want) {
			t.Errorf("the Dockerfile lacks %q before the sources", want)
		}
	}
	if !strings.Contains(rest, "\nUSER 65532") {
		t.Error("the image does not name an unprivileged user")
	}
}

// The Kafka of `make kafka` is the one of the containers.
func TestOneKafka(t *testing.T) {
	version := backend.KafkaImage[strings.Index(backend.KafkaImage, ":")+1:]
	if !strings.Contains(string(repository(t).texts["tools/kafka/pom.xml"]), "<version>"+version+"</version>") {
		t.Errorf("tools/kafka/pom.xml does not have Kafka %s, which docker-compose.yml runs", version)
	}
}
