// Command rivals is a stream processor that the benchmarks compare the sink with: Redpanda Connect, with the parts that they use. It has a
// module of its own, so that its needs do not raise the versions of the product.
package main

import (
	"context"

	_ "github.com/redpanda-data/benthos/v4/public/components/io"
	_ "github.com/redpanda-data/benthos/v4/public/components/pure"
	"github.com/redpanda-data/benthos/v4/public/service"
	_ "github.com/redpanda-data/connect/v4/public/components/kafka"
)

func main() { service.RunCLI(context.Background()) }
