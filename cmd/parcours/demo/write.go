package demo

import (
	"io"
	"strings"
)

const (
	bold  = "\x1b[1m"
	dim   = "\x1b[2m"
	plain = "\x1b[0m"
)

// write prints the sections as tables.
func write(out io.Writer, sections []*section, opts Options) error {
	var b strings.Builder
	style := func(code, line string) {
		if opts.Color {
			line = code + line + plain
		}
		b.WriteString(line + "\n")
	}
	for _, s := range sections {
		style(bold, s.Title)
		for _, line := range wrap(s.Says, opts.Width) {
			style(dim, line)
		}
		if opts.SQL && s.SQL != "" {
			b.WriteByte('\n')
			for _, line := range strings.Split(s.SQL, "\n") {
				style(dim, "  "+line)
			}
		}
		b.WriteByte('\n')
		if len(s.Rows) == 0 {
			b.WriteString("  none\n")
		} else {
			for i, line := range layout(s.columns, s.Rows, opts.Width-2) {
				if line = "  " + line; i == 0 {
					if strings.TrimSpace(line) != "" {
						style(dim, line)
					}
					continue
				}
				b.WriteString(line + "\n")
			}
		}
		if len(s.after) > 0 {
			b.WriteByte('\n')
			for _, sentence := range s.after {
				for i, line := range wrap(sentence, opts.Width-4) {
					if i > 0 && strings.HasSuffix(strings.Fields(sentence)[0], ":") {
						line = "  " + line // below its word
					}
					b.WriteString("  " + line + "\n")
				}
			}
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(out, b.String())
	return err
}
