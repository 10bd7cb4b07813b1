// Command kafka-node runs one real Apache Kafka node from its jars, for `make kafka`.
package main

import (
	"os"

	"github.com/parcours-cdp/parcours/embedded/kafkanode"
)

func main() {
	os.Exit(kafkanode.Program(os.Args[1:]))
}
