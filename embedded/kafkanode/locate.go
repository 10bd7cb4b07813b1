package kafkanode

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Locate returns the folder of the jars that `make setup-kafka` fetched: .cache/kafka/jars of the project which the
// working directory is in. It also makes sure of Java, so that a test can say at once what is missing.
func Locate() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("locate Apache Kafka: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			break
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("locate Apache Kafka: the working directory is in no folder with a go.work")
		}
		dir = parent
	}
	jars := filepath.Join(dir, ".cache", "kafka", "jars")
	if !hasKafka(jars) {
		return "", fmt.Errorf("locate Apache Kafka: %w in %s: run `make setup-kafka`", ErrNoJars, jars)
	}
	if _, err := exec.LookPath("java"); err != nil {
		return "", fmt.Errorf("locate Apache Kafka: %w on PATH: install a JRE of version 17 or later", ErrNoJava)
	}
	return jars, nil
}

func hasKafka(jars string) bool {
	found, err := filepath.Glob(filepath.Join(jars, "kafka_*.jar"))
	return err == nil && len(found) > 0
}
