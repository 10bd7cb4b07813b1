// Command rivals is a stream processor that the benchmarks compare the sink with: Bento, the fork of Benthos, of which
// Redpanda Connect is the continuation. It has a module of its own, so that its needs do not raise the versions of the product.
package main

import (
	"context"

	_ "github.com/warpstreamlabs/bento/public/components/io"
	_ "github.com/warpstreamlabs/bento/public/components/kafka"
	_ "github.com/warpstreamlabs/bento/public/components/pure"
	"github.com/warpstreamlabs/bento/public/service"
)

func main() { service.RunCLI(context.Background()) }
