package service

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/parcours-cdp/parcours/internal/config"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

// Names are the services; each owns the section of the configuration with its name, and a program skips
// the sections of the others.
var Names = []string{"collector", "identity", "enricher", "sink"}

// Validator is a configuration that can tell what is wrong with it.
type Validator interface{ Validate() error }

// Program is one service as a program of its own.
type Program[C Validator] struct {
	// Name of the service and of its section in the configuration.
	Name string
	// Admin is the default address of its admin listener.
	Admin string
	// Config holds the defaults of its section.
	Config C
	// Run is its work.
	Run func(ctx context.Context, cfg C, p Platform) error
}

// Sections are the common sections of the configuration, to be filled into c.
func (c *Common) Sections() []config.Section {
	return []config.Section{
		{Name: "workspace", Into: &c.Workspace},
		{Name: "identifiers", Into: &c.Identifiers},
		{Name: "kafka", Into: &c.Kafka},
		{Name: "registry", Into: &c.Registry},
		{Name: "log", Into: &c.Log},
		{Name: "admin", Into: &c.Admin},
	}
}

// Load reads and checks the program's configuration: the common sections and its own.
func (p Program[C]) Load(source config.Source) (Common, C, error) {
	common, own := DefaultCommon(p.Admin), p.Config
	source.Others = Names
	sections := append(common.Sections(), config.Section{Name: p.Name, Into: &own})
	if err := config.Load(source, sections...); err != nil {
		return common, own, err
	}
	if err := common.Validate(); err != nil {
		return common, own, err
	}
	return common, own, own.Validate()
}

// Start runs the service with its admin listener until ctx ends.
func (p Program[C]) Start(ctx context.Context, source config.Source) error {
	common, own, err := p.Load(source)
	if err != nil {
		return err
	}
	log, err := common.Log.Build()
	if err != nil {
		return err
	}
	var network net.ListenConfig
	listener, err := network.Listen(ctx, "tcp", common.Admin.Listen)
	if err != nil {
		return fmt.Errorf("listen on admin.listen %s: %w", common.Admin.Listen, err)
	}
	host := NewHost(log)
	host.Expect(p.Name)
	log.Info("admin listener open", zap.String("address", listener.Addr().String()))
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return host.Serve(ctx, listener, common.Admin.Token) })
	group.Go(func() error {
		return host.Supervise(ctx, p.Name, common, func(ctx context.Context, platform Platform) error {
			return p.Run(ctx, own, platform)
		})
	})
	return group.Wait()
}

// Main parses the command line, runs the program until SIGINT or SIGTERM, and returns its exit code: 0
// after a clean stop, 1 after an error, 2 for a wrong command line.
func (p Program[C]) Main(args []string) int {
	var flags struct {
		Config string   `help:"YAML configuration file." env:"PARCOURS_CONFIG" placeholder:"FILE"`
		Set    []string `help:"Override one key, for example --set kafka.linger=0s." placeholder:"KEY=VALUE" sep:"none"`
	}
	parser, err := kong.New(&flags, kong.Name(p.Name), kong.Description("The "+p.Name+" service of Parcours."))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if _, err := parser.Parse(args); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", p.Name, err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	source := config.Source{File: flags.Config, Flags: flags.Set, Environ: os.Environ()}
	if err := p.Start(ctx, source); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", p.Name, err)
		return 1
	}
	return 0
}
